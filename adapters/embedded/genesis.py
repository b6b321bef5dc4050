"""Genesis: what a ledger is from its first block on. Strict JSON, the same file at every node."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.embedded.proof import KIND
from relay.core.base64strict import b64encode
from relay.core.canonical import dumps, loads_strict
from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.limits import NOTE_SIGNATURES_MAX
from relay.core.note import PUBLIC_KEY_BYTES, check_name
from relay.core.pinned import ledger_claims, read_ledger
from relay.core.times import format_utc
from relay.core.trust import LedgerRoot, Validator

FORMAT: Final = "courtrelay-genesis/v1"
GENESIS_BYTES_MAX: Final = 1024 * 1024
LISTED_MAX: Final = 4096
FOREVER_MS: Final = 253_402_300_799_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """A name and an Ed25519 key that counts in [valid_from_ms, valid_to_ms). One name has two while its key is changed."""

    name: str
    public_key: bytes
    valid_from_ms: int = 0
    valid_to_ms: int = FOREVER_MS

    def valid(self, at_ms: int) -> bool:
        """Whether it counts at that time."""
        return self.valid_from_ms <= at_ms < self.valid_to_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredLog:
    """A log whose checkpoints the court's ledger accepts. `source` is its lender's ledger, of any family."""

    origin: str
    log_keys: tuple[RegisteredKey, ...]
    custodian: str
    grant_keys: tuple[RegisteredKey, ...]
    source: LedgerRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """`mode` is `lender` or `court`; the lists are used in court mode only."""

    ledger: str
    mode: str
    threshold: int
    validators: tuple[RegisteredKey, ...]
    logs: tuple[RegisteredLog, ...] = ()
    witnesses: tuple[RegisteredKey, ...] = ()
    custody: tuple[RegisteredKey, ...] = ()

    def root(self) -> LedgerRoot:
        """The trust root of this ledger."""
        return _root(self.ledger, self.threshold, self.validators)

    def to_json(self) -> bytes:
        """The file's bytes."""
        return dumps(
            {
                "format": FORMAT,
                "ledger": self.ledger,
                "mode": self.mode,
                "threshold": self.threshold,
                "validators": _keys_json(self.validators),
                "witnesses": _keys_json(self.witnesses),
                "custody": _keys_json(self.custody),
                "logs": [
                    {
                        "origin": log.origin,
                        "log_keys": _keys_json(log.log_keys),
                        "custodian": log.custodian,
                        "grant_keys": _keys_json(log.grant_keys),
                        "source": ledger_claims(log.source),
                    }
                    for log in self.logs
                ],
            }
        )


def _keys_json(keys: Sequence[RegisteredKey]) -> list[dict[str, str]]:
    rows = []
    for key in keys:
        row = {"name": key.name, "public_key": b64encode(key.public_key)}
        if key.valid_from_ms:
            row["valid_from"] = format_utc(key.valid_from_ms // 1000)
        if key.valid_to_ms != FOREVER_MS:
            row["valid_to"] = format_utc(key.valid_to_ms // 1000)
        rows.append(row)
    return rows


def _root(ledger: str, threshold: int, validators: Sequence[RegisteredKey]) -> LedgerRoot:
    pinned = tuple(
        Validator(name=v.name, public_key=v.public_key, valid_from_ms=0, valid_to_ms=FOREVER_MS) for v in validators
    )
    return LedgerRoot(ledger=ledger, kind=KIND, threshold=threshold, validators=pinned)


def read_genesis(path: Path) -> Genesis:
    """Raises `Malformed` naming file and member. Keys are added and ended in this file, at every node, and read at its start."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    what = str(path)
    fields = Fields(loads_strict(data, what=what, bytes_max=GENESIS_BYTES_MAX), what=what)
    fields.literal("format", FORMAT)
    genesis = Genesis(
        ledger=fields.identifier("ledger"),
        mode=fields.literal("mode", "lender", "court"),
        threshold=fields.integer("threshold", low=1, high=LISTED_MAX),
        validators=_keys(fields, "validators", empty=False, periods=False),
        logs=tuple(_log(log) for log in fields.objects("logs", count_max=LISTED_MAX, empty=True)),
        witnesses=_keys(fields, "witnesses"),
        custody=_keys(fields, "custody"),
    )
    fields.done()
    if genesis.threshold > NOTE_SIGNATURES_MAX:
        raise Malformed(what, "threshold", f"at most {NOTE_SIGNATURES_MAX}: a block carries no more signatures")
    for validator in genesis.validators:
        check_name(f"{genesis.ledger}/{validator.name}", f"{what}: validators")
    if genesis.threshold > len(genesis.validators):
        raise Malformed(
            what, "threshold", f"{genesis.threshold} of {len(genesis.validators)} validators can never sign"
        )
    return genesis


def _keys(fields: Fields, name: str, *, empty: bool = True, periods: bool = True) -> tuple[RegisteredKey, ...]:
    keys = []
    for item in fields.objects(name, count_max=LISTED_MAX, empty=empty):
        key = RegisteredKey(
            name=item.identifier("name"),
            public_key=item.b64("public_key", size=PUBLIC_KEY_BYTES),
            valid_from_ms=item.utc("valid_from") * 1000 if periods and item.has("valid_from") else 0,
            valid_to_ms=item.utc("valid_to") * 1000 if periods and item.has("valid_to") else FOREVER_MS,
        )
        if key.valid_to_ms <= key.valid_from_ms:
            raise item.refuse("valid_to", "must be later than valid_from")
        keys.append(key)
        item.done()
    if len({(key.name, key.public_key if periods else b"") for key in keys}) != len(keys):
        raise fields.refuse(name, "names the same key twice")
    return tuple(keys)


def check_kinds(genesis: Genesis, known: Container[str], what: str) -> None:
    """Every log's source is of a kind of ledger proof that this node can check. Raises `Malformed` naming the first that is not."""
    for i, log in enumerate(genesis.logs):
        if log.source.kind not in known:
            reason = f"no verifier for ledger proofs of kind {log.source.kind} is installed here"
            raise Malformed(what, f"logs[{i}].source.kind", reason)


def _source(fields: Fields) -> LedgerRoot:
    """As in trust roots. Files from before there were other families pin an embedded ledger in three members."""
    if fields.has("source"):
        return read_ledger(fields.nested("source"))
    return _root(
        fields.identifier("source_ledger"),
        fields.integer("source_threshold", low=1, high=LISTED_MAX),
        _keys(fields, "source_validators", empty=False, periods=False),
    )


def _log(fields: Fields) -> RegisteredLog:
    source = _source(fields)
    log = RegisteredLog(
        origin=fields.identifier("origin"),
        log_keys=_keys(fields, "log_keys", empty=False),
        custodian=fields.party("custodian", "custodian"),
        grant_keys=_keys(fields, "grant_keys", empty=False),
        source=source,
    )
    if any(key.name != log.origin for key in log.log_keys):
        raise fields.refuse("log_keys", f"must all have the name {log.origin}")
    fields.done()
    return log
