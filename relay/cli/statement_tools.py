"""`courtrelay statement …`: what a platform states of itself (Online Litigation Rules art. 17)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import statement
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run

statement_app: Final = typer.Typer(no_args_is_help=True, help="Platform statements: make, publish, show.")


def _say(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.as_json(facts)
    else:
        output.say(json.dumps(facts, ensure_ascii=False, indent=2))


@statement_app.command("make")
def make(
    template: Annotated[Path, typer.Argument(help="JSON file with every heading (docs/spec/statement.md).")],
    key: Annotated[str, typer.Option("--key", help="The platform's key: a file or a pkcs11: URI.")],
    out: Annotated[Path, typer.Option("--out", help="File to write; must not exist.")],
    as_json: Json = False,
) -> None:
    """Sign a statement. From version 2 on the template names in `previous` the digest of the version before."""
    _say(statement.make(template, key, out), as_json)


@statement_app.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(help="What `statement make` wrote.")],
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Give it to the court: logged in the court's custody log, whose heads stand on the court's ledger."""
    taken = run(statement.publish(home, file))
    if as_json:
        output.as_json(taken)
    else:
        output.say(f"version {taken['version']} of {taken['ledger']} is published: digest {taken['digest']}")


@statement_app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A statement, as `statement make` wrote it or a bundle holds it.")],
    trust: Annotated[Path | None, typer.Option("--trust", help="Trust roots to check its signature with.")] = None,
    as_json: Json = False,
) -> None:
    """Show every heading and the digest that the next version has to name."""
    _say(statement.show(file, trust), as_json)
