"""`python3 run.py conformance [ADAPTER ...]`: every adapter in every form against the checks.

1 when a check failed or a form could not run.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from adapters.embedded.proof import KIND as QUORUM
from adapters.evm.proof import ATTESTED
from adapters.tlog.proof import KIND as TLOG
from relay.app.initialise import initialise
from relay.conformance import CHECKS, Outcome, Owner
from relay.conformance.skeleton.proof import FAMILY
from tests.conformance.evm import evm, evm_owner
from tests.conformance.javascript import javascript, need_node
from tests.conformance.mqtt import on_broker
from tests.conformance.owners import embedded, embedded_owner, outcomes, skeleton_owner
from tests.conformance.tlog import tlog_owner
from tests.conformance.wire import through_wire
from tests.support.anvil import find_anvil

ROOT: Final = Path(__file__).resolve().parents[2]
IN_PROCESS, REMOTE, OWN_PROCESS = "in process", "remote", "own process, remote"
Opener = Callable[[Path], AbstractAsyncContextManager[Owner]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One adapter in one form."""

    adapter: str
    form: str
    opener: Opener


def home_of(folder: Path) -> Path:
    """Certificates, for ledgers that have no home of their own."""
    return initialise(folder / "home", base_port=0, validators=1, threshold=1).home


@asynccontextmanager
async def on_quorum(folder: Path, *, wire: bool = False) -> AsyncIterator[Owner]:
    """The embedded ledgers, final under one block so that more can be tried."""
    async with embedded(folder, final_depth=1) as bench:
        direct = embedded_owner(bench, mine=True)
        if not wire:
            yield direct
            return
        async with through_wire(direct, bench.home, "embedded", QUORUM) as owner:
            yield owner


@asynccontextmanager
async def on_evm(folder: Path, *, wire: bool = False) -> AsyncIterator[Owner]:
    """Real chains, the lender's final under one block."""
    if find_anvil() is None:
        pytest.skip("needs anvil: python3 run.py tools")
    async with evm(folder, final_depth=1) as bench:
        if not wire:
            yield evm_owner(bench)
            return
        async with through_wire(evm_owner(bench), bench.home, "evm", ATTESTED) as owner:
            yield owner


@asynccontextmanager
async def on_log(folder: Path, *, wire: bool = False) -> AsyncIterator[Owner]:
    """A tiled log in a folder."""
    if not wire:
        yield tlog_owner(folder)
        return
    async with through_wire(tlog_owner(folder), home_of(folder), "tlog", TLOG) as owner:
        yield owner


@asynccontextmanager
async def on_skeleton(folder: Path, *, wire: bool = False) -> AsyncIterator[Owner]:
    """What `courtrelay adapter new` writes."""
    if not wire:
        yield skeleton_owner()
        return
    async with through_wire(skeleton_owner(), home_of(folder), FAMILY, FAMILY) as owner:
        yield owner


@asynccontextmanager
async def in_javascript(folder: Path) -> AsyncIterator[Owner]:
    """Two Node processes."""
    need_node()
    async with javascript(folder) as owner:
        yield owner


def both(adapter: str, opener: Callable[..., AbstractAsyncContextManager[Owner]]) -> list[Row]:
    """In process and through the remote adapter."""
    return [
        Row(adapter=adapter, form=IN_PROCESS, opener=opener),
        Row(adapter=adapter, form=REMOTE, opener=lambda folder: opener(folder, wire=True)),
    ]


ROWS: Final = (
    *both("embedded", on_quorum),
    *both("evm", on_evm),
    *both("tlog", on_log),
    Row(adapter="mqtt", form=IN_PROCESS, opener=on_broker),
    Row(adapter="JavaScript", form=OWN_PROCESS, opener=in_javascript),
    *both("skeleton", on_skeleton),
)
FILES: Final = {
    # adapter → what stands between the port and the ledger, and the whole with node, ledger or attester
    "embedded": ("adapters/embedded/adapter.py", "adapters/embedded/*.py"),
    "mqtt": ("adapters/mqtt/*.py", "adapters/mqtt/*.py"),
    "evm": ("adapters/evm/*.py", "adapters/evm/**/*.py"),
    "tlog": ("adapters/tlog/*.py", "adapters/tlog/*.py"),
    "JavaScript": ("adapters/examples/js/adapter.js", "adapters/examples/js/*.js"),
    "skeleton": ("relay/conformance/skeleton/adapter.py", "relay/conformance/skeleton/*.py"),
}


def lines(pattern: str) -> int:
    """Of all files by hand; generated ones do not count."""
    paths = [path for path in ROOT.glob(pattern) if not path.stem.endswith(("_pb2", "_pb2_grpc"))]
    return sum(path.read_text().count("\n") for path in paths)


async def run_row(row: Row) -> tuple[dict[Outcome, int], list[str]]:
    """How many checks ended how; names and reasons of those that failed."""
    with tempfile.TemporaryDirectory() as folder:
        async with row.opener(Path(folder)) as owner:
            results = (await outcomes(owner, deadline_s=120.0)).values()
    failed = [f"{r.check.name}: {r.reason}" for r in results if r.outcome is Outcome.FAILED]
    return {one: sum(r.outcome is one for r in results) for one in Outcome}, failed


def main(only: Sequence[str] = ()) -> int:
    """The table, line by line, then what failed."""
    rows = [row for row in ROWS if not only or row.adapter in only]
    if not rows:
        print(f"adapters: {', '.join(FILES)}", file=sys.stderr)
        return 2
    print(f"{len(CHECKS)} checks{'':<23}passed  failed  not run  seconds  lines: adapter  with its ledger or node")
    bad: list[str] = []
    for row in rows:
        name, began = f"{row.adapter:<11} {row.form:<20}", time.monotonic()
        try:
            counts, failed = asyncio.run(run_row(row))
        except pytest.skip.Exception as missing:
            bad.append(f"{row.adapter}: {missing}")
            print(f"{name}{missing}", flush=True)
            continue
        bad += [f"{row.adapter}, {row.form}: {one}" for one in failed]
        numbers = f"{counts[Outcome.PASSED]:>6}  {counts[Outcome.FAILED]:>6}  {counts[Outcome.NOT_RUN]:>7}"
        adapter, whole = (lines(pattern) for pattern in FILES[row.adapter])
        print(f"{name}{numbers}  {time.monotonic() - began:>7.1f}  {adapter:>14}  {whole:>23}", flush=True)
    for one in bad:
        print(f"FAILED {one}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
