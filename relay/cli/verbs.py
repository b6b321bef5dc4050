"""The verbs of the command: a name, and where its function or its group is.

A verb's module, and with it the parts of the system that it needs, is imported when the verb is called: `courtrelay verify` loads no
role, and a role loads neither the demonstration nor another role.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

_TABLE: Final = {
    "init": "init_tools:init_command",
    "sample": "demo_tools:sample_command",
    "serve": "serve_tools:serve_command",
    "probe": "serve_tools:probe_command",
    "deposit": "lender_tools:deposit_command",
    "anchor": "lender_tools:anchor_command",
    "retrieve": "evidence_tools:retrieve_command",
    "verify": "evidence_tools:verify_command",
    "inspect": "evidence_tools:inspect_command",
    "demo": "demo_tools:demo_command",
    "doctor": "doctor_tools:doctor_command",
    "backup": "backup_tools:backup_command",
    "restore": "backup_tools:restore_command",
    "catch-up": "backup_tools:catch_up_command",
    "status": "console_tools:status_command",
    "top": "console_tools:top_command",
    "notices": "notices_tools:notices_command",
    "grant": "lender_tools:grant_app",
    "adapter": "adapter_tools:adapter_app",
    "batch": "batch_tools:batch_app",
    "relay": "relay_tools:relay_app",
    "custody": "custody_tools:custody_app",
    "projection": "projection_tools:projection_app",
    "court": "court_tools:court_app",
    "key": "key_tools:key_app",
    "identity": "key_tools:identity_app",
    "setup": "setup_tools:setup_app",
    "certificate": "setup_tools:certificate_app",
    "trust": "setup_tools:trust_app",
    "retention": "retention_tools:retention_app",
    "dossier": "retention_tools:dossier_app",
    "statement": "statement_tools:statement_app",
    "report": "report_tools:report_app",
}


def _load(name: str) -> Any:
    module, _, member = _TABLE[name].partition(":")
    found: Any = getattr(import_module(f"relay.cli.{module}"), member)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


class Verbs(TyperGroup):
    """All of them; each is loaded when it is asked for. (The types of Click are the ones inside Typer, which it does not give out.)"""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the table."""
        return list(_TABLE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them, loaded; None for a name that is none."""
        return _load(cmd_name) if cmd_name in _TABLE else None
