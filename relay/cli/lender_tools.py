"""`courtrelay deposit`, `anchor` and `grant …`: what a lender's desk does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from relay.app import desk
from relay.app.exits import EXIT_FAILED
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, Wait, run

grant_app: Final = typer.Typer(no_args_is_help=True, help="Grants: issue, list, revoke.")


def deposit_command(
    folder: Annotated[Path, typer.Argument(help="Folder with records.jsonl and the files it names.")],
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
    wait: Wait = 0.0,
) -> None:
    """Deposit a folder of records. A dossier with one bad record is refused whole; the others are stored."""
    with output.progress("Depositing records", quiet=as_json) as advance:
        report = run(desk.deposit(home, folder, advance, wait_s=wait))
    if as_json:
        output.as_json(report.as_json())
    else:
        for stored in report.stored:
            again = f", {stored.already_stored} of them before" if stored.already_stored else ""
            last = f" up to log index {stored.indices[-1]}" if stored.indices else ""
            output.say(
                f"stored  {stored.reference}: dossier {stored.dossier}, {len(stored.indices)} records{last}{again}"
            )
        for refused in report.refused:
            output.complain(f"refused {refused.reference}: line {refused.line}: {refused.field}: {refused.reason}")
        output.say(f"{len(report.stored)} dossiers stored, {len(report.refused)} refused")
    if report.refused:
        sys.exit(EXIT_FAILED)


def anchor_command(home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Anchor the evidence log's state on the lender's ledger now."""
    reply = run(desk.anchor(home))
    if as_json:
        output.as_json(reply)
    elif reply["height"]:
        output.say(f"anchored {reply['size']} entries, root {reply['root']}, block {reply['height']}")
    else:
        output.say(f"nothing new to anchor since {reply['size']} entries")


@grant_app.command("issue")
def grant_issue(
    case: Annotated[str, typer.Option("--case", help="The court's case number.")],
    dossier: Annotated[list[str], typer.Option("--dossier", help="Loan reference or dossier id; may be repeated.")],
    out: Annotated[Path, typer.Option("--out", help="File to write the grant to.")],
    purpose: Annotated[str, typer.Option(help="What the court needs it for.")] = "filing",
    profile: Annotated[str, typer.Option(help="minimal, filing, full or mediation; default filing.")] = "",
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Instead: a kind, whole; * is every ordinary one.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="Instead: KIND.MEMBER, one personal member.")
    ] = None,
    purpose_class: Annotated[str, typer.Option(help="trial or mediation.")] = "trial",
    mode: Annotated[str, typer.Option(help="retrieve or verify.")] = "retrieve",
    days: Annotated[int, typer.Option(min=1, max=3660, help="Valid for so many days.")] = 90,
    uses: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    court: Annotated[str, typer.Option(help="SPIFFE id of the court; default the one of HOME.")] = "",
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
    wait: Wait = 0.0,
) -> None:
    """Authorize a court to retrieve dossiers for one case; written to FILE and registered on the court ledger."""
    wish = desk.GrantWish(
        court=court, case=case, dossiers=dossier, kinds=kind or [], mode=mode, purpose=purpose, days=days, uses=uses,
        profile=profile or ("" if kind or field else "filing"), members=field or [], purpose_class=purpose_class,
    )  # fmt: skip
    issued = run(desk.issue_grant(home, wish, out, wait))
    if as_json:
        output.as_json(issued)
    else:
        output.say(f"grant {issued['digest']} written to {out}")


@grant_app.command("list")
def grant_list(home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Show all grants with their state."""
    rows = run(desk.list_grants(home))
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        output.say(row["digest"])
        for name in ("state", "case", "court", "dossiers", "profile", "kinds", "mode", "uses", "expires"):
            output.say(f"  {name:<9} {row[name]}")
    if not rows:
        output.say("no grant was issued here yet")


@grant_app.command("revoke")
def grant_revoke(
    digest: Annotated[str, typer.Argument(help="The grant's digest, as `grant list` shows it.")],
    reason: Annotated[str, typer.Option(help="Kept in the lender's custody log.")] = "revoked by the lender",
    home: Home = DEFAULT_HOME,
) -> None:
    """Revoke a grant: refused here at once, and on the court ledger as soon as it can be reached."""
    run(desk.revoke_grant(home, digest, reason))
    output.say(f"grant {digest} is revoked")
