"""Parts of trust roots: what one party says of itself (its public keys, its log, its ledger), and joining parts into one file.

A party makes its part where its keys are; only the part leaves that machine. Whoever issues the trust roots joins the parts, once each
party has said by another way that the part is its own. A part speaks for its own party alone: it can pin nothing for anybody else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from relay.core.canonical import Fields, loads_strict
from relay.core.errors import Conflict, Malformed
from relay.core.identity import Role, parse_identity
from relay.core.limits import TRUST_ROOTS_BYTES_MAX
from relay.core.pinned import (
    CourtRoot,
    KeyUse,
    LedgerRoot,
    LogRoot,
    TrustedKey,
    court_claims,
    key_claims,
    ledger_claims,
    log_claims,
    read_court,
    read_key,
    read_ledger,
    read_log,
)
from relay.core.trust import TrustRoots

T = TypeVar("T")

FORMAT: Final = "courtrelay-part/v1"
_WHAT: Final = "part"
PIECES_MAX: Final = 64
"""Keys, logs or ledgers of one party."""
_USES: Final[dict[Role, tuple[KeyUse, ...]]] = {
    Role.CUSTODIAN: ("record", "log", "grant", "sealing", "custody"),
    Role.COURT: ("witness", "seal", "request", "custody"),
    Role.LEDGER: (),
}
"""What a party of each role may pin; a party of another role has no part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One party's part. Building one checks it; raises `Malformed`."""

    party: str
    pinned_keys: tuple[TrustedKey, ...] = ()
    logs: tuple[LogRoot, ...] = ()
    courts: tuple[CourtRoot, ...] = ()
    ledgers: tuple[LedgerRoot, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is another's to say."""
        role = parse_identity(self.party, what=_WHAT, field="party").role
        if role not in _USES:
            raise Malformed(_WHAT, "party", f"a party of role {role.value} has no part in trust roots")
        for i, key in enumerate(self.pinned_keys):
            if key.party != self.party:
                raise Malformed(_WHAT, f"keys[{i}].party", f"{key.party} is another's: the part is of {self.party}")
            if key.use not in _USES[role]:
                raise Malformed(_WHAT, f"keys[{i}].use", f"a {role.value} has no {key.use} key")
        owned: dict[str, LogRoot | CourtRoot] = {f"logs[{i}]": log for i, log in enumerate(self.logs)}
        owned |= {f"courts[{i}]": court for i, court in enumerate(self.courts)}
        for place, one in owned.items():
            if one.party != self.party:
                raise Malformed(_WHAT, f"{place}.party", f"{one.party} is another's: the part is of {self.party}")
        if bool(self.ledgers) is not (role is Role.LEDGER):
            raise Malformed(_WHAT, "ledgers", "belong in the part of a ledger, and a ledger's part has them")

    def to_json(self) -> bytes:
        """The file's bytes, indented for people; `parse_part` gives back an equal value."""
        document: dict[str, object] = {
            "format": FORMAT,
            "party": self.party,
            "keys": [key_claims(key) for key in self.pinned_keys],
            "logs": [log_claims(log) for log in self.logs],
            "courts": [court_claims(court) for court in self.courts],
            "ledgers": [ledger_claims(root) for root in self.ledgers],
        }
        return (json.dumps(document, indent=2) + "\n").encode("ascii")


def parse_part(data: bytes) -> Part:
    """Read a part (strict JSON in any spacing). Raises only `Malformed`."""
    fields = Fields(loads_strict(data, what=_WHAT, bytes_max=TRUST_ROOTS_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    part = Part(
        party=fields.party("party"),
        pinned_keys=tuple(read_key(f) for f in fields.objects("keys", count_max=PIECES_MAX, empty=True)),
        logs=tuple(read_log(f) for f in fields.objects("logs", count_max=PIECES_MAX, empty=True)),
        courts=tuple(read_court(f) for f in fields.objects("courts", count_max=PIECES_MAX, empty=True)),
        ledgers=tuple(read_ledger(f) for f in fields.objects("ledgers", count_max=PIECES_MAX, empty=True)),
    )
    fields.done()
    return part


def join(
    parts: Sequence[Part], before: TrustRoots | None, *, issued_at_s: int, expires_at_s: int, witness_quorum: int
) -> TrustRoots:
    """Trust roots of all parts, added to the version before where there is one. Raises `Malformed`, `Conflict` for a doubled party.

    What is pinned already stays as it is; a part brings new pieces, never a change of an old one (`courtrelay key rotate` changes keys).
    """
    parties = [part.party for part in parts]
    for party in parties:
        if parties.count(party) > 1:
            raise Conflict(f"two parts are of {party}; each party has one")
    return TrustRoots(
        version=before.version + 1 if before else 1,
        issued_at_s=issued_at_s,
        expires_at_s=expires_at_s,
        pinned_keys=_with(before.pinned_keys if before else (), [key for part in parts for key in part.pinned_keys]),
        logs=_with(before.logs if before else (), [log for part in parts for log in part.logs]),
        ledgers=_with(before.ledgers if before else (), [root for part in parts for root in part.ledgers]),
        courts=_with(before.courts if before else (), [court for part in parts for court in part.courts]),
        witness_quorum=witness_quorum,
        authorities=before.authorities if before else (),
        time_quorum=before.time_quorum if before else 0,
    )


def _with(held: tuple[T, ...], new: Sequence[T]) -> tuple[T, ...]:
    return (*held, *(one for one in new if one not in held))
