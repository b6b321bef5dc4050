"""`courtrelay projection …`: a log compared with the lender's own ledger, and proofs of single events."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from relay.app import projection_check
from relay.app.projection_check import Comparison
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.core.errors import Malformed
from relay.core.verdict import Finding

projection_app: Final = typer.Typer(
    no_args_is_help=True, help="Events of a lender's own contract in its log: check, prove, verify."
)
_EXIT: Final = {Finding.CONSISTENT: 0, Finding.INCONSISTENT: 1}
_DIGEST: Final = re.compile(r"(?:0x)?([0-9a-f]{64})")

Log = Annotated[str, typer.Option("--log", help="Where the log is served: an address or a folder with its files.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="File with origin, trust, [ledger], [[projection]]; default the custodian's."),
]


@projection_app.command("check")
def check(
    log: Log,
    config: Config = None,
    upto: Annotated[int, typer.Option("--upto", min=0, help="All events up to this block must be in the log.")] = 0,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Make the log again from the lender's ledger and compare. Exit 0 CONSISTENT, 1 INCONSISTENT, 3 open, 2 usage."""
    with output.progress("Comparing entries", quiet=as_json) as advance:
        found = run(projection_check.check(_config(config, home), log, upto, advance))
    _show(found, as_json)
    sys.exit(_EXIT.get(found.verdict, 3))


@projection_app.command("prove")
def prove(
    log: Log,
    out: Annotated[Path, typer.Option("--out", help="Folder for the proofs.")],
    digest: Annotated[str, typer.Option("--digest", help="The event's digest, 64 hex digits.")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="Instead: the file whose SHA-256 the digest is.")] = None,
    config: Config = None,
    home: Home = DEFAULT_HOME,
    as_json: Json = False,
) -> None:
    """Write a proof of every event with a digest, after the log was compared with the ledger."""
    wanted = _wanted(digest, file)
    with output.progress("Comparing entries", quiet=as_json) as advance:
        found, written = run(projection_check.prove(_config(config, home), log, wanted, out, advance))
    if as_json:
        output.as_json({**found.as_json(), "proofs": [str(path) for path in written]})
    else:
        for path in written:
            output.say(f"proof: {path}")
        _show(found, as_json)
    sys.exit(0 if written else _EXIT.get(found.verdict, 3))


@projection_app.command("verify")
def verify(
    proof: Annotated[Path, typer.Argument(help="A proof that `prove` wrote.")],
    trust: Annotated[Path, typer.Option("--trust", help="Trust roots file, obtained apart from the proof.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="A file whose SHA-256 must be the event's digest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a proof offline. Exit 0 when it holds, 1 otherwise."""
    shown = projection_check.verify(proof, trust, file)
    if as_json:
        output.as_json(shown)
    else:
        output.say(f"entry {shown['index']} of {shown['origin']} (size {shown['size']}) is of this event:")
        for name in ("emitter", "kind", "height", "block_hash", "log", "dossier", "digest", "time", "seq"):
            output.say(f"  {name:<10} {shown[name]}")
        for witness in shown["witnesses"]:
            output.say(f"  cosigned by {witness['name']} at {witness['at']}")
        output.say("  that the event is on the ledger is shown by the ledger: `courtrelay projection check`")
        if shown["payload"] is not None:
            output.say(f"  {file}: {'has this digest' if shown['payload'] else 'HAS ANOTHER DIGEST'}")
    sys.exit(1 if shown["payload"] is False else 0)


def _config(config: Path | None, home: Path) -> Path:
    return config if config is not None else home / "custodian/config.toml"


def _wanted(digest: str, file: Path | None) -> bytes:
    if bool(digest) == (file is not None):
        raise Malformed("projection prove", "--digest", "give either --digest or --file")
    if file is not None:
        return projection_check.sha256_of(file)
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise Malformed("projection prove", "--digest", "must be 64 lower-case hex digits")
    return bytes.fromhex(match[1])


def _show(found: Comparison, as_json: bool) -> None:
    if as_json:
        output.as_json(found.as_json())
        return
    output.say(f"log {found.checkpoint.origin}, size {found.checkpoint.size}, root {found.checkpoint.root.hex()}")
    output.say(f"ledger {found.ledger}, read up to block {found.upto}, which is final")
    output.say(
        f"{found.projected} projected entries are those of the ledger's events; {found.others} entries are of records"
    )
    for name, _ in found.witnesses:
        output.say(f"cosigned by {name}")
    for refusal in found.refusals:
        output.say(f"not projected, by rule: {refusal}")
    if found.refused > len(found.refusals):
        output.say(f"and {found.refused - len(found.refusals)} more")
    output.say(f"{found.verdict.value}{': ' if found.reason else ''}{found.reason}")
