"""`courtrelay demo` and `courtrelay sample`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.app import demo as demo_story
from relay.app.initialise import LEDGERS
from relay.cli import output
from relay.cli.common import Json
from relay.sample import generate


def demo_command(
    folder: Annotated[Path | None, typer.Option("--dir", help="Keep all results in this folder.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Leave the roles running and print commands to try.")] = False,
    loans: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    ledger: Annotated[str, typer.Option(help=f"Family of both ledgers: {', '.join(LEDGERS)}.")] = "embedded",
) -> None:
    """The whole way of one dossier as a story: deposit to verdict, a crash in the middle, and three attacks."""
    sys.exit(asyncio.run(demo_story.run(folder, stay=stay, loans=loans, seed=seed, say=output.say, ledger=ledger)))


def sample_command(
    loans: Annotated[int, typer.Option(min=1, max=1_000_000)] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("sample"),
    as_json: Json = False,
) -> None:
    """Write realistic sample dossiers: records.jsonl and payload files, the same for the same seed."""
    with output.progress("Writing loans", quiet=as_json) as advance:
        made = generate(out, loans, seed, advance)
    if as_json:
        output.as_json(made)
        return
    output.say(f"{made['loans']} loans, {made['records']} records, {made['payload_bytes']:,} payload bytes in {out}")
