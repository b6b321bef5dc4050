"""`courtrelay retention …` and `courtrelay dossier report`: the lender's operators' hand tools."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import retention_desk as desk
from relay.app.exits import EXIT_FAILED
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.core.errors import Malformed
from relay.wire.retention_desk import ErasureWish

retention_app: Final = typer.Typer(
    no_args_is_help=True, help="How long records are kept, legal holds, erasure, tombstones."
)
dossier_app: Final = typer.Typer(no_args_is_help=True, help="Dossiers: subject-access reports.")

Dossier = Annotated[str, typer.Argument(help="Loan reference, else dossier id.")]
Reason = Annotated[str, typer.Option("--reason", help="Kept for good in the custody log: no personal data.")]
Authority = Annotated[str, typer.Option("--authority", help="Who ordered it, such as a court and its case number.")]


@retention_app.command("show")
def show(
    dossier: Annotated[str, typer.Argument(help="Loan reference, else dossier id; default: the policy itself.")] = "",
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """The policy in force; or a dossier's records with class and end, its holds and the grants that open it."""
    shown = run(desk.show(home, dossier) if dossier else desk.policy(home))
    if as_json:
        output.as_json(shown)
        return
    if dossier:
        _say_dossier(shown)
        return
    output.say(f"policy {shown['policy']} ({shown['digest']})")
    for row in shown["classes"]:
        years = "no end by itself" if row["years"] is None else f"{row['years']} years from {row['from']}"
        output.say(f"{row['class']}: {years}; {row['jurisdiction']}: {row['source']}")
        output.say(f"  {row['note']}")
        output.say(f"  kinds: {', '.join(row['kinds']) or 'none'}")


def _say_dossier(shown: dict[str, Any]) -> None:
    output.say(f"dossier {shown['dossier']} ({shown['reference']})")
    for row in shown["holds"]:
        state = f"lifted {row['lifted']}" if row["lifted"] else "IN FORCE"
        output.say(f"  hold {row['hold']} {state}, placed {row['placed']} by {row['authority']}: {row['reason']}")
    for row in shown["grants"]:
        output.say(f"  grant {row['grant']} for {row['court']}, case {row['case']}, until {row['until']}")
    for row in shown["records"]:
        state = f"erased {row['erased']}" if row["erased"] else f"until {row['until'] or 'no end yet'}"
        output.say(f"  seq {row['seq']:>3}  {row['kind']:<26} {row['event']}  {row['class'] or 'no class':<16} {state}")


@retention_app.command("due")
def due(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 100,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Dossiers with records past their retention, oldest deposit first."""
    rows = run(desk.due(home, limit))
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        held = f", under hold {', '.join(map(str, row['holds']))}" if row["holds"] else ""
        output.say(f"{row['reference']} ({row['dossier']}): {len(row['due'])} of {row['records']} records{held}")
    if not rows:
        output.say("nothing is due")


@retention_app.command("hold")
def hold(dossier: Dossier, reason: Reason, authority: Authority, home: Home = DEFAULT_HOME) -> None:
    """Place a legal hold: nothing of the dossier is erased while any hold is in force."""
    number = run(desk.hold(home, dossier, reason, authority))
    output.say(f"hold {number} is in force on {dossier}")


@retention_app.command("release")
def release(
    dossier: Dossier,
    number: Annotated[int, typer.Option("--hold", min=1, help="Number of the hold, as `retention show` lists it.")],
    reason: Reason,
    authority: Authority,
    home: Home = DEFAULT_HOME,
) -> None:
    """Lift one legal hold; others stay."""
    run(desk.release(home, dossier, number, reason, authority))
    output.say(f"hold {number} on {dossier} is lifted")


@retention_app.command("erase")
def erase(
    dossier: Dossier,
    basis: Annotated[str, typer.Option("--basis", help="The law or policy it is erased under; kept for good.")],
    seq: Annotated[list[int] | None, typer.Option("--seq", min=0, help="Only this record; may be repeated.")] = None,
    only_due: Annotated[bool, typer.Option("--due", help="Only what is past its retention.")] = False,
    despite_grants: Annotated[bool, typer.Option("--despite-grants", help="Although a grant still opens it.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this, it is only said what would be done.")
    ] = False,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Erase a whole dossier, or records of it, for good; only a tombstone stays. Exit 1 when something stands against it."""
    wish = ErasureWish(dossier=dossier, seqs=seq or [], due=only_due, basis=basis, despite_grants=despite_grants)
    if yes:
        erased = run(desk.erase(home, wish))
        if as_json:
            output.as_json(erased)
        else:
            output.say(f"erased seq {_runs(erased['seqs'])} of {erased['dossier']}; tombstone {erased['digest']}")
        return
    plan = run(desk.plan(home, wish))
    if as_json:
        output.as_json(plan)
    else:
        what = "the whole dossier" if plan["whole"] else "records"
        output.say(f"would erase {what} of {plan['reference']} ({plan['dossier']}): seq {_runs(plan['seqs'])}")
        for refusal in plan["refusals"]:
            output.complain(f"stands against it: {refusal}")
        output.say("nothing was changed" + ("" if plan["refusals"] else "; repeat with --yes to do it, for good"))
    if plan["refusals"]:
        sys.exit(EXIT_FAILED)


def _runs(seqs: list[int]) -> str:
    """`0-3, 7`."""
    runs: list[list[int]] = []
    for seq in seqs:
        if runs and seq == runs[-1][1] + 1:
            runs[-1][1] = seq
        else:
            runs.append([seq, seq])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"


@retention_app.command("tombstone")
def tombstone(
    dossier: Dossier,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write them to, one file each.")] = None,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Show what was erased of a dossier: every tombstone, oldest first."""
    rows = run(desk.tombstones(home, dossier))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for row in rows:
            (out / f"{row['digest']}.jwt").write_text(row["tombstone"] + "\n")
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        _say_tombstone(row)


@retention_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A tombstone file.")],
    trust: Annotated[Path, typer.Option("--trust", help="Trust roots file.")],
    as_json: Json = False,
) -> None:
    """Verify a tombstone offline: the lender's signature, by a key that was valid when it was made."""
    facts = desk.check_tombstone(file, trust)
    if as_json:
        output.as_json(facts)
        return
    _say_tombstone(facts)
    output.say("signed by the lender")


def _say_tombstone(row: dict[str, Any]) -> None:
    output.say(row["digest"])
    for name in ("dossier", "scope", "erased at", "by", "basis", "policy"):
        output.say(f"  {name:<9} {row[name]}")
    output.say(f"  {'records':<9} seq {_runs(row['seqs'])}")
    if not row.get("complete", True):
        output.say("  not complete yet: it goes on by itself")


@dossier_app.command("report")
def report(
    dossier: Dossier,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write report.json and report.txt to.")] = None,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Subject access: all that is held of a dossier and who has seen it. Making it is itself logged."""
    document = run(desk.report(home, dossier))
    lines = list(desk.report_lines(document))
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / "report.json").write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", "utf-8")
            (out / "report.txt").write_text("\n".join(lines) + "\n", "utf-8")
        except OSError as error:
            raise Malformed(str(out), "", f"cannot be written: {error.strerror}") from None
        output.say(f"report.json and report.txt are in {out}; they hold personal data")
    elif as_json:
        output.as_json(document)
    else:
        for line in lines:
            output.say(line)
