"""Run a batch: every row's grant and retrieval once, many at a time, one destination's trouble never another's.

Intent is stored before each side effect and resolved by asking again under the same request id: the desks know what they have done.
A row that cannot be done is told and passed over; a destination that is away leaves its rows for the next run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Flag, auto
from typing import Final

from relay.core.batch import BadRow, BatchRow, request_id
from relay.core.errors import Malformed, RelayError, Unavailable, Uncertain, Unverified
from relay.core.grants import grant_digest, parse_grant
from relay.core.limits import BATCH_ROWS_MAX
from relay.ports.batch import BatchHead, BatchState, CourtDesk, LenderDesk, RowOutcome, RowState
from relay.services.batching.pace import Pace

ROW_TRIES_MAX: Final = 5
"""A row that its destination could not answer so often, while it answered for others, is left for the next run."""
_FINAL: Final = frozenset({RowState.DONE, RowState.FAILED})


class Stage(Flag):
    """What is done of each row."""

    GRANT = auto()
    RETRIEVE = auto()


@dataclass(slots=True)
class Tally:
    """What a run did and found. `not_done`: rows left for the next run, by the reason of their destination."""

    total: int = 0
    done: int = 0
    failed: int = 0
    before: int = 0
    """Of the done and failed ones, those that an earlier run had finished."""
    not_done: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    """One destination: its rows wait here."""

    pace: Pace
    rows: asyncio.Queue[tuple[BatchRow, int]]


class BatchRun:
    """One run over a manifest. `pace_for` makes a destination's pace from its name, the court's id.

    `again`: rows that failed at a desk in an earlier run are tried once more.
    """

    def __init__(
        self,
        *,
        head: BatchHead,
        state: BatchState,
        stage: Stage,
        lender: LenderDesk,
        court: CourtDesk,
        grants: Callable[[int], bytes],
        pace_for: Callable[[str], Pace],
        parallel: int,
        again: bool,
        now_s: Callable[[], float],
        advance: Callable[[int, int], None],
    ) -> None:
        self._head = head
        self._state = state
        self._stage = stage
        self._lender = lender
        self._court = court
        self._grants = grants
        self._pace_for = pace_for
        self._slots = asyncio.Semaphore(parallel)
        self._parallel = parallel
        self._again = again
        self._now_s = now_s
        self._advance = advance
        self._tally = Tally()

    async def run(self, rows: Iterable[BatchRow | BadRow], total: int) -> Tally:
        """Every row that is not finished yet. Raises only what ends the batch: the manifest's own `Malformed`, StorageFailed."""
        self._tally = Tally(total=total)
        before = await self._state.states()
        lines: dict[str, _Line] = {}
        for row in rows:
            known = before.get(row.number)
            once_more = self._again and known is RowState.FAILED and isinstance(row, BatchRow)
            if (known in _FINAL and not once_more) or (known is RowState.GRANTED and self._stage is Stage.GRANT):
                self._count(known is RowState.FAILED, before=True)
            elif isinstance(row, BadRow):
                await self._refuse(row)
            else:
                line = lines.setdefault(row.court, _Line(self._pace_for(row.court), asyncio.Queue(BATCH_ROWS_MAX)))
                line.rows.put_nowait((row, 0))
        async with asyncio.TaskGroup() as group:
            for line in lines.values():
                for _ in range(min(self._parallel, line.rows.qsize())):
                    group.create_task(self._work(line), name="batch row")
        return self._tally

    def _count(self, failed: bool, *, before: bool = False) -> None:
        self._tally.done += not failed
        self._tally.failed += failed
        self._tally.before += before
        self._advance(self._tally.done + self._tally.failed, self._tally.total)

    async def _refuse(self, row: BadRow) -> None:
        await self._state.save(
            RowOutcome(
                number=row.number,
                case=row.case,
                dossier=row.dossier,
                state=RowState.FAILED,
                field=row.field,
                reason=row.reason,
            )
        )
        self._count(failed=True)

    async def _work(self, line: _Line) -> None:
        while not line.rows.empty():
            row, tries = line.rows.get_nowait()
            if not await line.pace.turn():
                self._leave(line.pace.reason)
                continue
            answered = line.pace.successes
            async with self._slots:
                try:
                    await self._row(row)
                except (Unavailable, Uncertain) as error:
                    line.pace.away(str(error))
                    tries += line.pace.successes > answered
                    if tries < ROW_TRIES_MAX:
                        line.rows.put_nowait((row, tries))
                    else:
                        self._leave(str(error))
                else:
                    line.pace.works()

    def _leave(self, reason: str) -> None:
        self._tally.not_done[reason] = self._tally.not_done.get(reason, 0) + 1

    async def _row(self, row: BatchRow) -> None:
        """One row as far as this run goes; what is wrong with it alone is stored. Raises `Unavailable`, `Uncertain`."""
        held = await self._state.outcome(row.number)
        if held is None:
            held = RowOutcome(number=row.number, case=row.case, dossier=row.dossier, state=RowState.GRANTING)
        started = self._now_s()
        try:
            if Stage.GRANT in self._stage and not held.grant:
                held = await self._grant(row, held)
            if Stage.RETRIEVE in self._stage:
                held = await self._retrieve(row, held)
        except (Unavailable, Uncertain):
            raise
        except RelayError as error:
            at = error.field if isinstance(error, Malformed) else error.step if isinstance(error, Unverified) else ""
            reason = error.reason if isinstance(error, Malformed | Unverified) else str(error)
            held = replace(held, state=RowState.FAILED, field=at, reason=reason)
        held = replace(held, seconds=held.seconds + max(0.0, self._now_s() - started))
        await self._state.save(held)
        self._count(held.state is RowState.FAILED)

    async def _grant(self, row: BatchRow, held: RowOutcome) -> RowOutcome:
        await self._state.save(replace(held, state=RowState.GRANTING))
        token = await self._lender.issue(row, request_id(self._head.id, row), self._head.begun_s)
        return replace(held, state=RowState.GRANTED, grant=token, grant_digest=grant_digest(token).hex())

    async def _retrieve(self, row: BatchRow, held: RowOutcome) -> RowOutcome:
        token = held.grant or self._grants(row.number)
        grant = parse_grant(token)
        if grant.case != row.case:
            raise Unverified("grant", "the grant of this row's number is for another case")
        if row.court and grant.aud != row.court:
            raise Unverified("grant", f"the grant of this row's number is for {grant.aud}")
        held = replace(held, state=RowState.RETRIEVING, grant=token, grant_digest=grant.digest.hex())
        await self._state.save(held)
        got = await self._court.retrieve(row, token, request_id(self._head.id, row))
        return replace(
            held,
            state=RowState.DONE,
            verdict=got.verdict,
            bundle=got.bundle,
            bundle_sha256=got.bundle_sha256,
            disclosures=got.disclosures,
        )
