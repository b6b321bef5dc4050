"""A run's decisions, with real state on disk and desks that fail on demand: one destination's trouble is never another's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relay.core.batch import BadRow, BatchRow
from relay.core.errors import Conflict, Denied, Malformed, RelayError, Unavailable, Uncertain
from relay.core.grants import issue_grant
from relay.core.jose import PUBLIC_KEY_BYTES
from relay.durable.errors import StorageFailed
from relay.ports.batch import BatchHead, Retrieved, RowState
from relay.services.batching.pace import Pace
from relay.services.batching.run import BatchRun, Stage, Tally
from relay.setup.keys import make_signing_key
from relay.store.batch import SqliteBatchState

ONE, TWO = (f"spiffe://a.example/court/{name}" for name in ("one", "two"))
HEAD = BatchHead(id=b"i" * 16, manifest=b"m" * 32, terms="{}", rows=0, begun_s=1)


class Turning:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def row(number: int, court: str = ONE) -> BatchRow:
    return BatchRow(
        number=number, line=number + 1, case=f"Case {number}", dossier="L", court=court, profile="filing",
        kinds=(), purpose="filing", officer="batch", expires_s=0,
    )  # fmt: skip


@dataclass
class Desks:
    """Both desks: `trouble` may raise for a step ("issue", "retrieve") of a row."""

    folder: Path
    trouble: Callable[[str, BatchRow], RelayError | None] = lambda _step, _row: None
    calls: list[tuple[str, int]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    gate: asyncio.Semaphore | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "key.pem"
        self._key = make_signing_key(path) if not path.exists() else None

    def token(self, of: BatchRow) -> bytes:
        assert self._key is not None
        return issue_grant(
            iss="spiffe://a.example/custodian/lender", aud=of.court, case=of.case, dossiers=["0" * 32], kinds=["*"],
            mode="retrieve", purpose="filing", nbf=1, exp=2, iat=1, uses=1, request_key=bytes(PUBLIC_KEY_BYTES),
            public_key=self._key.public_key, sign=self._key.sign, random_bytes=bytes,
        ).encode()  # fmt: skip

    async def _step(self, step: str, of: BatchRow) -> None:
        self.calls.append((step, of.number))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await (self.gate.acquire() if self.gate is not None else asyncio.sleep(0))
        self.at_once -= 1
        error = self.trouble(step, of)
        if error is not None:
            raise error

    async def issue(self, of: BatchRow, request_id: bytes, begun_s: int) -> bytes:
        await self._step("issue", of)
        return self.token(of)

    async def retrieve(self, of: BatchRow, grant: bytes, request_id: bytes) -> Retrieved:
        await self._step("retrieve", of)
        return Retrieved(verdict="CONSISTENT", bundle=f"{of.number}.zip", bundle_sha256="ab", disclosures=1)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteBatchState]:
    state = await SqliteBatchState.open(folder / "state")
    await state.begin(HEAD)
    try:
        yield state
    finally:
        await state.close()


def waits() -> Iterator[float]:
    while True:
        yield 1.0


async def run(
    state: SqliteBatchState,
    desks: Desks,
    rows: list[BatchRow | BadRow],
    *,
    stage: Stage = Stage.GRANT | Stage.RETRIEVE,
    rate: float = 0,
    parallel: int = 4,
    again: bool = False,
    clock: Turning | None = None,
) -> Tally:
    turning = clock or Turning()
    return await BatchRun(
        head=HEAD, state=state, stage=stage, lender=desks, court=desks,
        grants=lambda _number: desks.token(row(_number)),
        pace_for=lambda _court: Pace(
            rate=rate, patience_s=10, now_s=lambda: turning.now, sleep=turning.sleep, backoff=waits
        ),
        parallel=parallel, again=again, now_s=lambda: turning.now, advance=lambda _done, _total: None,
    ).run(rows, len(rows))  # fmt: skip


async def test_a_court_that_is_away_leaves_its_own_rows_and_no_others(tmp_path: Path) -> None:
    rows: list[BatchRow | BadRow] = [row(n, TWO if n % 3 == 0 else ONE) for n in range(1, 31)]
    desks = Desks(
        tmp_path / "d", lambda step, of: Unavailable("gone") if (step, of.court) == ("retrieve", TWO) else None
    )
    async with opened(tmp_path) as state:
        tally = await run(state, desks, rows)
        assert (tally.done, tally.failed, tally.not_done) == (20, 0, {"gone": 10})
        desks.trouble = lambda _step, _row: None
        tally = await run(state, desks, rows)
        assert (tally.done, tally.before, tally.not_done) == (30, 20, {})
    assert max(Counter(call for call in desks.calls if call[0] == "issue").values()) == 1


async def test_a_court_that_comes_back_in_time_loses_nothing(tmp_path: Path) -> None:
    clock = Turning()
    desks = Desks(tmp_path / "d", lambda step, _row: Unavailable("away") if clock.now < 5 else None)
    async with opened(tmp_path) as state:
        tally = await run(state, desks, [row(n) for n in range(1, 11)], clock=clock)
    assert (tally.done, tally.not_done, clock.now >= 5) == (10, {}, True)


async def test_one_row_that_never_is_answered_does_not_stop_its_destination(tmp_path: Path) -> None:
    desks = Desks(tmp_path / "d", lambda _step, of: Unavailable("this one") if of.number == 1 else None)
    async with opened(tmp_path) as state:
        tally = await run(state, desks, [row(n) for n in range(1, 41)], parallel=1)
    assert (tally.done, tally.not_done) == (39, {"this one": 1})


@pytest.mark.parametrize("error", [Denied("no"), Malformed("grant", "case", "bad"), Conflict("other")])
async def test_what_is_wrong_with_a_row_is_its_own_and_stays(tmp_path: Path, error: RelayError) -> None:
    desks = Desks(tmp_path / "d", lambda step, of: error if (step, of.number) == ("issue", 2) else None)
    rows: list[BatchRow | BadRow] = [row(1), row(2), BadRow(number=3, line=4, field="case", reason="empty")]
    async with opened(tmp_path) as state:
        assert (await run(state, desks, rows)).failed == 2
        calls = len(desks.calls)
        desks.trouble = lambda _step, _row: None
        tally = await run(state, desks, rows)
        assert (tally.done, tally.failed, tally.before, len(desks.calls)) == (1, 2, 3, calls)
        tally = await run(state, desks, rows, again=True)
        assert (tally.done, tally.failed, tally.before) == (2, 1, 2)
        held = await state.outcome(3)
        assert held is not None
        assert (held.state, held.field, held.reason) == (RowState.FAILED, "case", "empty")


async def test_a_write_without_an_answer_is_asked_again_under_the_same_id(tmp_path: Path) -> None:
    ids: list[bytes] = []

    class Losing(Desks):
        async def issue(self, of: BatchRow, request_id: bytes, begun_s: int) -> bytes:
            ids.append(request_id)
            if len(ids) == 1:
                raise Uncertain("no answer")
            return self.token(of)

    async with opened(tmp_path) as state:
        tally = await run(state, Losing(tmp_path / "d"), [row(1)])
    assert (tally.done, len(ids), len(set(ids))) == (1, 2, 1)


async def test_intent_stands_before_each_side_effect(tmp_path: Path) -> None:
    seen: list[RowState | None] = []
    async with opened(tmp_path) as state:

        class Looking(Desks):
            async def _step(self, step: str, of: BatchRow) -> None:
                held = await state.outcome(of.number)
                seen.append(held.state if held else None)

        await run(state, Looking(tmp_path / "d"), [row(1)])
        held = await state.outcome(1)
    assert seen == [RowState.GRANTING, RowState.RETRIEVING]
    assert held is not None
    assert held.state is RowState.DONE


async def test_rows_are_paced_and_bounded(tmp_path: Path) -> None:
    clock, desks = Turning(), Desks(tmp_path / "d")
    async with opened(tmp_path) as state:
        await run(state, desks, [row(n) for n in range(1, 21)], rate=2.0, parallel=3, clock=clock)
        assert 9.0 <= clock.now <= 11.0
        desks.gate = asyncio.Semaphore(0)
        held = asyncio.create_task(run(state, desks, [row(n) for n in range(21, 61)], parallel=3))
        async with asyncio.timeout(60):
            while desks.at_once < 3:  # no step ends before this many are under way
                await asyncio.sleep(0.001)
        for _ in range(2 * 40):
            desks.gate.release()
        await held
    assert desks.most_at_once == 3


async def test_stages_on_two_sides(tmp_path: Path) -> None:
    desks = Desks(tmp_path / "d")
    async with opened(tmp_path / "lender") as state:
        tally = await run(state, desks, [row(1), row(2)], stage=Stage.GRANT)
        assert (tally.done, [step for step, _ in desks.calls]) == (2, ["issue", "issue"])
        assert (await run(state, desks, [row(1), row(2)], stage=Stage.GRANT)).before == 2
    desks.calls.clear()
    async with opened(tmp_path / "court") as state:
        tally = await run(state, desks, [row(1), row(2)], stage=Stage.RETRIEVE)
        assert (tally.done, [step for step, _ in desks.calls]) == (2, ["retrieve", "retrieve"])


async def test_a_grant_of_another_row_is_refused(tmp_path: Path) -> None:
    desks = Desks(tmp_path / "d")
    desks.token = lambda _row: Desks.token(desks, row(7))  # type: ignore[method-assign]
    async with opened(tmp_path) as state:
        assert (await run(state, desks, [row(1)], stage=Stage.RETRIEVE)).failed == 1
        held = await state.outcome(1)
    assert held is not None
    assert "another case" in held.reason
    assert desks.calls == []


async def test_a_grant_for_another_court_is_refused(tmp_path: Path) -> None:
    desks = Desks(tmp_path / "d")
    async with opened(tmp_path) as state:
        assert (await run(state, desks, [row(1, TWO)], stage=Stage.RETRIEVE)).failed == 1
        held = await state.outcome(1)
    assert held is not None
    assert (held.field, ONE in held.reason, desks.calls) == ("grant", True, [])


async def test_a_full_disk_ends_the_batch_and_fails_no_row(tmp_path: Path) -> None:
    class Full(Desks):
        async def retrieve(self, of: BatchRow, grant: bytes, request_id: bytes) -> Retrieved:
            raise StorageFailed("no space")

    async with opened(tmp_path) as state:
        with pytest.raises(ExceptionGroup) as ended:
            await run(state, Full(tmp_path / "d"), [row(1), row(2)], parallel=1)
        held = await state.states()
    assert ended.group_contains(StorageFailed)
    assert set(held.values()) == {RowState.RETRIEVING}


async def test_another_manifest_or_other_terms_do_not_resume_a_batch(tmp_path: Path) -> None:
    async with opened(tmp_path) as state:
        assert await state.begin(BatchHead(id=b"o" * 16, manifest=HEAD.manifest, terms="{}", rows=0, begun_s=9)) == HEAD
        for other in (
            BatchHead(id=b"o" * 16, manifest=b"n" * 32, terms="{}", rows=0, begun_s=9),
            BatchHead(id=b"o" * 16, manifest=HEAD.manifest, terms='{"days": 1}', rows=0, begun_s=9),
        ):
            with pytest.raises(Conflict):
                await state.begin(other)
        with pytest.raises(Conflict):
            await SqliteBatchState.open(tmp_path / "state")
