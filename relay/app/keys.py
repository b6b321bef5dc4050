"""Making, changing and revoking signing keys: the verbs `courtrelay key …` and `courtrelay identity …`. No role needs to run."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from adapters.embedded.genesis import Genesis, RegisteredKey, read_genesis
from relay.app.ledger_homes import CRL
from relay.app.runtime import SystemClock
from relay.app.trust import read_trust
from relay.core.base64strict import b64encode
from relay.core.errors import Malformed, NotFound
from relay.core.jose import thumbprint
from relay.core.pinned import KEY_USES, KeyUse, TrustedKey
from relay.core.times import format_utc, parse_utc
from relay.core.trust import TrustRoots
from relay.setup.ca import revoke
from relay.setup.keys import make_signing_key
from relay.setup.signers import open_signer, parse_key_reference

HOUR_MS: Final = 3_600_000
REGISTERED: Final = ("log", "grant", "witness", "custody")
"""Uses of which the court's ledger keeps keys of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """What pins keys: the trust roots, and where it is run here the genesis file of the court's embedded ledger."""

    trust: Path
    genesis: Path | None


def new_key(path: Path) -> dict[str, Any]:
    """A new key in a new file. Raises `Conflict` when it exists."""
    return _facts(make_signing_key(path).public_key)


def show_key(reference: str) -> dict[str, Any]:
    """The public half of a key in a file or a token, after one trial signature. Raises as `open_signer`."""
    return _facts(open_signer(parse_key_reference(reference, Path.cwd())).public_key)


def _facts(public_key: bytes) -> dict[str, Any]:
    return {"public_key": b64encode(public_key), "kid": thumbprint(public_key)}


def rotate_key(files: KeyFiles, use: str, party: str, new: str, since: str, overlap_hours: int) -> dict[str, Any]:
    """Pin a new key from a time on (empty: now), and let the ones before it end so many hours later. Raises `Malformed`."""
    trust = read_trust(files.trust)
    since_ms = _time_ms(since)
    before = _current(trust, use, party, since_ms)
    public_key = open_signer(parse_key_reference(new, Path.cwd())).public_key
    end_ms = since_ms + overlap_hours * HOUR_MS
    made = replace(before[-1], public_key=public_key, valid_from_ms=since_ms, revoked_from_ms=None)
    if any(key.use == made.use and key.kid == made.kid for key in trust.pinned_keys):
        raise Malformed(new, "", "is pinned already; a new key is a new file: `courtrelay key new`")

    def end(key: TrustedKey) -> TrustedKey:
        return replace(key, valid_to_ms=min(key.valid_to_ms, end_ms)) if key in before else key

    def ended(key: RegisteredKey) -> RegisteredKey:
        return replace(key, valid_to_ms=min(key.valid_to_ms, end_ms))

    keys = (*(end(key) for key in trust.pinned_keys), made)
    registered = RegisteredKey(name=made.name, public_key=public_key, valid_from_ms=since_ms)
    _save(files, trust, keys, made, lambda held: (*(ended(key) for key in held), registered))
    return {
        **_facts(public_key),
        "use": use,
        "party": made.party,
        "name": made.name,
        "valid from": format_utc(since_ms // 1000),
        "old keys end": format_utc(end_ms // 1000),
    }


def revoke_key(files: KeyFiles, kid: str, since: str) -> dict[str, Any]:
    """From this time on (empty: now) nothing that this key signs counts. Raises `NotFound`, `Malformed`."""
    trust = read_trust(files.trust)
    since_ms = _time_ms(since)
    meant = [key for key in trust.pinned_keys if kid and key.kid == kid]
    if not meant:
        raise NotFound(f"no key {kid} is pinned in {files.trust}; its `kid` is what `courtrelay key show` prints")
    keys = tuple(replace(key, revoked_from_ms=since_ms) if key in meant else key for key in trust.pinned_keys)

    def cut(held: Sequence[RegisteredKey]) -> tuple[RegisteredKey, ...]:
        left = [
            replace(key, valid_to_ms=min(key.valid_to_ms, since_ms)) if thumbprint(key.public_key) == kid else key
            for key in held
        ]
        return tuple(key for key in left if key.valid_to_ms > key.valid_from_ms)

    for key in meant:
        _save(files, trust, keys, key, cut)
    uses = ", ".join(sorted(key.use for key in meant))
    return {"kid": kid, "use": uses, "party": meant[0].party, "revoked from": format_utc(since_ms // 1000)}


def revoke_identity(home: Path, name: str) -> dict[str, Any]:
    """Put a development identity's certificate on the authority's revocation list; running roles take it in within seconds."""
    folder = home / name
    if not (folder / "tls.pem").is_file():
        have = ", ".join(sorted(path.parent.name for path in home.glob("*/tls.pem")))
        raise Malformed("identity", "name", f"{name!a} is none of {have or 'this home, which has none'}")
    serial = revoke(
        home / "ca", home / CRL, folder / "tls.pem", datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    )
    return {"identity": name, "serial": f"{serial:x}", "list": str(home / CRL)}


def _time_ms(text: str) -> int:
    return parse_utc(text, what="key", field="time") * 1000 if text else SystemClock().now_ms() // 1000 * 1000


def _current(trust: TrustRoots, use: str, party: str, at_ms: int) -> list[TrustedKey]:
    """The keys that a new one follows, the last one last."""
    known: tuple[KeyUse, ...] = tuple(known for known in KEY_USES if known != "sealing")
    if use not in known:
        raise Malformed("key", "use", f"{use!a} is none of {', '.join(known)}")
    found = [key for key in trust.pinned_keys if key.use == use and party in ("", key.party) and not key.why_not(at_ms)]
    owners = sorted({f"{key.name} of {key.party}" for key in found})
    if len(owners) != 1:
        said = f"{len(owners)} are pinned: {'; '.join(owners)}" if owners else "no key of this use is valid then"
        raise Malformed("key", "party", f"{said}; say which one with --party")
    return sorted(found, key=lambda key: key.valid_from_ms)


def _save(
    files: KeyFiles,
    trust: TrustRoots,
    keys: tuple[TrustedKey, ...],
    changed: TrustedKey,
    change: Callable[[Sequence[RegisteredKey]], tuple[RegisteredKey, ...]],
) -> None:
    """Both files, whole or not at all each. The ledger's first: what it accepts and no verifier pins does no harm.

    The trust roots get the next version: a role takes no changed file of a version that it has used.
    """
    now_s = SystemClock().now_ms() // 1000
    changed_roots = replace(trust, pinned_keys=keys, version=trust.version + 1, issued_at_s=now_s)
    if files.genesis is not None and changed.use in REGISTERED:
        _write(files.genesis, _with_keys(read_genesis(files.genesis), changed, change).to_json())
    _write(files.trust, changed_roots.to_json())


def _with_keys(
    genesis: Genesis, changed: TrustedKey, change: Callable[[Sequence[RegisteredKey]], tuple[RegisteredKey, ...]]
) -> Genesis:
    def named(keys: tuple[RegisteredKey, ...]) -> tuple[RegisteredKey, ...]:
        mine = [key for key in keys if key.name == changed.name]
        return (*(key for key in keys if key not in mine), *change(mine)) if mine else keys

    if changed.use == "witness":
        return replace(genesis, witnesses=named(genesis.witnesses))
    if changed.use == "custody":
        return replace(genesis, custody=named(genesis.custody))
    logs = []
    for log in genesis.logs:
        if changed.use == "log" and log.origin == changed.name:
            log = replace(log, log_keys=change(log.log_keys))
        if changed.use == "grant" and log.custodian == changed.party:
            log = replace(log, grant_keys=change(log.grant_keys))
        logs.append(log)
    return replace(genesis, logs=tuple(logs))


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)
