"""`courtrelay court …`: what a court's IT does for the people of its pages."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from relay.app import desk
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run

court_app: Final = typer.Typer(no_args_is_help=True, help="The court's pages: links for signing in.")


@court_app.callback()
def _court() -> None:
    """The court's pages."""


@court_app.command("link")
def link(
    role: Annotated[str, typer.Option("--role", help="judge, clerk or auditor.")],
    name: Annotated[
        str, typer.Option("--name", help="Last part of the person's identity: small letters, digits, . _ -")
    ],
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Print a link that signs one person in to the court's pages: once, within ten minutes. Who asked is logged."""
    url = run(desk.sign_in_link(home, name, role))
    if as_json:
        output.as_json({"url": url})
    else:
        output.say(url)
