"""Setting up hosts that share nothing: the verbs `courtrelay setup …`, `certificate …` and `trust …`. No role needs to run.

Each party makes its keys where they are used and gives away a part (`relay.core.parts`) and a certificate request; an authority signs the
requests, whoever issues the trust roots joins the parts. Every function returns what the terminal shows, by name.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapters.embedded.genesis import Genesis, RegisteredKey, RegisteredLog
from adapters.embedded.proof import KIND
from relay.app.trust import read_trust
from relay.core.errors import Conflict, Malformed
from relay.core.identity import TRUST_DOMAIN, Identity, Role, parse_identity
from relay.core.limits import TRUST_ROOTS_BYTES_MAX
from relay.core.parts import Part, join, parse_part
from relay.core.pinned import CourtRoot, KeyUse, LogRoot, TrustedKey
from relay.core.sealing import PRIVATE_KEY_BYTES, Kem, SealingPrivateKey
from relay.core.times import format_utc
from relay.core.trust import TrustRoots
from relay.setup.ca import make_authority, renew_list, revoke, write_list
from relay.setup.keys import make_signing_key, write_secret
from relay.setup.requests import Request, issue_request, make_request, read_request
from relay.setup.signers import open_signer, parse_key_reference

KEY_YEARS: Final = 30
DAY_S: Final = 86_400
PART: Final = "part.json"
LIST: Final = "crl.pem"
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a party says of itself. `references`: keys that exist already, in a token or a file, by their name in `[keys]`."""

    folder: Path
    identity: str
    ledger: str
    references: Mapping[str, str]


def set_up_custodian(setup: Setup, origin: str, custody_origin: str) -> Facts:
    """Make a lender's keys and its part. Raises `Malformed`, `Conflict` when one exists: nothing is overwritten."""
    party = _party(setup, Role.CUSTODIAN)
    names: dict[KeyUse, str] = {"record": "record", "log": origin, "grant": "grant", "custody": custody_origin}
    _refuse_made(setup, [*names, "sealing", "master"], list(names))
    keys = [_signing_key(setup, party, use, name, f"keys/{use}.pem") for use, name in names.items()]
    sealing = secrets.token_bytes(PRIVATE_KEY_BYTES)
    write_secret(setup.folder / "keys/sealing.key", sealing)
    write_secret(setup.folder / "keys/master.key", secrets.token_bytes(32))
    public = SealingPrivateKey(kem=Kem.MLKEM768_X25519, raw=sealing).public_key.raw
    keys.append(_pinned("sealing", party, "sealing", public, Kem.MLKEM768_X25519))
    logs = (LogRoot(origin=origin, party=party, ledger=setup.ledger),)
    return _write_part(setup.folder, Part(party=party, pinned_keys=tuple(keys), logs=logs))


def set_up_court(setup: Setup, witness: str, custody_origin: str) -> Facts:
    """The same for a court."""
    party = _party(setup, Role.COURT)
    names: dict[KeyUse, str] = {"witness": witness, "seal": "seal", "request": "request", "custody": custody_origin}
    _refuse_made(setup, list(names), list(names))
    keys = [_signing_key(setup, party, use, name, f"keys/{use}.pem") for use, name in names.items()]
    courts = (CourtRoot(party=party, ledger=setup.ledger, origin=custody_origin),)
    return _write_part(setup.folder, Part(party=party, pinned_keys=tuple(keys), courts=courts))


def set_up_ledger(setup: Setup, validators: int, threshold: int) -> Facts:
    """The same for an embedded ledger: its validators' keys."""
    party = _party(setup, Role.LEDGER)
    if not 1 <= threshold <= validators:
        raise Malformed("setup ledger", "--threshold", f"must be 1 to the number of validators ({validators})")
    names = [f"validator-{i + 1}" for i in range(validators)]
    _refuse_made(setup, names, names)
    keys = tuple(_validator(setup, name) for name in names)
    genesis = Genesis(ledger=setup.ledger, mode="lender", threshold=threshold, validators=keys)
    return _write_part(setup.folder, Part(party=party, ledgers=(genesis.root(),)))


def _party(setup: Setup, role: Role) -> str:
    identity = parse_identity(setup.identity, what="setup", field="--identity")
    if identity.role is not role:
        raise Malformed("setup", "--identity", f"{setup.identity} is of role {identity.role.value}, not {role.value}")
    return str(identity)


def _refuse_made(setup: Setup, made: Sequence[str], given: Sequence[str]) -> None:
    """Before anything is made, so that no half of a party is left."""
    for name in setup.references:
        if name not in given:
            raise Malformed("setup", "--key", f"{name!a} is none of {', '.join(given)}")
    files = [setup.folder / "keys" / f"{name}.{ending}" for name in made for ending in ("pem", "key")]
    for path in (setup.folder / PART, *files):
        if path.exists():
            raise Conflict(f"{path} exists; nothing is ever overwritten: this party is set up, or needs another folder")


def _public(setup: Setup, name: str, file: str) -> bytes:
    if name in setup.references:
        return open_signer(parse_key_reference(setup.references[name], Path.cwd())).public_key
    return make_signing_key(setup.folder / file).public_key


def _signing_key(setup: Setup, party: str, use: KeyUse, name: str, file: str) -> TrustedKey:
    return _pinned(use, party, name, _public(setup, use, file))


def _validator(setup: Setup, name: str) -> RegisteredKey:
    return RegisteredKey(name=name, public_key=_public(setup, name, f"keys/{name}.pem"))


def _pinned(use: KeyUse, party: str, name: str, public_key: bytes, kem: Kem | None = None) -> TrustedKey:
    """From a day ago on, so that clocks may differ."""
    start_s = _now_s() - DAY_S
    end_s = start_s + 365 * KEY_YEARS * DAY_S
    return TrustedKey(
        use=use,
        party=party,
        name=name,
        public_key=public_key,
        valid_from_ms=start_s * 1000,
        valid_to_ms=end_s * 1000,
        kem=kem,
    )


def _write_part(folder: Path, part: Part) -> Facts:
    data = parse_part(part.to_json()).to_json()
    (folder / PART).write_bytes(data)
    return {"party": part.party, "part": str(folder / PART), "sha256": hashlib.sha256(data).hexdigest()}


# --- trust roots -------------------------------------------------------------------------------------------------------------------


def make_trust(
    files: Sequence[Path], out: Path, *, before: Path | None, days: int, witness_quorum: int | None
) -> Facts:
    """Join parts into trust roots, added to those of a file `before` where there is one. Raises `Malformed`, `Conflict`."""
    if out.exists():
        raise Conflict(f"{out} exists; it is never overwritten: give the new version a new name")
    held = read_trust(before) if before else None
    now_s = _now_s()
    quorum = witness_quorum or (held.witness_quorum if held else 1)
    trust = join(
        [_read_part(file) for file in files],
        held,
        issued_at_s=now_s,
        expires_at_s=now_s + days * DAY_S,
        witness_quorum=quorum,
    )
    data = trust.to_json()
    out.write_bytes(data)
    return {**_trust_facts(trust), "sha256": hashlib.sha256(data).hexdigest()}


def show_trust(path: Path) -> Facts:
    """What a file of trust roots pins, and its digest, for comparing by telephone. Raises `Malformed`."""
    return {**_trust_facts(read_trust(path)), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def make_genesis(trust: Path, ledger: str, out: Path) -> Facts:
    """The genesis file of an embedded ledger, from the trust roots: a court's ledger knows its lenders, witnesses and courts from there.

    Raises `Malformed` when the trust roots pin no embedded ledger of that id, `Conflict` when the file exists.
    """
    if out.exists():
        raise Conflict(f"{out} exists; it is never overwritten. `courtrelay key rotate --genesis` changes its keys")
    roots = read_trust(trust)
    root = next((one for one in roots.ledgers if one.ledger == ledger), None)
    if root is None or root.kind != KIND:
        have = ", ".join(one.ledger for one in roots.ledgers if one.kind == KIND) or "none"
        raise Malformed(str(trust), "ledgers", f"pin no embedded ledger {ledger!a}; the embedded ones are: {have}")
    courts = {court.party for court in roots.courts if court.ledger == ledger}
    genesis = Genesis(
        ledger=ledger,
        mode="court" if courts else "lender",
        threshold=root.threshold,
        validators=tuple(RegisteredKey(name=v.name, public_key=v.public_key) for v in root.validators),
        logs=tuple(_registered_log(roots, log) for log in roots.logs) if courts else (),
        witnesses=_registered(roots, "witness", courts),
        custody=_registered(roots, "custody", courts),
    )
    out.write_bytes(genesis.to_json())
    return {"ledger": ledger, "mode": genesis.mode, "logs": ", ".join(log.origin for log in genesis.logs) or "none"}


def _registered_log(roots: TrustRoots, log: LogRoot) -> RegisteredLog:
    return RegisteredLog(
        origin=log.origin,
        log_keys=tuple(key for key in _registered(roots, "log", {log.party}) if key.name == log.origin),
        custodian=log.party,
        grant_keys=_registered(roots, "grant", {log.party}),
        source=roots.ledger_root(log.ledger),
    )


def _registered(roots: TrustRoots, use: KeyUse, parties: set[str]) -> tuple[RegisteredKey, ...]:
    """A revoked key counts until it was revoked, as `courtrelay key revoke` leaves it."""
    found = [key for key in roots.pinned_keys if key.use == use and key.party in parties]
    ends = [min(key.valid_to_ms, key.revoked_from_ms or key.valid_to_ms) for key in found]
    return tuple(
        RegisteredKey(name=key.name, public_key=key.public_key, valid_from_ms=key.valid_from_ms, valid_to_ms=end)
        for key, end in zip(found, ends, strict=True)
        if end > key.valid_from_ms
    )


def _read_part(path: Path) -> Part:
    try:
        with path.open("rb") as opened:
            data = opened.read(TRUST_ROOTS_BYTES_MAX + 1)
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}; `courtrelay setup` makes it") from None
    try:
        return parse_part(data)
    except Malformed as error:
        raise error.within(str(path)) from None


def _trust_facts(trust: TrustRoots) -> Facts:
    parties = sorted({key.party for key in trust.pinned_keys})
    return {
        "version": trust.version,
        "expires": format_utc(trust.expires_at_s),
        "parties": ", ".join(parties),
        "logs": ", ".join(log.origin for log in trust.logs),
        "ledgers": ", ".join(f"{root.ledger} ({root.threshold} of {len(root.validators)})" for root in trust.ledgers),
    }


# --- certificates ------------------------------------------------------------------------------------------------------------------


def new_authority(folder: Path, trust_domain: str, list_days: int) -> Facts:
    """Make a certificate authority and its first revocation list. Raises `Malformed`, `Conflict`."""
    if not TRUST_DOMAIN.fullmatch(trust_domain):
        raise Malformed(
            "certificate authority", "--domain", "must be a host name in lower case, such as alliance.example"
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = _now()
    make_authority(folder, trust_domain, now, "authority")
    write_list(folder, folder / LIST, now, (), 1, days=list_days)
    return {"authority": str(folder / "ca.pem"), "list": str(folder / LIST), "list ends": _after(now, list_days)}


def request_certificate(folder: Path, identity: str, names: Sequence[str]) -> Facts:
    """Make a TLS key and the request for its certificate. Raises `Malformed`, `Conflict`."""
    asked = parse_identity(identity, what="certificate request", field="--identity")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {"request": str(folder / "tls.csr"), **_request_facts(make_request(folder, asked, names))}


def issue_certificate(path: Path, authority: Path, identity: str, names: Sequence[str], out: Path, days: int) -> Facts:
    """Grant a request exactly what is said here. Raises `Malformed`, `Conflict` when the certificate's file exists."""
    if out.exists():
        raise Conflict(f"{out} exists; it is never overwritten: it may be needed for revoking it")
    granted: Identity = parse_identity(identity, what="certificate issue", field="--identity")
    request, now = read_request(path), _now()
    pem = issue_request(authority, request, granted, names, now, days)
    out.write_bytes(pem)
    return {"certificate": str(out), **_request_facts(request), "ends": _after(now, days)}


def revoke_certificate(certificate: Path, authority: Path, list_days: int) -> Facts:
    """Put a certificate on the authority's list and renew it. Raises `Malformed`, `Conflict` when it is on it."""
    now = _now()
    serial = revoke(authority, authority / LIST, certificate, now, days=list_days)
    return {"serial": f"{serial:x}", "list": str(authority / LIST), "list ends": _after(now, list_days)}


def renew_revocation_list(authority: Path, list_days: int) -> Facts:
    """The same list, good for longer. Raises `Malformed`."""
    now = _now()
    revoked = renew_list(authority, authority / LIST, now, days=list_days)
    return {"list": str(authority / LIST), "revoked": revoked, "list ends": _after(now, list_days)}


def _request_facts(request: Request) -> Facts:
    return {"identity": str(request.identity), "names": ", ".join(request.names) or "none", "sha256": request.sha256}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _now_s() -> int:
    return int(_now().timestamp())


def _after(now: datetime.datetime, days: int) -> str:
    return format_utc(int(now.timestamp()) + days * DAY_S)
