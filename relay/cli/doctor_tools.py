"""`courtrelay doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.app.doctor.examination import examine
from relay.app.doctor.findings import LEVELS, worst
from relay.app.exits import EXIT_FAILED
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run


def doctor_command(
    role: Annotated[str, typer.Argument(help="One role; without it all roles of HOME.")] = "",
    home: Home = DEFAULT_HOME,
    config: Annotated[Path | None, typer.Option(help="Configuration file instead of the one in HOME.")] = None,
    as_json: Json = False,
    all_lines: Annotated[bool, typer.Option("--all/--wrong", help="Every check, or only what is not ok.")] = True,
) -> None:
    """Check configuration, keys, certificates, stores, ports, peers and ledgers without starting anything. Exit 0: no problem."""
    found = run(examine(home, role, config))
    if as_json:
        output.as_json({"verdict": worst(found), "findings": [one.as_json() for one in found]})
    else:
        for one in found:
            if all_lines or one.level != "ok":
                output.say(one.line())
        output.say(", ".join(f"{level}: {sum(one.level == level for one in found)}" for level in reversed(LEVELS)))
    if worst(found) == "problem":
        sys.exit(EXIT_FAILED)
