"""`courtrelay init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relay.app.initialise import MADE, initialise
from relay.cli import output
from relay.cli.common import DEFAULT_HOME


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
