"""`courtrelay backup`, `restore` and `catch-up`: a role's data folder copied while it runs, put back, and brought up to its anchors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.app import backup as work
from relay.app.catch_up import catch_up
from relay.app.exits import EXIT_BEHIND, EXIT_STORAGE
from relay.app.runtime import SystemClock
from relay.app.serve import CONFIG
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.durable.errors import StorageFailed
from relay.services.standing import Behind

Role = Annotated[str, typer.Argument(help=f"One of: {', '.join(work.ROLES)}.")]
Config = Annotated[Path | None, typer.Option("--config", help="Configuration file instead of the one in HOME.")]


def _ended(error: StorageFailed | Behind) -> int:
    output.complain(f"error: {error}")
    return EXIT_BEHIND if isinstance(error, Behind) else EXIT_STORAGE


def backup_command(
    role: Role,
    out: Annotated[Path, typer.Option("--out", help="Folder to make; must not exist.")],
    home: Home = DEFAULT_HOME,
    config: Config = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="The private keys too: who has the backup then is this role.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the data of a running or stopped role, and read the copy back. Private keys are not in it unless asked for."""
    path = config or home / role / CONFIG
    try:
        made = work.back_up(role, path, out, SystemClock().now_ms() // 1000, with_keys=with_keys)
    except StorageFailed as error:
        sys.exit(_ended(error))
    if as_json:
        output.as_json(made.as_json())
        return
    output.say(f"{out}: {made.words()}; read back and whole")
    if not with_keys:
        output.say("The private keys are not in it, and it is worth nothing without them: keep them apart from it.")


def restore_command(
    role: Role,
    source: Annotated[Path, typer.Option("--from", help="Folder made by `courtrelay backup`.")],
    home: Home = DEFAULT_HOME,
    config: Config = None,
) -> None:
    """Put a backup into an empty data folder, checked first. The role must be stopped."""
    try:
        made = work.restore(role, config or home / role / CONFIG, source)
    except StorageFailed as error:
        sys.exit(_ended(error))
    output.say(f"restored {made.words()}")
    output.say(f"What comes next: {work.CATCHES_UP[role]}.")


def catch_up_command(home: Home = DEFAULT_HOME, config: Config = None) -> None:
    """Get a stopped custodian's evidence log back from the relay, up to what is anchored. Exit 82 when a person must decide."""
    try:
        done = run(catch_up(config or home / "custodian" / CONFIG))
    except (StorageFailed, Behind) as error:
        sys.exit(_ended(error))
    output.say(
        f"{done.entries} entries put back; the evidence log holds {done.size}, as its newest anchor says, or more"
    )
    for dossier, count in done.lost:
        output.say(f"lost of dossier {dossier}: {count} records; a signed statement of the loss takes their place")
    if done.custody:
        output.complain(f"error: {done.custody}")
        sys.exit(EXIT_BEHIND)
