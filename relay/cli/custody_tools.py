"""`courtrelay custody …`: who did what with evidence, as custodian and court logged it; shown, verified, written down."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import custody
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.core.custody_verdict import CustodyVerdict
from relay.core.errors import Malformed
from relay.core.times import parse_utc
from relay.core.verdict import Finding
from relay.ports.custody import CustodyFilter

custody_app: Final = typer.Typer(no_args_is_help=True, help="Custody logs: show, verify, export, seen.")

Role = Annotated[str, typer.Option("--role", help="Whose log: custodian or court.")]
Action = Annotated[str, typer.Option("--action", help="Only this action, such as disclose or refuse.")]
Outcome = Annotated[str, typer.Option("--outcome", help="Only this outcome, such as permitted.")]
Actor = Annotated[str, typer.Option("--actor", help="Only this party's SPIFFE id.")]
Dossier = Annotated[str, typer.Option("--dossier", help="Only this dossier's id.")]
Grant = Annotated[str, typer.Option("--grant", help="Only this grant's digest.")]
Request = Annotated[str, typer.Option("--request", help="Only this request's digest.")]
From = Annotated[str, typer.Option("--from", help="From this moment on, YYYY-MM-DDTHH:MM:SSZ.")]
To = Annotated[str, typer.Option("--to", help="Before this moment, YYYY-MM-DDTHH:MM:SSZ.")]
_EXIT: Final = {Finding.CONSISTENT: 0, Finding.INCONSISTENT: 1}


def _ms(text: str, option: str) -> int:
    return parse_utc(text, "custody", option) * 1000 if text else 0


@custody_app.command("show")
def show(
    home: Home = DEFAULT_HOME,
    role: Role = "custodian",
    action: Action = "",
    outcome: Outcome = "",
    actor: Actor = "",
    dossier: Dossier = "",
    grant: Grant = "",
    request: Request = "",
    since: From = "",
    until: To = "",
    start: Annotated[int, typer.Option("--start", min=0, help="Index of the first event to look at.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Events a page.")] = 50,
    as_json: Json = False,
) -> None:
    """Events as the keeper stores them, oldest first; the last line says where the next page begins."""
    wanted = _wanted(action, outcome, actor, dossier, grant, request, since, until)
    page = run(custody.show(home, role, wanted, start, limit))
    if as_json:
        output.as_json(page)
        return
    for event in page["events"]:
        _say_event(event)
    if page["next"]:
        output.say(f"more: --start {page['next']}")
    elif not page["events"]:
        output.say("no such event is logged")


def _wanted(
    action: str, outcome: str, actor: str, dossier: str, grant: str, request: str, since: str, until: str
) -> CustodyFilter:
    return CustodyFilter(
        action=action,
        outcome=outcome,
        actor=actor,
        dossier=dossier,
        grant=grant,
        request=request,
        from_ms=_ms(since, "--from"),
        to_ms=_ms(until, "--to"),
    )


def _say_event(event: dict[str, Any]) -> None:
    if "damaged" in event:
        output.say(f"{event['index']:>8}  DAMAGED  {event['damaged']}")
        return
    output.say(f"{event['index']:>8}  {event['at']}  {event['action']:<8} {event['outcome']:<15} {event['actor']}")
    for name, value in event["subject"].items():
        output.say(f"{'':>10}{name:<9} {value}")
    if event["detail"]:
        output.say(f"{'':>10}{'detail':<9} {event['detail']}")


@custody_app.command("seen")
def seen(
    dossier: Annotated[str, typer.Argument(help="The lender's reference or the dossier's id.")],
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Who saw a dossier or was refused, for the party it concerns: one row each, with its proof in --json."""
    found = run(custody.seen(home, dossier))
    if as_json:
        output.as_json(found)
        return
    output.say(f"dossier {found['dossier']}")
    for row in found["rows"]:
        if "damaged" in row:
            _say_event(row)
            continue
        output.say(f"  {row['at']}  {row['action']:<8} {row['outcome']:<15} {row['court'] or '(court not known)'}")
        for name in ("case", "purpose", "officer"):
            if row[name]:
                output.say(f"    {name:<8} {row[name]}")
        if row["action"] in ("refuse", "resume"):
            output.say(f"    {'reason' if row['action'] == 'refuse' else 'detail':<8} {row['detail']}")
    if not found["rows"]:
        output.say("  nobody, as far as this custodian's log goes")


@custody_app.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", help="File to write; must not exist.")],
    home: Home = DEFAULT_HOME,
    role: Role = "custodian",
    action: Action = "",
    outcome: Outcome = "",
    actor: Actor = "",
    dossier: Dossier = "",
    grant: Grant = "",
    request: Request = "",
    since: From = "",
    until: To = "",
    as_json: Json = False,
) -> None:
    """The log as JSON-LD (CASE/UCO, PROV-O) with proofs; whole, or an extract that a filter lets through."""
    wanted = _wanted(action, outcome, actor, dossier, grant, request, since, until)
    with output.progress("Exporting events", quiet=as_json) as advance:
        made = run(custody.export(home, role, wanted, out, advance))
    if as_json:
        output.as_json(made)
        return
    output.say(f"{made['events']} of {made['size']} events of {made['origin']} in {out} ({made['bytes']:,} bytes)")
    if made["ledger_problem"]:
        output.say(f"  note: without the ledger's word: {made['ledger_problem']}")


@custody_app.command("verify")
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export, verified offline; default the running keeper.")
    ] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="Trust roots; default trust.json of HOME.")] = None,
    home: Home = DEFAULT_HOME,
    role: Role = "custodian",
    as_json: Json = False,
) -> None:
    """Rebuild the log's tree from its events and compare. Exit 0 CONSISTENT, 1 INCONSISTENT, 3 UNVERIFIABLE, 2 usage."""
    problem = ""
    with output.progress("Verifying events", quiet=as_json) as advance:
        if file is not None:
            if trust is None:
                raise Malformed("custody verify", "--trust", "must be given for a file: roots obtained apart from it")
            verdict = custody.verify_file(file, trust, advance)
        else:
            verdict, problem = run(custody.verify_desk(home, role, trust or home / "trust.json", advance))
    if as_json:
        output.as_json(verdict.as_json())
    else:
        _say_verdict(verdict, problem)
    sys.exit(_EXIT.get(verdict.verdict, 3))


def _say_verdict(verdict: CustodyVerdict, problem: str) -> None:
    output.say(f"Custody log {verdict.state.origin} of {verdict.keeper}, {verdict.events} events read")
    for step in verdict.steps:
        output.say(f"  step {step.number}  {step.name:<10} {step.result.value:<8} {step.detail}")
    for fault in verdict.faults:
        output.say(f"  event {fault.index}: {fault.what}")
    if verdict.faults_total > len(verdict.faults):
        output.say(f"  and {verdict.faults_total - len(verdict.faults)} more")
    if problem:
        output.say(f"  note: {problem}")
    output.say(
        f"{verdict.verdict.value}: size {verdict.state.size}, {verdict.after_ledger} events newer than the ledger's head"
    )
