"""Verbs and options.

Exit codes: 0 done, 1 failed or INCONSISTENT, 2 usage, 3 UNVERIFIABLE, pending, or a role that cannot be asked; those of
a process that ends by itself: relay.app.exits.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import demo as demo_story
from relay.app import desk, offline
from relay.app.exits import EXIT_FAILED, EXIT_USAGE
from relay.app.initialise import LEDGERS, MADE, initialise
from relay.app.probe import probe
from relay.app.serve import ROLES, serve_role
from relay.app.verdict_lines import verdict_lines
from relay.cli import console_tools, output
from relay.cli.adapter_tools import adapter_app
from relay.cli.backup_tools import backup_command, catch_up_command, restore_command
from relay.cli.batch_tools import batch_app
from relay.cli.common import DEFAULT_HOME, Home, InLanguage, Json, Wait, check_arguments, errors_in, run, speaker_of
from relay.cli.court_tools import court_app
from relay.cli.custody_tools import custody_app
from relay.cli.doctor_tools import doctor_command
from relay.cli.key_tools import identity_app, key_app
from relay.cli.notices_tools import notices_command
from relay.cli.projection_tools import projection_app
from relay.cli.relay_tools import relay_app
from relay.cli.report_tools import report_app
from relay.cli.retention_tools import dossier_app, retention_app
from relay.cli.setup_tools import certificate_app, setup_app, trust_app
from relay.cli.statement_tools import statement_app
from relay.core.errors import Malformed, RelayError
from relay.words import Speaker

app: Final = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
grant_app: Final = typer.Typer(no_args_is_help=True, help="Grants: issue, list, revoke.")
app.add_typer(grant_app, name="grant")
app.add_typer(adapter_app, name="adapter")
app.add_typer(batch_app, name="batch")
app.add_typer(relay_app, name="relay")
app.add_typer(custody_app, name="custody")
app.add_typer(projection_app, name="projection")
app.add_typer(court_app, name="court")
app.add_typer(key_app, name="key")
app.add_typer(identity_app, name="identity")
app.add_typer(setup_app, name="setup")
app.add_typer(certificate_app, name="certificate")
app.add_typer(trust_app, name="trust")
app.add_typer(retention_app, name="retention")
app.add_typer(dossier_app, name="dossier")
app.add_typer(statement_app, name="statement")
app.add_typer(report_app, name="report")
app.command("doctor")(doctor_command)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.command("catch-up")(catch_up_command)
app.command("status")(console_tools.status_command)
app.command("top")(console_tools.top_command)
app.command("notices")(notices_command)


@app.command("init")
def init_command(
    home: Annotated[Path, typer.Argument(help="Folder to make; must not exist or be empty.")] = DEFAULT_HOME,
    base_port: Annotated[int, typer.Option(help="First of eight loopback ports; 0 picks free ones.")] = 7400,
    validators: Annotated[int, typer.Option(min=1, max=64, help="Validators, or attesters, of each ledger.")] = 4,
    threshold: Annotated[int, typer.Option(min=1, max=64, help="Signatures a block needs.")] = 3,
    ledger: Annotated[
        str, typer.Option(help=f"Families of the ledgers: {', '.join(MADE)} (lender's+court's).")
    ] = "embedded",
) -> None:
    """Make a development network: authority, identities, keys, ledgers, configuration of every role, trust roots."""
    made = initialise(home, base_port=base_port, validators=validators, threshold=threshold, ledger=ledger)
    output.say(f"Made {made.home} for trust domain {made.trust_domain}.")
    output.say(f"Trust roots for verifiers: {made.trust}")
    output.say("Start everything:  courtrelay serve all --home " + str(made.home))


@app.command("sample")
def sample_command(
    loans: Annotated[int, typer.Option(min=1, max=1_000_000)] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("sample"),
    as_json: Json = False,
) -> None:
    """Write realistic sample dossiers: records.jsonl and payload files, the same for the same seed."""
    with output.progress("Writing loans", quiet=as_json) as advance:
        made = offline.sample(out, loans, seed, advance)
    if as_json:
        output.as_json(made)
        return
    output.say(f"{made['loans']} loans, {made['records']} records, {made['payload_bytes']:,} payload bytes in {out}")


@app.command("serve")
def serve_command(
    role: Annotated[str, typer.Argument(envvar="COURTRELAY_ROLE", help=f"One of: all, {', '.join(ROLES)}.")],
    home: Home = DEFAULT_HOME,
    config: Annotated[Path | None, typer.Option(help="Configuration file instead of the one in HOME.")] = None,
) -> None:
    """Run one role (or all of them as child processes) until SIGTERM or Ctrl-C."""
    sys.exit(serve_role(role, home, config))


@app.command("probe")
def probe_command(
    role: Annotated[str, typer.Argument(envvar="COURTRELAY_ROLE", help=f"One of: {', '.join(ROLES)}.")],
    home: Home = DEFAULT_HOME,
    config: Annotated[Path | None, typer.Option(help="Configuration file instead of the one in HOME.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Any answer will do; otherwise the role must be ready.")] = False,
) -> None:
    """Ask a role on this machine, with its own certificate, whether it is ready: exit 0 when it is, 1 when not."""
    output.say(run(probe(role, home, config, ready=not live)))


@app.command("deposit")
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


@app.command("anchor")
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


@app.command("retrieve")
def retrieve_command(
    grant: Annotated[Path, typer.Option("--grant", help="The grant file the lender gave.")],
    dossier: Annotated[str, typer.Option("--dossier", help="Dossier id; default the only one in the grant.")] = "",
    out: Annotated[Path, typer.Option("--out", help="Bundle file to write.")] = Path("bundle.zip"),
    officer: Annotated[str, typer.Option(help="Who asks, as the court identifies its officers.")] = "officer-1",
    purpose: Annotated[str, typer.Option()] = "filing",
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
    language: InLanguage = None,
    wait: Wait = 0.0,
) -> None:
    """Retrieve one dossier under a grant, verified record by record, and write its evidence bundle."""
    w = speaker_of(language, as_json)
    wish = desk.RetrieveWish(grant=grant, dossier=dossier, officer=officer, purpose=purpose)
    with errors_in(w), output.progress(w.text("Retrieving"), unit_bytes=True, quiet=as_json) as advance:
        held: list[str] = []
        verdict = run(desk.retrieve(home, wish, out, advance, stored=held.append, wait_s=wait))
    _show_verdict(verdict, as_json, w)
    if not as_json:
        output.say(w.text("bundle: {path} ({size} bytes)", path=out, size=w.number(out.stat().st_size)))
        output.say(w.text("at the court: {bundle}", bundle=held[0]))
    sys.exit(offline.exit_code(verdict))


@app.command("verify")
def verify_command(
    bundle: Annotated[Path, typer.Argument(help="Evidence bundle (zip).")],
    trust: Annotated[Path, typer.Option("--trust", help="Trust roots file, obtained apart from the bundle.")],
    as_json: Json = False,
    language: InLanguage = None,
) -> None:
    """Verify a bundle offline. Exit 0 CONSISTENT, 1 INCONSISTENT, 3 UNVERIFIABLE or pending, 2 usage."""
    w = speaker_of(language, as_json)
    for path, name in ((bundle, "BUNDLE"), (trust, "--trust")):
        if not path.is_file():
            output.complain(w.text("error: {text}", text=w.text("{name}: no such file: {path}", name=name, path=path)))
            sys.exit(EXIT_USAGE)
    with errors_in(w), output.progress(w.text("Verifying"), quiet=as_json) as advance:
        verdict = offline.verify_bundle(bundle, trust, advance)
    _show_verdict(verdict, as_json, w)
    sys.exit(offline.exit_code(verdict))


@app.command("inspect")
def inspect_command(
    file: Annotated[Path, typer.Argument(help="A bundle, grant, record, checkpoint, proof or trust file.")],
    as_json: Json = False,
) -> None:
    """Show what a file says, without judging whether it is so."""
    shown = offline.inspect(file)
    if as_json:
        output.as_json(shown)
    else:
        output.say(json.dumps(shown, ensure_ascii=False, indent=2))


@app.command("demo")
def demo_command(
    folder: Annotated[Path | None, typer.Option("--dir", help="Keep all results in this folder.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Leave the roles running and print commands to try.")] = False,
    loans: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    ledger: Annotated[str, typer.Option(help=f"Family of both ledgers: {', '.join(LEDGERS)}.")] = "embedded",
) -> None:
    """The whole way of one dossier as a story: deposit to verdict, a crash in the middle, and three attacks."""
    sys.exit(asyncio.run(demo_story.run(folder, stay=stay, loans=loans, seed=seed, say=output.say, ledger=ledger)))


def _show_verdict(verdict: dict[str, Any], as_json: bool, w: Speaker) -> None:
    if as_json:
        output.as_json(verdict)
        return
    for line in verdict_lines(verdict, w):
        output.say(line)


def main() -> None:
    """Entry point: no traceback for what a person can mend."""
    output.never_unencodable()
    try:
        check_arguments(sys.argv[1:])
        app()
    except Malformed as error:
        output.complain(f"error: {error}")
        sys.exit(EXIT_USAGE)
    except (RelayError, OSError) as error:
        output.complain(f"error: {error}")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
