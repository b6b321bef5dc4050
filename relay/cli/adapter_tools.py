"""`courtrelay adapter …`: ledger adapters in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from relay.app.adapter_serve import serve_adapter
from relay.cli import adapter_checks

adapter_app: Final = typer.Typer(no_args_is_help=True, help="Ledger adapters: serve, check, new.")

Config = Annotated[Path, typer.Option("--config", help="The adapter's configuration file.")]


@adapter_app.command("serve")
def serve(config: Config) -> None:
    """Serve a ledger of an installed family to roles with family `remote`, until SIGTERM or Ctrl-C."""
    sys.exit(serve_adapter(config))


adapter_app.command("check")(adapter_checks.check)
adapter_app.command("new")(adapter_checks.new)
