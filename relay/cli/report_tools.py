"""`courtrelay report`: a report of a bundle as a PDF, the check of one, and a certification to complete and sign."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import desk
from relay.app.exits import EXIT_USAGE
from relay.app.runtime import SystemClock
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.core.times import parse_utc
from relay.core.verdict import Finding

report_app: Final = typer.Typer(
    no_args_is_help=True, help="Deposit reports: make a draft, check one, draft a certification."
)

Trust = Annotated[Path, typer.Option("--trust", help="Trust roots file, obtained apart from what is checked.")]
At = Annotated[str, typer.Option("--at", help="Time that the paper bears, YYYY-MM-DDTHH:MM:SSZ; default now.")]
Font = Annotated[Path | None, typer.Option("--font", help="TrueType font; default the first that is found.")]


@report_app.command("make")
def make_command(
    bundle: Annotated[Path, typer.Argument(help="Evidence bundle (zip).")],
    trust: Trust,
    out: Annotated[Path, typer.Option("--out", help="PDF to write; the document goes beside it as .json.")] = Path(
        "report.pdf"
    ),
    language: Annotated[str, typer.Option(help="en or zh-CN.")] = "en",
    profile: Annotated[str, typer.Option(help="Report profile.")] = "full",
    profiles: Annotated[Path | None, typer.Option(help="File of report profiles instead of the packaged ones.")] = None,
    name: Annotated[str, typer.Option(help="Who issues it, for people.")] = "",
    certificate: Annotated[Path | None, typer.Option(help="PEM: seal with this certificate.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM: its private key.")] = None,
    seal_key: Annotated[Path | None, typer.Option(help="The court's Ed25519 seal key: signs the document.")] = None,
    at: At = "",
    font: Font = None,
    as_json: Json = False,
) -> None:
    """Verify a bundle and print what it shows. A draft without number and seal, unless a certificate and key are given."""
    from relay.app import reports

    _must_be_files(
        ("BUNDLE", bundle), ("--trust", trust), ("--certificate", certificate), ("--key", key), ("--seal-key", seal_key)
    )
    made = reports.make(
        reports.ReportWish(
            bundle=bundle, trust=trust, out=out, language=language, profile=profile, issued_ms=_moment(at), name=name,
            certificate=certificate, key=key, seal_key=seal_key, font=font, profiles=profiles,
        )
    )  # fmt: skip
    if as_json:
        output.as_json(made)
        return
    output.say(
        f"{'sealed report' if made['sealed'] else 'draft, not sealed'}: {made['report']} ({made['bytes']:,} bytes)"
    )
    output.say(f"document: {made['document']}")
    output.say(f"the dossier is {made['verdict']}")


@report_app.command("issue")
def issue_command(
    bundle_id: Annotated[
        str, typer.Argument(help="The bundle's id at the court, as `retrieve` and the pages show it.")
    ],
    home: Home = DEFAULT_HOME,
    language: Annotated[str, typer.Option(help="en or zh-CN.")] = "en",
    profile: Annotated[str, typer.Option(help="Report profile.")] = "full",
    as_json: Json = False,
) -> None:
    """Have the court issue a sealed report on a bundle that it holds; print where its verdict page is. Who asked is logged."""
    issued = run(desk.issue_report(home, bundle_id, language, profile))
    if as_json:
        output.as_json(issued)
    else:
        output.say(f"report {issued['number']}: {issued['url']}")


@report_app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(help="A report: PDF, or the report.json attached to it.")],
    trust: Trust,
    authority: Annotated[
        Path | None,
        typer.Option(help="PEM: certificates that may issue the sealer's; default what the court's key names."),
    ] = None,
    font: Font = None,
    as_json: Json = False,
) -> None:
    """Check a report offline. Exit 0 CONSISTENT, 1 INCONSISTENT, 3 UNVERIFIABLE, 2 usage."""
    from relay.app import reports

    _must_be_files(("FILE", file), ("--trust", trust), ("--authority", authority))
    verdict = reports.check(file, trust, authority, font)
    if as_json:
        output.as_json(verdict)
    else:
        _show(verdict)
    sys.exit(reports.EXIT.get(Finding(verdict["verdict"]), 3))


@report_app.command("certification")
def certification_command(
    bundle: Annotated[Path, typer.Argument(help="Evidence bundle (zip).")],
    trust: Trust,
    out: Annotated[Path, typer.Option("--out", help="PDF to write.")] = Path("certification.pdf"),
    at: At = "",
    font: Font = None,
    as_json: Json = False,
) -> None:
    """A certification under FRE 902(13) and 902(14) to complete: process, digests, result. It names no signer."""
    from relay.app import reports

    _must_be_files(("BUNDLE", bundle), ("--trust", trust))
    made = reports.certification(bundle, trust, out, _moment(at), font)
    if as_json:
        output.as_json(made)
        return
    output.say(
        f"draft of a certification: {made['certification']}, {made['files']} files listed; the dossier is {made['verdict']}"
    )
    output.say(
        "Nobody has certified anything yet: a qualified person completes the fields, checks every statement, and signs."
    )


def _show(verdict: dict[str, Any]) -> None:
    number = verdict["number"] or "without a number"
    output.say(f"Report {number}; what it says of its dossier: {verdict['dossier_verdict'] or 'cannot be read'}")
    for step in verdict["steps"]:
        output.say(f"  step {step['number']:>2}  {step['name']:<18} {step['result']:<8} {step['detail']}")
    output.say(f"{verdict['verdict']}: {verdict['words']}")
    if verdict["trust_roots"]["stale"]:
        output.say(f"  note: {verdict['trust_roots']['stale']}")
    for line in verdict["does_not_prove"]:
        output.say(f"  note: {line}")


def _moment(at: str) -> int:
    return parse_utc(at, "report", "--at") * 1000 if at else SystemClock().now_ms() // 1000 * 1000


def _must_be_files(*named: tuple[str, Path | None]) -> None:
    for name, path in named:
        if path is not None and not path.is_file():
            output.complain(f"error: {name}: no such file: {path}")
            sys.exit(EXIT_USAGE)
