"""What trust roots pin, piece by piece: keys, validators, ledgers, logs, courts, and the form of each in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from relay.core.base64strict import b64encode
from relay.core.canonical import Fields
from relay.core.errors import Malformed
from relay.core.jose import PUBLIC_KEY_BYTES, thumbprint
from relay.core.limits import TRUST_PARAMETERS_MAX, TRUST_VALIDATORS_MAX
from relay.core.sealing import Kem, SealingPublicKey
from relay.core.times import format_utc

KeyUse = Literal["record", "log", "grant", "sealing", "witness", "seal", "request", "custody", "platform"]
"""What a pinned key may speak for."""
KEY_USES: Final[tuple[KeyUse, ...]] = get_args(KeyUse)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A pinned key, valid in [valid_from_ms, valid_to_ms) and not from `revoked_from_ms` on.

    `public_key` is raw: 32 bytes of Ed25519, or for `sealing` the HPKE key of its `kem`. `name` is the origin for log
    and custody keys, the witness name for witness keys, the ledger for platform keys.
    """

    use: KeyUse
    party: str
    name: str
    public_key: bytes
    valid_from_ms: int
    valid_to_ms: int
    revoked_from_ms: int | None = None
    kem: Kem | None = None

    @property
    def kid(self) -> str:
        """The key's thumbprint; empty for sealing keys, which sign nothing."""
        return "" if self.use == "sealing" else thumbprint(self.public_key)

    @property
    def sealing_key(self) -> SealingPublicKey:
        """The key to seal to; RuntimeError for a key of another use."""
        if self.kem is None:
            raise RuntimeError(f"a {self.use} key cannot be sealed to")
        return SealingPublicKey(kem=self.kem, raw=self.public_key)

    def why_not(self, at_ms: int) -> str:
        """Why the key did not speak at that time; empty when it did."""
        if at_ms < self.valid_from_ms:
            return f"is valid only from {_utc(self.valid_from_ms)}, after {_utc(at_ms)}"
        if at_ms >= self.valid_to_ms:
            return f"was valid until {_utc(self.valid_to_ms)}, before {_utc(at_ms)}"
        if self.revoked_from_ms is not None and at_ms >= self.revoked_from_ms:
            return f"is revoked from {_utc(self.revoked_from_ms)}, before {_utc(at_ms)}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """One validator of a ledger; its key is valid in [valid_from_ms, valid_to_ms).

    `public_key` is raw: 32 bytes of Ed25519 or 33 of a compressed secp256k1 point; the ledger's family says which counts.
    """

    name: str
    public_key: bytes
    valid_from_ms: int
    valid_to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRoot:
    """A pinned ledger: its family's proof kind, and how many of which validators make a block final.

    `parameters` are facts that only the family understands, such as a contract's address.
    """

    ledger: str
    kind: str
    threshold: int
    validators: tuple[Validator, ...]
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRoot:
    """An evidence log: its origin, the party that writes it, the ledger it is anchored on."""

    origin: str
    party: str
    ledger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtRoot:
    """A court, its ledger, and the origin of its custody log where it keeps one (empty otherwise)."""

    party: str
    ledger: str
    origin: str = ""


_PARAMETER: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PARAMETER_VALUE: Final = re.compile(r"[ -~]{1,128}")
_POINT_BYTES: Final = 33
_ROLES: Final[dict[KeyUse, str]] = {
    "record": "custodian",
    "log": "custodian",
    "grant": "custodian",
    "sealing": "custodian",
    "seal": "court",
    "request": "court",
}


def _utc(at_ms: int) -> str:
    return format_utc(at_ms // 1000)


def read_key(fields: Fields) -> TrustedKey:
    """Raises `Malformed`, as all readers here."""
    use = fields.literal("use", *KEY_USES)
    kem: Kem | None = None
    size = PUBLIC_KEY_BYTES
    if use == "sealing":
        kem = Kem(fields.literal("kem", *(k.value for k in Kem)))
        size = kem.public_key_bytes
    key = TrustedKey(
        use=use,
        party=fields.party("party", _ROLES.get(use, "")),
        name=fields.identifier("name"),
        public_key=fields.b64("public_key", size=size),
        valid_from_ms=fields.utc("valid_from") * 1000,
        valid_to_ms=fields.utc("valid_to") * 1000,
        revoked_from_ms=fields.utc("revoked_from") * 1000 if fields.has("revoked_from") else None,
        kem=kem,
    )
    fields.done()
    return key


def key_claims(key: TrustedKey) -> dict[str, object]:
    """The inverse of `read_key`, as all `…_claims` here of their readers."""
    claims: dict[str, object] = {
        "use": key.use,
        "party": key.party,
        "name": key.name,
        "public_key": b64encode(key.public_key),
        "valid_from": _utc(key.valid_from_ms),
        "valid_to": _utc(key.valid_to_ms),
    }
    if key.revoked_from_ms is not None:
        claims["revoked_from"] = _utc(key.revoked_from_ms)
    if key.kem is not None:
        claims["kem"] = key.kem.value
    return claims


def read_ledger(fields: Fields) -> LedgerRoot:
    """A ledger's root of trust; the threshold lies between 1 and the number of validators."""
    validators = [_read_validator(f) for f in fields.objects("validators", count_max=TRUST_VALIDATORS_MAX)]
    root = LedgerRoot(
        ledger=fields.identifier("ledger"),
        kind=fields.token("kind"),
        threshold=fields.integer("threshold", low=1, high=len({v.name for v in validators})),
        validators=tuple(validators),
        parameters=_read_parameters(fields) if fields.has("parameters") else {},
    )
    fields.done()
    return root


def _read_parameters(fields: Fields) -> dict[str, str]:
    """An object that is not empty: a ledger without parameters has no such member."""
    given = fields.nested("parameters").rest()
    made = {name: value for name, value in given.items() if isinstance(value, str)}
    if len(made) != len(given) or not made:
        raise fields.refuse("parameters", "must hold strings, at least one")
    check_parameters(made, fields.what, fields.at("parameters"))
    return made


def check_parameters(parameters: Mapping[str, str], what: str, place: str) -> None:
    """Few, short, printable. Raises `Malformed`."""
    if len(parameters) > TRUST_PARAMETERS_MAX:
        raise Malformed(what, place, f"{len(parameters)} members; at most {TRUST_PARAMETERS_MAX}")
    for name, value in parameters.items():
        if not _PARAMETER.fullmatch(name):
            raise Malformed(what, place, f"{name[:40]!a} must be a lower-case letter and up to 31 of a-z, 0-9 and _")
        if not _PARAMETER_VALUE.fullmatch(value):
            raise Malformed(what, f"{place}.{name}", "must be 1 to 128 printable ASCII characters")


def check_validator_key(public_key: bytes, what: str, place: str) -> None:
    """Raw Ed25519, or a compressed secp256k1 point. Raises `Malformed`."""
    if len(public_key) not in (PUBLIC_KEY_BYTES, _POINT_BYTES):
        raise Malformed(what, place, f"{len(public_key)} bytes; must be {PUBLIC_KEY_BYTES} or {_POINT_BYTES}")
    if len(public_key) == _POINT_BYTES and public_key[0] not in (2, 3):
        raise Malformed(what, place, "must begin with 02 or 03: a compressed point")


def _read_validator(fields: Fields) -> Validator:
    validator = Validator(
        name=fields.identifier("name"),
        public_key=fields.b64("public_key", bytes_max=_POINT_BYTES),
        valid_from_ms=fields.utc("valid_from") * 1000,
        valid_to_ms=fields.utc("valid_to") * 1000,
    )
    fields.done()
    check_validator_key(validator.public_key, fields.what, fields.at("public_key"))
    return validator


def ledger_claims(root: LedgerRoot) -> dict[str, object]:
    """A ledger as the file writes it."""
    validators = [
        {
            "name": v.name,
            "public_key": b64encode(v.public_key),
            "valid_from": _utc(v.valid_from_ms),
            "valid_to": _utc(v.valid_to_ms),
        }
        for v in root.validators
    ]
    claims: dict[str, object] = {"ledger": root.ledger, "kind": root.kind, "threshold": root.threshold}
    claims["validators"] = validators
    if root.parameters:
        claims["parameters"] = dict(sorted(root.parameters.items()))
    return claims


def read_log(fields: Fields) -> LogRoot:
    """An evidence log."""
    log = LogRoot(
        origin=fields.identifier("origin"),
        party=fields.party("party", "custodian"),
        ledger=fields.identifier("ledger"),
    )
    fields.done()
    return log


def log_claims(log: LogRoot) -> dict[str, object]:
    """An evidence log as the file writes it."""
    return {"origin": log.origin, "party": log.party, "ledger": log.ledger}


def read_court(fields: Fields) -> CourtRoot:
    """A court."""
    court = CourtRoot(
        party=fields.party("party", "court"),
        ledger=fields.identifier("ledger"),
        origin=fields.identifier("origin") if fields.has("origin") else "",
    )
    fields.done()
    return court


def court_claims(court: CourtRoot) -> dict[str, object]:
    """A court as the file writes it."""
    claims: dict[str, object] = {"party": court.party, "ledger": court.ledger}
    if court.origin:
        claims["origin"] = court.origin
    return claims
