"""`courtrelay key …`: signing keys and the files that pin them; `courtrelay identity …`: development certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import keys
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json

key_app: Final = typer.Typer(no_args_is_help=True, help="Signing keys: make, show, change, revoke.")
identity_app: Final = typer.Typer(no_args_is_help=True, help="Development certificates.")

Trust = Annotated[Path, typer.Option("--trust", help="Trust roots file to change.")]
GenesisFile = Annotated[
    Path | None, typer.Option("--genesis", help="Genesis file of the court's embedded ledger, to change with it.")
]


def _say(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.as_json(facts)
        return
    for name, value in facts.items():
        output.say(f"{name:<12} {value}")


@key_app.command("new")
def new(path: Path, as_json: Json = False) -> None:
    """Make an Ed25519 key in a new file that only its owner can read."""
    _say(keys.new_key(path), as_json)


@key_app.command("show")
def show(
    reference: Annotated[str, typer.Argument(help="A file, or a pkcs11: URI, as a configuration names it.")],
    as_json: Json = False,
) -> None:
    """Try a key and print its public half."""
    _say(keys.show_key(reference), as_json)


@key_app.command("rotate")
def rotate(
    use: Annotated[str, typer.Option("--use", help="record, log, grant, witness, seal, request, custody or platform.")],
    new_key: Annotated[str, typer.Option("--new", help="The new key: a file or a pkcs11: URI.")],
    trust: Trust = DEFAULT_HOME / "trust.json",
    genesis: GenesisFile = None,
    party: Annotated[str, typer.Option(help="Whose key, where several parties have one of this use.")] = "",
    since: Annotated[str, typer.Option("--from", help="Valid from, such as 2026-03-01T00:00:00Z; default now.")] = "",
    overlap_hours: Annotated[int, typer.Option(min=0, max=8784, help="The old key counts for so long beside it.")] = 24,
    as_json: Json = False,
) -> None:
    """Pin a new key beside the old one, which ends after the overlap. docs/operate/reference.md has the order of steps."""
    _say(
        keys.rotate_key(keys.KeyFiles(trust=trust, genesis=genesis), use, party, new_key, since, overlap_hours), as_json
    )


@key_app.command("revoke", context_settings={"ignore_unknown_options": True})  # one thumbprint in 64 begins with a dash
def revoke(
    kid: Annotated[str, typer.Argument(help="The key's thumbprint, as `courtrelay key show` prints it.")],
    since: Annotated[str, typer.Option("--since", help="Since when it is not to be believed; default now.")] = "",
    trust: Trust = DEFAULT_HOME / "trust.json",
    genesis: GenesisFile = None,
    as_json: Json = False,
) -> None:
    """A stolen key: nothing it signed from that time on counts; what was anchored before stays evidence."""
    _say(keys.revoke_key(keys.KeyFiles(trust=trust, genesis=genesis), kid, since), as_json)


@identity_app.command("revoke")
def identity_revoke(
    name: Annotated[str, typer.Argument(help="A folder of HOME with a tls.pem, such as relay-desk.")],
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Put a development certificate on the revocation list; running roles refuse it within seconds."""
    _say(keys.revoke_identity(home, name), as_json)
