"""From finality on the lender's ledger to the court ledger's receipt, at 1,000 records a second; against a bare gRPC call of the same run.

Real processes, mutual TLS, every store durable: two ledgers, relay, court gateway, and a lender. The lender's records are signed
before the run (bench/lender.py): to take in, check and sign one costs a custodian 0.8 ms of its one interpreter, so that its desk
takes about 1,000 records a second alone and less beside others: what comes steadily at that rate cannot be kept up. From the
store on, the way is the real one: each dossier of 50 is encrypted and committed with its entries and custody event, anchored
on the interval, pushed, proven, mirrored, cosigned, submitted and confirmed. Dossiers come at fixed points of time, however
late others are.

An anchor's time is that of its block on the lender's ledger. The ledger built in makes a block final with its commit, and reads the clock
before that commit: the commit counts as our time. The end is the relay's own line that the item is past SUBMITTED,
written once the receipt, read back from the court ledger with its proof, is committed (CONFIRMED). One machine, one clock, milliseconds.
A checkpoint counts as often as it has records, so a percentile is one of records. Checkpoints of the first seconds do not count;
one without a receipt ends the bench.

The baseline is in bench/bare.py: unary calls of 1 KiB between two processes of their own, in the same seconds.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.bare import bare_calls
from bench.lender import DOSSIER_RECORDS, DOSSIERS_PER_S, RECORDS_PER_S
from bench.schedule import percentile
from bench.table import Row
from relay.app import console
from relay.app.demo.network import Network, until
from relay.app.initialise import ORIGIN, initialise

RUNS: Final = 3
WARM_S: Final = 4.0
SECONDS: Final = 30.0
ANCHOR_INTERVAL_S: Final = 0.25
"""About 256 records a checkpoint at this rate: one package."""
RATIO_MAX: Final = 12.0
STEPS: Final = ("FINAL", "PROVEN", "MIRRORED", "SUBMITTED")
ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed:
    """One checkpoint: its records, when its anchor was final, when each step was past, all in ms since 1970."""

    records: int
    final_ms: float
    past_ms: tuple[float, ...]
    """One a name of `STEPS`."""

    @property
    def latency_ms(self) -> float:
        """Finality on the source to the receipt's commit at the relay."""
        return self.past_ms[-1] - self.final_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyResult:
    """One run."""

    checkpoints: tuple[Checkpointed, ...]
    bare_ms: tuple[float, ...]
    records_per_s: float
    stored_ms: tuple[float, ...]
    """Due to durable at the lender, by dossier."""

    def forward(self, percent: float) -> float:
        """Percentile of records."""
        return percentile([(c.latency_ms, c.records) for c in self.checkpoints], percent)

    def bare(self, percent: float) -> float:
        """Percentile of calls."""
        return percentile([(value, 1) for value in self.bare_ms], percent)


def steps_of(lines: Iterable[str]) -> dict[int, dict[str, float]]:
    """Size → step → ms, from the relay's log: the first time each size was past each step."""
    found: dict[int, dict[str, float]] = {}
    head = f"{ORIGIN} size "
    for line in lines:
        row = json.loads(line)
        size, _, step = str(row["message"]).removeprefix(head).partition(": past ")
        if str(row["message"]).startswith(head) and step:
            at = datetime.fromisoformat(row["time"]).timestamp() * 1000
            found.setdefault(int(size), {}).setdefault(step.upper(), at)
    return found


def join(anchors: Mapping[int, float], steps: Mapping[int, Mapping[str, float]], from_ms: float) -> list[Checkpointed]:
    """Checkpoints final at `from_ms` or later, each with the records it added. Raises `RuntimeError` for one that has no receipt."""
    joined = []
    before = 0
    for size in sorted(anchors):
        records, before = size - before, size
        if anchors[size] < from_ms:
            continue
        missing = [step for step in STEPS if step not in steps.get(size, {})]
        if missing:
            raise RuntimeError(f"the checkpoint of size {size} was never past {missing[0]}")
        past = tuple(steps[size][step] for step in STEPS)
        joined.append(Checkpointed(records=records, final_ms=anchors[size], past_ms=past))
    return joined


def anchors_of(ledger: Path) -> dict[int, float]:
    """Size → time of its block in ms, from the lender's ledger."""
    database = sqlite3.connect(ledger)
    try:
        rows = database.execute(
            "SELECT f.size, b.time_ms FROM fact f JOIN tx t ON t.id = f.tx JOIN block b ON b.height = t.height"
            " WHERE f.kind = 'anchor' AND f.origin = ?",
            (ORIGIN,),
        ).fetchall()
    finally:
        database.close()
    return {int(size): float(time_ms) for size, time_ms in rows}


@asynccontextmanager
async def _lender(home: Path, dossiers: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A lender that has signed all its records."""
    with (home / "custodian" / "log.jsonl").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.lender", str(home), str(dossiers),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=ROOT, limit=2**24,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the lender did not start: {(home / 'custodian' / 'log.jsonl').read_text()[-500:]}")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def latency_run(seconds: float = SECONDS) -> LatencyResult:
    """One network, one run: warm up, measure both for so long, then wait for the last receipt."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as folder:
        made = initialise(
            Path(folder) / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=ANCHOR_INTERVAL_S
        )
        home = made.home
        network = Network(home)
        del network.roles["custodian"]  # bench.lender holds its folder
        try:
            await network.start()
            dossiers = int((WARM_S + seconds) * DOSSIERS_PER_S)
            async with _lender(home, dossiers) as lender, bare_calls(home) as bare:
                assert lender.stdin is not None
                assert lender.stdout is not None
                begins = time.time() + 1.0
                lender.stdin.write(f"{begins}\n".encode())
                calls = await bare.measure(begins + WARM_S, seconds)
                stored = json.loads(await lender.stdout.readline())
                await _until_confirmed(home, dossiers * DOSSIER_RECORDS)
        finally:
            await network.end()
        anchors = anchors_of(home / "lender-ledger/data/ledger.sqlite")
        with (home / "relay" / "log.jsonl").open() as lines:
            joined = join(anchors, steps_of(lines), (begins + WARM_S) * 1000)
        return LatencyResult(
            checkpoints=tuple(joined), bare_ms=tuple(calls), records_per_s=_rate(anchors), stored_ms=tuple(stored)
        )


def _rate(anchors: Mapping[int, float]) -> float:
    """Records a second between the first anchor and the last."""
    first, last = min(anchors), max(anchors)
    return (last - first) / ((anchors[last] - anchors[first]) / 1000)


async def _until_confirmed(home: Path, records: int) -> None:
    async def ask() -> dict[str, dict[str, object]]:
        return {"relay": await console.facts_of(home, "relay")}

    await until(f"{records} records confirmed", ask, lambda s: s["relay"].get(f"{ORIGIN} confirmed") == records)


def latency_rows(runs: int = RUNS) -> list[Row]:
    """The whole section."""
    done = [asyncio.run(latency_run()) for _ in range(runs)]
    return rows_of(done)


def rows_of(done: Sequence[LatencyResult]) -> list[Row]:
    """The load, both percentiles of both, p99 against p99, and where the time of the median goes."""

    def row(name: str, values: Iterable[float], unit: str = "ms", target: float = 0.0, *, below: bool = True) -> Row:
        return Row(name=name, values=tuple(values), unit=unit, target=target, below=below)

    spent = "  of it, median: "
    return [
        row(
            "records anchored, signed before",
            (r.records_per_s for r in done),
            "records/s",
            RECORDS_PER_S * 0.97,
            below=False,
        ),
        row("  due → durable at the lender, dossiers of 50, p99", (_p99(r.stored_ms) for r in done)),
        row("finality on the source → receipt confirmed, p50", (r.forward(50) for r in done)),
        row("finality on the source → receipt confirmed, p99", (r.forward(99) for r in done)),
        row("  baseline: bare gRPC with mTLS, 1 KiB, p50", (r.bare(50) for r in done)),
        row("  baseline: bare gRPC with mTLS, 1 KiB, p99", (r.bare(99) for r in done)),
        row(
            "finality → receipt, p99, in p99s of a bare call",
            (r.forward(99) / r.bare(99) for r in done),
            "calls",
            RATIO_MAX,
        ),
        *(row(spent + name, (_step(r, number) for r in done)) for number, name in enumerate(NAMES)),
    ]


NAMES: Final = ("seen, pushed, proven", "mirrored and cosigned", "submitted", "receipt read back, confirmed")


def _step(run: LatencyResult, number: int) -> float:
    starts = ((c.final_ms, *c.past_ms)[number] for c in run.checkpoints)
    return percentile(
        [(c.past_ms[number] - start, c.records) for c, start in zip(run.checkpoints, starts, strict=True)], 50
    )


def _p99(values: Sequence[float]) -> float:
    return percentile([(value, 1) for value in values], 99)
