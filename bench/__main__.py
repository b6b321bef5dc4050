"""`python3 run.py bench [--only tree|way|latency|dossier|stream|gas|evm|pages|report] [--leaves-max N] [--json FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.evm import evm_rows
from bench.gas import gas_rows
from bench.latency import latency_rows
from bench.pages import pages_rows
from bench.report import report_rows
from bench.stream import stream_rows
from bench.table import Row, save, show
from bench.tree import SEED, tree_rows
from bench.way import dossier_way, entries_way
from relay.sample import heavy_dossier

ENTRIES = 1_000_000
RECORDS = 250
PAYLOAD_BYTES = 100_000_000
RSS_MB = 150.0
ROOT: Final = Path(__file__).resolve().parent.parent


def way_rows(entries: int) -> list[Row]:
    """Entries from custodian to court mirror, and memory during it."""
    runs = [asyncio.run(entries_way(entries)) for _ in range(3)]
    rows = [
        Row(
            name=f"custodian → relay → court mirror, {entries:,} entries",
            values=tuple(run.rate for run in runs),
            unit="entries/s wall",
            target=50_000,
        )
    ]
    rows += [
        Row(
            name=f"  peak resident memory, {role}",
            values=tuple(run.rss_mb[role] for run in runs),
            unit="MB",
            target=RSS_MB,
            below=True,
        )
        for role in runs[0].rss_mb
    ]
    return rows


def dossier_rows() -> list[Row]:
    """One big dossier: asked for, received, judged, bundled, verified, on the clerk's disk."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as folder:
        made = heavy_dossier(Path(folder) / "heavy", RECORDS, PAYLOAD_BYTES, SEED)
        runs = asyncio.run(dossier_way(Path(folder) / "heavy", RECORDS, made["payload_bytes"], 5))
    wrong = [run.verdict for run in runs if run.verdict != "CONSISTENT"]
    if wrong:
        raise SystemExit(f"a verdict was {wrong[0]}")
    rows = [
        Row(
            name=f"dossier of {RECORDS} records, {PAYLOAD_BYTES // 10**6} MB, retrieved and verified",
            values=tuple(run.rate for run in runs),
            unit="MB/s",
            target=50,
        )
    ]
    rows += [
        Row(
            name=f"  peak resident memory, {role}",
            values=(max(run.rss_mb[role] for run in runs),),
            unit="MB",
            target=RSS_MB,
            below=True,
        )
        for role in ("custodian", "relay", "court")
    ]
    return rows


SECTIONS: Final[Mapping[str, Callable[[argparse.Namespace], list[Row]]]] = {
    "tree": lambda wanted: tree_rows(wanted.leaves_max),
    "way": lambda wanted: way_rows(wanted.entries),
    "latency": lambda _: latency_rows(),
    "dossier": lambda _: dossier_rows(),
    "stream": lambda _: stream_rows(),
    "gas": lambda _: gas_rows(),
    "evm": lambda _: evm_rows(),
    "pages": lambda _: pages_rows(),
    "report": lambda _: report_rows(),
}


def main() -> int:
    """Print a table for each section as it ends; 1 when a target is missed or a section failed."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("--only", choices=SECTIONS, action="append")
    parser.add_argument("--leaves-max", type=int, default=10_000_000)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, seed {SEED}")
    rows: list[Row] = []
    failed: list[str] = []
    for name, measure in SECTIONS.items():
        if wanted.only and name not in wanted.only:
            continue
        try:
            found = measure(wanted)
        except (Exception, SystemExit) as error:  # what the other sections took an hour to measure is not lost
            failed.append(f"{name}: {_words(error)}")
            continue
        show(found)
        rows += found
        if wanted.json:
            save(rows, wanted.json)
    missed = [row.name for row in rows if row.reached == "NO"]
    for name in missed:
        print(f"missed: {name}")
    for line in failed:
        print(f"not measured: {line}")
    return 1 if missed or failed else 0


def _words(error: BaseException) -> str:
    """What a failed section came to: the first error of a group, and the last line of this project that it passed."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(ROOT)]
    place = f" ({Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


if __name__ == "__main__":
    raise SystemExit(main())
