"""Each verb of the command loads its own part of the system, and every verb loads."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from relay.cli.main import app
from tests.support.command import ROOT, environment

ROLES = {"relay.app.custodian", "relay.app.court", "relay.app.relay", "relay.app.ledger"}
LOADED = """
import sys, typer
from relay.cli.main import app
command = typer.main.get_command(app)
command.get_command(typer.Context(command), sys.argv[1])
print(*sorted(sys.modules))
"""
ROLE = """
import sys
from pathlib import Path
from relay.app import serve
serve.run_process = lambda work, *more: work.close()
serve.serve_role(sys.argv[1], Path("home"), None)
print(*sorted(sys.modules))
"""


def modules(program: str, argument: str) -> set[str]:
    command = [sys.executable, "-c", program, argument]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_every_verb_loads_and_says_what_it_does() -> None:
    command = typer.main.get_command(app)
    around = typer.Context(command)
    names = command.list_commands(around)
    assert len(names) == len(set(names)) > 30
    for name in names:
        found = command.get_command(around, name)
        assert found is not None, name
        assert found.name == name
        assert found.get_short_help_str(), name
    assert command.get_command(around, "mend") is None


@pytest.mark.parametrize("verb", ["verify", "deposit", "serve", "custody", "init"])
def test_a_verb_loads_no_role(verb: str) -> None:
    loaded = modules(LOADED, verb)
    assert not loaded & ROLES
    assert not loaded & {"relay.app.demo", "reportlab", "PIL"}


@pytest.mark.parametrize("role", ["custodian", "court", "relay", "lender-ledger"])
def test_a_role_loads_no_other_role(role: str) -> None:
    own = f"relay.app.{role.removeprefix('lender-')}"
    assert modules(ROLE, role) & ROLES == {own}
