"""`courtrelay notices`: what a relay or a court gateway has told its broker."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from relay.app import notices
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, run


def notices_command(
    role: Annotated[str, typer.Option("--role", help="relay or court.")] = "relay",
    after: Annotated[int, typer.Option("--after", min=0, help="Only those with a higher number.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 1000,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as they come from the broker that the desk's [mqtt] names.")
    ] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Print notices as JSON lines, in order; with --follow without holes or repeats, whatever the broker loses."""
    if follow:
        run(notices.follow_notices(home, role, after, _line, output.complain))
    for line in run(notices.read_notices(home, role, after, limit)):
        _line(line)


def _line(said: dict[str, Any]) -> None:
    output.say(json.dumps(said, ensure_ascii=False, sort_keys=True))
