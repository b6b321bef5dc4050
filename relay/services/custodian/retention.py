"""What may be erased and what may not: retention ends by policy, legal holds, grants in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.custody import make_event
from relay.core.errors import Malformed, NotFound
from relay.core.fields import check_plain
from relay.core.grants import Grant, parse_grant
from relay.core.limits import REASON_CHARS_MAX
from relay.core.retention import RetentionClass, RetentionPolicy, due_s
from relay.core.times import format_utc
from relay.core.tombstone import parse_tombstone
from relay.ports.common import Clock, RandomBytes
from relay.ports.custodian import GrantRecord
from relay.ports.erasure import DossierOutline, OutlinedRecord, RetentionStore

PAGE: Final = 256
DUE_MAX: Final = 10_000
NAMED_MAX: Final = 5
"""How many records a refusal names."""
AUTHORITY_CHARS_MAX: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRetention:
    """A record, its class (None: the policy does not name its kind), and when it may be erased (None: not by this policy yet)."""

    record: OutlinedRecord
    rule: RetentionClass | None
    due_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierRetention:
    """A dossier with what stands in the way of erasing from it."""

    outline: DossierOutline
    records: tuple[RecordRetention, ...]
    grants: tuple[Grant, ...]
    """In force: neither revoked, nor expired, nor used up."""

    def due(self, now_s: int) -> tuple[int, ...]:
        """Seqs of records that are there and past their retention."""
        return tuple(
            r.record.seq for r in self.records if not r.record.erased_s and r.due_s is not None and r.due_s <= now_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePlan:
    """What an erasure would do. It may go ahead only when `refusals` is empty."""

    dossier: DossierRetention
    whole: bool
    seqs: tuple[int, ...]
    refusals: tuple[str, ...]


class Retention:
    """Serves the lender's operators."""

    def __init__(
        self,
        *,
        store: RetentionStore,
        grants: Callable[[], Awaitable[list[GrantRecord]]],
        policy: RetentionPolicy,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._store = store
        self._grants = grants
        self.policy = policy
        self._clock = clock
        self._random = random_bytes

    async def look(self, name: str) -> DossierRetention:
        """By reference or id. Raises `NotFound`, which says so when the dossier was erased."""
        outline = await self._store.outline(name)
        if outline is None:
            for held in await self._store.tombstones(name):
                if held.whole:
                    raise NotFound(f"the dossier was {parse_tombstone(held.token).words()}")
            raise NotFound(f"no dossier {name[:64]!a} is deposited here")
        return self._retention(outline, await self.grants_of(outline.id, in_force=True))

    async def grants_of(self, dossier: str, *, in_force: bool) -> tuple[Grant, ...]:
        """Grants that name a dossier, newest first; all of them, or those that still open it."""
        found = []
        now_s = self._clock.now_ms() // 1000
        for held in await self._grants():
            grant = parse_grant(held.token)
            live = not held.revoked_ms and held.uses_spent < grant.uses and now_s < grant.exp
            if dossier in grant.dossiers and (live or not in_force):
                found.append(grant)
        return tuple(found)

    def _retention(self, outline: DossierOutline, grants: tuple[Grant, ...]) -> DossierRetention:
        told = [(r.kind, r.event_time_s) for r in outline.records]
        rows = tuple(
            RecordRetention(
                record=r, rule=self.policy.of_kind(r.kind), due_s=due_s(self.policy, r.kind, r.event_time_s, told)
            )
            for r in outline.records
        )
        return DossierRetention(outline=outline, records=rows, grants=grants)

    async def due(self, limit: int) -> list[DossierRetention]:
        """Dossiers with records past their retention, held ones included, in the order they were deposited. Grants are not looked up."""
        found: list[DossierRetention] = []
        now_s = self._clock.now_ms() // 1000
        after = 0
        while len(found) < min(limit, DUE_MAX):
            page = await self._store.outlines(after, PAGE)
            if not page:
                break
            after = page[-1].row
            found += [one for one in (self._retention(outline, ()) for outline in page) if one.due(now_s)]
        return found[:limit]

    async def plan(self, name: str, seqs: Sequence[int] | None, *, due: bool, despite_grants: bool) -> ErasurePlan:
        """What erasing these records (None: the whole dossier; `due`: what is past its retention) would do.

        Raises `NotFound`, `Malformed`.
        """
        dossier = await self.look(name)
        there = {r.record.seq for r in dossier.records if not r.record.erased_s}
        if seqs is not None and due:
            raise Malformed("erasure", "seqs", "name records, or ask for all that are due, not both")
        if due:
            chosen = dossier.due(self._clock.now_ms() // 1000)
        else:
            chosen = tuple(sorted(there if seqs is None else set(seqs)))
        if seqs is not None and (not chosen or set(chosen) - there):
            wrong = min(set(chosen) - there, default=-1)
            raise Malformed(
                "erasure", "seqs", f"seq {wrong} is not there, or was erased before" if chosen else "is empty"
            )
        whole = seqs is None and not due
        refusals = self._refusals(dossier, chosen, whole, despite_grants)
        return ErasurePlan(dossier=dossier, whole=whole, seqs=chosen, refusals=tuple(refusals))

    def _refusals(
        self, dossier: DossierRetention, chosen: tuple[int, ...], whole: bool, despite_grants: bool
    ) -> list[str]:
        found = [
            f"under legal hold {hold.number} since {format_utc(hold.placed_ms // 1000)} by {hold.authority}: {hold.reason}"
            for hold in dossier.outline.held
        ]
        if not chosen and not whole:
            found.append("no record of it is past its retention")
        now_s = self._clock.now_ms() // 1000
        early = [r for r in dossier.records if r.record.seq in chosen and (r.due_s is None or r.due_s > now_s)]
        found += [_too_early(row) for row in early[:NAMED_MAX]]
        if len(early) > NAMED_MAX:
            found.append(f"and {len(early) - NAMED_MAX} more records are not past their retention")
        if not despite_grants:
            found += [
                f"grant {grant.digest.hex()} for case {grant.case} opens it until {format_utc(grant.exp)}: revoke it first, or"
                " erase despite grants"
                for grant in dossier.grants
            ]
        return found

    async def place_hold(self, name: str, reason: str, authority: str, actor: str) -> int:
        """Nothing of the dossier is erased until it is lifted. Returns the hold's number. Raises `Malformed`, `NotFound`, `Conflict`."""
        dossier = (await self.look(name)).outline.id
        event = self._event("hold", dossier, actor, _said(reason, authority))
        return await self._store.place_hold(dossier, reason, authority, self._clock.now_ms(), event)

    async def release(self, name: str, number: int, reason: str, authority: str, actor: str) -> None:
        """Lift one hold. Raises `Malformed`, `NotFound`."""
        outline = (await self.look(name)).outline
        if number not in {hold.number for hold in outline.held}:
            raise NotFound(f"hold {number} is not in force on this dossier; `courtrelay retention show` lists them")
        event = self._event("release", outline.id, actor, _said(reason, authority))
        await self._store.lift_hold(number, self._clock.now_ms(), event)

    def _event(self, action: Literal["hold", "release"], dossier: str, actor: str, detail: str) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=actor,
            action=action,
            subject={"dossier": dossier},
            outcome="placed" if action == "hold" else "lifted",
            detail=detail,
            random_bytes=self._random,
        )


def _said(reason: str, authority: str) -> str:
    what = "hold"
    check_plain(authority, what, "authority", chars_max=AUTHORITY_CHARS_MAX)
    check_plain(reason, what, "reason", chars_max=REASON_CHARS_MAX - AUTHORITY_CHARS_MAX - 2)
    return f"{authority}: {reason}"


def _too_early(row: RecordRetention) -> str:
    record = f"seq {row.record.seq} ({row.record.kind})"
    if row.rule is None:
        return f"{record}: the retention policy does not name its kind"
    if row.rule.years is None:
        return f"{record} has no end by class {row.rule.name} of the retention policy"
    if row.due_s is None:
        return f"{record} is kept {row.rule.years} years from {row.rule.start.value}, which has not come"
    return f"{record} is kept until {format_utc(row.due_s)} by class {row.rule.name}"
