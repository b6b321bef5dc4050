"""`courtrelay relay …`: the operator's hand tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import hands
from relay.app.exits import EXIT_FAILED
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run

relay_app: Final = typer.Typer(
    no_args_is_help=True, help="Operate a relay: backlog, quarantine, rescan, halt, resume, fsck."
)
quarantine_app: Final = typer.Typer(no_args_is_help=True, help="Items that a retry could not mend.")
relay_app.add_typer(quarantine_app, name="quarantine")
exhibit_app: Final = typer.Typer(no_args_is_help=True, help="Contradictory pieces that halted an origin.")
relay_app.add_typer(exhibit_app, name="exhibit")

Origin = Annotated[str, typer.Option("--origin", help="Only this origin.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000)]
Reason = Annotated[str, typer.Option("--reason", help="Kept with what is done.")]
ItemId = Annotated[str, typer.Argument(help="Item id, as `backlog` and `quarantine list` show it.")]


def _show(rows: list[dict[str, Any]], as_json: bool, none: str) -> None:
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        output.say(row["id"])
        for name, value in row.items():
            if name != "id" and value != "":
                output.say(f"  {name:<9} {value}")
    if not rows:
        output.say(none)


@relay_app.command("backlog")
def backlog(home: Home = DEFAULT_HOME, origin: Origin = "", limit: Limit = 100, as_json: Json = False) -> None:
    """Items under way, by origin and size."""
    _show(run(hands.backlog(home, origin, limit, quarantined=False)), as_json, "nothing is under way")


@quarantine_app.command("list")
def quarantine_list(home: Home = DEFAULT_HOME, origin: Origin = "", limit: Limit = 100, as_json: Json = False) -> None:
    """Quarantined items with their reasons."""
    _show(run(hands.backlog(home, origin, limit, quarantined=True)), as_json, "nothing is quarantined")


@quarantine_app.command("show")
def quarantine_show(item: ItemId, home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """One item."""
    _show([run(hands.item(home, "show", item, ""))], as_json, "")


@quarantine_app.command("retry")
def quarantine_retry(item: ItemId, reason: Reason = "mended", home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Re-drive an item; its origin goes on."""
    _show([run(hands.item(home, "retry", item, reason))], as_json, "")


@quarantine_app.command("discard")
def quarantine_discard(item: ItemId, reason: Reason, home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Give up a checkpoint for good; a later, larger one covers its entries."""
    _show([run(hands.item(home, "discard", item, reason))], as_json, "")


@relay_app.command("rescan")
def rescan(
    ledger: Annotated[str, typer.Option("--ledger", help="Only this ledger; default every source.")] = "",
    from_start: Annotated[
        bool, typer.Option("--from-start", help="From the first block on, not from the last rescan.")
    ] = False,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Read the ledgers again and record anchors that the live feed missed."""
    rows = run(hands.rescan(home, ledger, from_start=from_start))
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        output.say(
            f"{row['ledger']}: {row['blocks']} blocks up to {row['height']} compared, {row['missing']} anchors were missing"
        )


@relay_app.command("halt")
def halt(origin: str, reason: Reason, home: Home = DEFAULT_HOME) -> None:
    """Stop an origin; others go on."""
    run(hands.halt(home, origin, reason, resume=False))
    output.say(f"{origin} is halted")


@relay_app.command("resume")
def resume(origin: str, reason: Reason, home: Home = DEFAULT_HOME) -> None:
    """Let a halted origin go on; what halted it stays on record."""
    run(hands.halt(home, origin, reason, resume=True))
    output.say(f"{origin} goes on")


@exhibit_app.command("save")
def exhibit_save(
    origin: str,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("exhibits"),
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Write what halted an origin, then and now, into files."""
    rows = run(hands.save_exhibits(home, origin, out))
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        output.say(f"{row['folder']}: {row['reason']}" + (f" (resumed: {row['resumed']})" if row["resumed"] else ""))


@exhibit_app.command("check")
def exhibit_check(
    folder: Path,
    trust: Annotated[Path, typer.Option("--trust", help="Trust roots file.")],
    as_json: Json = False,
) -> None:
    """Verify offline that an exhibit's pieces contradict each other."""
    found = hands.check_exhibit(folder, trust)
    if as_json:
        output.as_json(found)
        return
    output.say("The log signed one history and anchored another:")
    for name, value in found.items():
        output.say(f"  {name:<14} {value}")


@relay_app.command("fsck")
def fsck(home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Read a stopped relay's whole memory and say what is wrong. Exit 1 when something is."""
    findings = run(hands.fsck(home))
    if as_json:
        output.as_json(findings)
    else:
        for finding in findings:
            output.complain(finding)
        output.say(f"{len(findings)} findings")
    if findings:
        sys.exit(EXIT_FAILED)
