"""`courtrelay adapter check` and `adapter new`: for authors of ledger adapters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from relay.app import adapter_check
from relay.app.adapter_new import write_skeleton
from relay.app.exits import EXIT_FAILED
from relay.cli import output
from relay.cli.common import Json, run
from relay.conformance import Outcome, Result
from relay.core.errors import Malformed

STYLES: Final = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.NOT_RUN: "yellow"}


def check(
    config: Annotated[Path | None, typer.Option("--config", help="The ledgers, keys and hooks to check with.")] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="Instead: a home made for this alone; its log is used up.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A check, or a pattern such as 'court.submit.*'; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check an adapter against everything that the ports promise. Exit 0 only if nothing failed and something passed."""
    if (config is None) == (home is None):
        raise Malformed("adapter check", "--config", "give either --config FILE or --home HOME")
    results = run(_check(config, home, only or [], as_json))
    if as_json:
        output.as_json(adapter_check.as_json(results))
    else:
        _show(results)
    passed = adapter_check.count(results, Outcome.PASSED)
    if adapter_check.count(results, Outcome.FAILED) or not passed:
        sys.exit(EXIT_FAILED)


async def _check(config: Path | None, home: Path | None, only: Sequence[str], quiet: bool) -> list[Result]:
    if config is not None:
        bench = adapter_check.from_config(config)
    else:
        bench = await adapter_check.from_home(home or Path())
    with output.progress("Checking", quiet=quiet) as advance:
        return await adapter_check.check_adapter(bench, only, advance)


def _show(results: Sequence[Result]) -> None:
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("check", "what the port promises", "outcome"):
        grid.add_column(column, overflow="fold")
    for result in results:
        word = "FAILED" if result.outcome is Outcome.FAILED else result.outcome.value
        reason = f": {escape(result.reason)}" if result.reason else ""
        style = STYLES[result.outcome]
        grid.add_row(result.check.name, escape(result.check.promise), f"[{style}]{word}[/]{reason}")
    output.out.print(grid)
    counts = [f"{adapter_check.count(results, outcome)} {outcome.value}" for outcome in Outcome]
    output.say(f"{len(results)} checks: {', '.join(counts)}")


def new(
    name: Annotated[str, typer.Argument(help="The family's name: lower case letters, digits, underscores.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to make; default courtrelay-NAME.")] = None,
) -> None:
    """Write a working adapter as a Python package, with a ledger in memory, keys, and a file for `adapter check`."""
    made = write_skeleton(name, out or Path(f"courtrelay-{name}"))
    output.say(f"Made {made.folder}: adapter.py has {made.adapter_lines} lines, the package {made.lines}.")
    output.say(f"Check it:  courtrelay adapter check --config {made.folder / 'check.toml'}")
