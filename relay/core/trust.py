"""TrustRoots: which key spoke for whom, and when; which ledgers, logs and courts count. Pinned by whoever verifies.

Validity is judged at the time the caller gives: anchoring time for record and log keys, the statement's time otherwise.
The file itself has a version and an end: without a newer one nobody hears of a revocation, so roles stop where it matters.
Empty means no: a file without keys, validators or a threshold is refused, never read as "anything goes".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from relay.core.authorities import AuthorityRoot, authority_claims, check_authorities, read_authority
from relay.core.canonical import Fields, loads_strict
from relay.core.errors import Malformed, Unverified
from relay.core.jose import PUBLIC_KEY_BYTES
from relay.core.limits import (
    AUTHORITIES_MAX,
    FUTURE_SKEW_S,
    JSON_INT_MAX,
    NOTE_SIGNATURES_MAX,
    TIME_S_MAX,
    TRUST_KEYS_MAX,
    TRUST_LIFETIME_S_MAX,
    TRUST_ROOTS_BYTES_MAX,
)
from relay.core.note import check_name
from relay.core.pinned import (
    KEY_USES,
    CourtRoot,
    KeyUse,
    LedgerRoot,
    LogRoot,
    TrustedKey,
    Validator,
    check_parameters,
    check_validator_key,
    court_claims,
    key_claims,
    ledger_claims,
    log_claims,
    read_court,
    read_key,
    read_ledger,
    read_log,
)
from relay.core.times import format_utc

__all__ = [
    "AuthorityRoot",
    "CourtRoot",
    "KeyUse",
    "LedgerRoot",
    "LogRoot",
    "TrustRoots",
    "TrustedKey",
    "Unpinned",
    "Validator",
    "parse_trust_roots",
]

FORMAT: Final = "courtrelay-trust/v1"
_WHAT: Final = "trust roots"


class Unpinned(Unverified):
    """The trust roots do not name what is asked for: the check cannot run, which is not the same as a failed check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoots:
    """All that a verifier pins. Building one checks it whole; raises `Malformed`. Look-ups raise only `Unverified`.

    `version` grows with every change; the file is current from `issued_at_s` up to but not including `expires_at_s` (seconds
    since 1970 UTC).
    """

    version: int
    issued_at_s: int
    expires_at_s: int
    pinned_keys: tuple[TrustedKey, ...]
    logs: tuple[LogRoot, ...]
    ledgers: tuple[LedgerRoot, ...]
    courts: tuple[CourtRoot, ...]
    witness_quorum: int
    authorities: tuple[AuthorityRoot, ...] = ()
    time_quorum: int = 0
    """How many authorities must have stamped a checkpoint that a record rests on."""
    _by_kid: dict[tuple[KeyUse, str], list[TrustedKey]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the parts against each other."""
        _check_currency(self)
        _check_ledgers(self)
        _check_logs_and_courts(self)
        _check_keys(self)
        check_authorities(self.authorities, self.time_quorum, _WHAT)
        by_kid: dict[tuple[KeyUse, str], list[TrustedKey]] = {}
        for key in self.pinned_keys:
            by_kid.setdefault((key.use, key.kid), []).append(key)
        object.__setattr__(self, "_by_kid", by_kid)

    def why_stale(self, now_s: int) -> str:
        """Why the file is not the current word at that time; empty when it is. The issuer's clock may run FUTURE_SKEW_S ahead."""
        if self.issued_at_s > now_s + FUTURE_SKEW_S:
            return f"the trust roots are dated in the future: issued at {format_utc(self.issued_at_s)}"
        if now_s >= self.expires_at_s:
            return f"the trust roots have expired: at {format_utc(self.expires_at_s)}; get the current file"
        return ""

    def court_ledger(self, party: str) -> str:
        """The ledger of a pinned court; empty for anybody else."""
        return next((court.ledger for court in self.courts if court.party == party), "")

    def key_for_kid(self, use: KeyUse, kid: str, party: str, at_ms: int) -> TrustedKey:
        """The key with this thumbprint that spoke for the party at that time. Raises `Unpinned` or `Unverified`."""
        step = f"{use} key"
        known = [key for key in self._by_kid.get((use, kid), []) if key.party == party]
        if not known:
            raise Unpinned(step, f"{kid} is not pinned as a {use} key of {party}")
        return _valid(known, step, at_ms)[0]

    def keys(
        self, use: KeyUse, *, name: str | None = None, party: str | None = None, at_ms: int
    ) -> tuple[TrustedKey, ...]:
        """At least one key of that use, name and party, all valid at that time. Raises `Unpinned` or `Unverified`."""
        step = f"{use} key"
        known = [
            key
            for key in self.pinned_keys
            if key.use == use and name in (None, key.name) and party in (None, key.party)
        ]
        if not known:
            wanted = " of ".join(part for part in (name, party) if part) or "anyone"
            raise Unpinned(step, f"no {use} key is pinned for {wanted}")
        return tuple(_valid(known, step, at_ms))

    def newest(self, use: KeyUse, *, party: str, at_ms: int) -> TrustedKey:
        """Of a party's keys valid at that time the one valid from latest: what is new is bound or sealed to it. Raises as `keys`."""
        return max(self.keys(use, party=party, at_ms=at_ms), key=lambda key: key.valid_from_ms)

    def refuse_revoked(self, use: KeyUse, kid: str, party: str, at_ms: int) -> None:
        """Raises `Unverified` when this key of the party is pinned as revoked at that time, whatever period it was made for.

        For a key that a signed document brings along (a grant its request key): it outlives its period, never its revocation.
        """
        for key in self._by_kid.get((use, kid), []):
            if key.party == party and key.revoked_from_ms is not None and at_ms >= key.revoked_from_ms:
                raise Unverified(f"{use} key", f"{kid} ({key.name} of {party}) {key.why_not(key.revoked_from_ms)}")

    def log(self, origin: str) -> LogRoot:
        """Raises `Unpinned`."""
        for log in self.logs:
            if log.origin == origin:
                return log
        raise Unpinned(_WHAT, f"log {origin} is not pinned")

    def logs_of(self, party: str) -> tuple[LogRoot, ...]:
        """The logs of a lender; none where none is pinned."""
        return tuple(log for log in self.logs if log.party == party)

    def ledger_root(self, ledger: str) -> LedgerRoot:
        """Raises `Unpinned`."""
        for root in self.ledgers:
            if root.ledger == ledger:
                return root
        raise Unpinned(_WHAT, f"ledger {ledger} is not pinned")

    def court(self, party: str) -> CourtRoot:
        """Raises `Unpinned`."""
        for court in self.courts:
            if court.party == party:
                return court
        raise Unpinned(_WHAT, f"court {party} is not pinned")

    def to_json(self) -> bytes:
        """The file's bytes, indented for people; `parse_trust_roots` gives back an equal value."""
        document: dict[str, object] = {
            "format": FORMAT,
            "version": self.version,
            "issued_at": format_utc(self.issued_at_s),
            "expires_at": format_utc(self.expires_at_s),
            "keys": [key_claims(key) for key in self.pinned_keys],
            "logs": [log_claims(log) for log in self.logs],
            "ledgers": [ledger_claims(root) for root in self.ledgers],
            "courts": [court_claims(court) for court in self.courts],
            "witnesses": {"quorum": self.witness_quorum},
        }
        if self.authorities:
            document["authorities"] = [authority_claims(authority) for authority in self.authorities]
        if self.time_quorum:
            document["time_quorum"] = self.time_quorum
        return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _valid(known: Iterable[TrustedKey], step: str, at_ms: int) -> list[TrustedKey]:
    refused: list[str] = []
    valid: list[TrustedKey] = []
    for key in known:
        reason = key.why_not(at_ms)
        if reason:
            refused.append(f"{key.kid or key.name} ({key.name} of {key.party}) {reason}")
        else:
            valid.append(key)
    if not valid:
        raise Unverified(step, "; ".join(refused))
    return valid


def parse_trust_roots(data: bytes) -> TrustRoots:
    """Read a trust roots file (strict JSON in any spacing). Raises only `Malformed`."""
    fields = Fields(loads_strict(data, what=_WHAT, bytes_max=TRUST_ROOTS_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    witnesses = fields.nested("witnesses")
    roots = TrustRoots(
        version=fields.integer("version", low=1),
        issued_at_s=fields.utc("issued_at"),
        expires_at_s=fields.utc("expires_at"),
        pinned_keys=tuple(read_key(f) for f in fields.objects("keys", count_max=TRUST_KEYS_MAX)),
        logs=tuple(read_log(f) for f in fields.objects("logs", count_max=TRUST_KEYS_MAX)),
        ledgers=tuple(read_ledger(f) for f in fields.objects("ledgers", count_max=TRUST_KEYS_MAX)),
        courts=tuple(read_court(f) for f in fields.objects("courts", count_max=TRUST_KEYS_MAX)),
        witness_quorum=witnesses.integer("quorum", low=1),
        authorities=_read_authorities(fields),
        time_quorum=fields.integer("time_quorum", low=1) if fields.has("time_quorum") else 0,
    )
    witnesses.done()
    fields.done()
    return roots


def _read_authorities(fields: Fields) -> tuple[AuthorityRoot, ...]:
    if not fields.has("authorities"):
        return ()
    return tuple(read_authority(f) for f in fields.objects("authorities", count_max=AUTHORITIES_MAX))


def _check_currency(roots: TrustRoots) -> None:
    if not 1 <= roots.version <= JSON_INT_MAX:
        raise Malformed(_WHAT, "version", f"{roots.version} is outside 1 to {JSON_INT_MAX}")
    if not 0 <= roots.issued_at_s <= TIME_S_MAX:
        raise Malformed(_WHAT, "issued_at", "must lie in the years 1970 to 9999")
    if not 0 < roots.expires_at_s - roots.issued_at_s <= TRUST_LIFETIME_S_MAX:
        days = TRUST_LIFETIME_S_MAX // 86_400
        raise Malformed(_WHAT, "expires_at", f"must be later than issued_at by at most {days} days")


def _refuse_empty_or_doubled(place: str, ids: list[str]) -> None:
    if not ids:
        raise Malformed(_WHAT, place, "must not be empty: empty means that nothing is trusted")
    seen: set[str] = set()
    for i, one in enumerate(ids):
        if one in seen:
            raise Malformed(_WHAT, f"{place}[{i}]", f"{one} stands twice")
        seen.add(one)


def _check_period(place: str, item: TrustedKey | Validator) -> None:
    times = [item.valid_from_ms, item.valid_to_ms]
    if isinstance(item, TrustedKey) and item.revoked_from_ms is not None:
        times.append(item.revoked_from_ms)
    if any(ms % 1000 or not 0 <= ms <= TIME_S_MAX * 1000 for ms in times):
        raise Malformed(_WHAT, place, "validity must be in whole seconds of the years 1970 to 9999")
    if item.valid_to_ms <= item.valid_from_ms:
        raise Malformed(_WHAT, f"{place}.valid_to", "must be later than valid_from")


def _check_ledgers(roots: TrustRoots) -> None:
    _refuse_empty_or_doubled("ledgers", [root.ledger for root in roots.ledgers])
    for i, root in enumerate(roots.ledgers):
        place = f"ledgers[{i}].validators"
        _refuse_empty_or_doubled(place, [v.public_key.hex() for v in root.validators])
        check_parameters(root.parameters, _WHAT, f"ledgers[{i}].parameters")
        names = {v.name for v in root.validators}
        if not 1 <= root.threshold <= len(names):
            reason = f"is {root.threshold}; must be 1 to {len(names)}, the number of validators"
            raise Malformed(_WHAT, f"ledgers[{i}].threshold", reason)
        if root.threshold > NOTE_SIGNATURES_MAX:
            raise Malformed(_WHAT, f"ledgers[{i}].threshold", f"at most {NOTE_SIGNATURES_MAX}: a block carries no more")
        for j, validator in enumerate(root.validators):
            check_name(f"{root.ledger}/{validator.name}", f"{_WHAT}: {place}[{j}]")
            _check_period(f"{place}[{j}]", validator)
            check_validator_key(validator.public_key, _WHAT, f"{place}[{j}].public_key")
        # a validator may change its key, but never counts twice at one time
        for a, b in combinations(root.validators, 2):
            if a.name == b.name and a.valid_from_ms < b.valid_to_ms and b.valid_from_ms < a.valid_to_ms:
                raise Malformed(_WHAT, place, f"{a.name} has two keys at the same time")


def _check_logs_and_courts(roots: TrustRoots) -> None:
    ledgers = {root.ledger for root in roots.ledgers}
    _refuse_empty_or_doubled("logs", [log.origin for log in roots.logs])
    _refuse_empty_or_doubled("courts", [court.party for court in roots.courts])
    named = [(f"logs[{i}]", log.ledger) for i, log in enumerate(roots.logs)]
    named += [(f"courts[{i}]", court.ledger) for i, court in enumerate(roots.courts)]
    for place, ledger in named:
        if ledger not in ledgers:
            raise Malformed(_WHAT, f"{place}.ledger", f"{ledger} is not among the ledgers")


def _check_keys(roots: TrustRoots) -> None:
    _refuse_empty_or_doubled("keys", [_identity(key) for key in roots.pinned_keys])
    parties = {log.origin: log.party for log in roots.logs}
    ledgers = {root.ledger for root in roots.ledgers}
    for i, key in enumerate(roots.pinned_keys):
        place = f"keys[{i}]"
        _check_period(place, key)
        if key.use not in KEY_USES:
            raise Malformed(_WHAT, f"{place}.use", f"must be {' or '.join(KEY_USES)}")
        if (key.kem is not None) is not (key.use == "sealing"):
            raise Malformed(_WHAT, f"{place}.kem", "is for sealing keys, and every sealing key has one")
        if key.kem is not None:
            _check_sealing(place, key)
        elif len(key.public_key) != PUBLIC_KEY_BYTES:
            raise Malformed(_WHAT, f"{place}.public_key", f"must be {PUBLIC_KEY_BYTES} bytes")
        if key.use == "log" and parties.get(key.name) != key.party:
            raise Malformed(_WHAT, f"{place}.name", f"{key.name} is not among the logs of {key.party}")
        if key.use == "platform" and key.name not in ledgers:
            raise Malformed(_WHAT, f"{place}.name", f"{key.name} is not among the ledgers")
    witnesses = {key.name for key in roots.pinned_keys if key.use == "witness"}
    if not 1 <= roots.witness_quorum <= len(witnesses):
        reason = f"is {roots.witness_quorum}; must be 1 to {len(witnesses)}, the number of witnesses with a key here"
        raise Malformed(_WHAT, "witnesses.quorum", reason)


def _identity(key: TrustedKey) -> str:
    return f"{key.use} key {key.kid or key.public_key.hex()[:64]} named {key.name} of {key.party}"


def _check_sealing(place: str, key: TrustedKey) -> None:
    try:
        _ = key.sealing_key
    except Malformed as error:
        raise Malformed(_WHAT, f"{place}.public_key", error.reason) from None
