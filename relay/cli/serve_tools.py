"""`courtrelay serve` and `courtrelay probe`: one role on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.app.probe import probe
from relay.app.serve import ROLES, serve_role
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, run


def serve_command(
    role: Annotated[str, typer.Argument(envvar="COURTRELAY_ROLE", help=f"One of: all, {', '.join(ROLES)}.")],
    home: Home = DEFAULT_HOME,
    config: Annotated[Path | None, typer.Option(help="Configuration file instead of the one in HOME.")] = None,
) -> None:
    """Run one role (or all of them as child processes) until SIGTERM or Ctrl-C."""
    sys.exit(serve_role(role, home, config))


def probe_command(
    role: Annotated[str, typer.Argument(envvar="COURTRELAY_ROLE", help=f"One of: {', '.join(ROLES)}.")],
    home: Home = DEFAULT_HOME,
    config: Annotated[Path | None, typer.Option(help="Configuration file instead of the one in HOME.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Any answer will do; otherwise the role must be ready.")] = False,
) -> None:
    """Ask a role on this machine, with its own certificate, whether it is ready: exit 0 when it is, 1 when not."""
    output.say(run(probe(role, home, config, ready=not live)))
