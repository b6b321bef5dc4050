"""`courtrelay retrieve`, `verify` and `inspect`: evidence, fetched and judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.app import desk, offline
from relay.app.exits import EXIT_USAGE
from relay.app.verdict_lines import verdict_lines
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, InLanguage, Json, Wait, errors_in, run, speaker_of
from relay.words import Speaker


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


def _show_verdict(verdict: dict[str, Any], as_json: bool, w: Speaker) -> None:
    if as_json:
        output.as_json(verdict)
        return
    for line in verdict_lines(verdict, w):
        output.say(line)
