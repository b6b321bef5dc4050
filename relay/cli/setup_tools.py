"""`courtrelay setup …`, `certificate …`, `trust …`: hosts that share nothing but the network. docs/operate.md has the order of steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import parties
from relay.cli import output
from relay.cli.common import Json
from relay.core.errors import Malformed

setup_app: Final = typer.Typer(
    no_args_is_help=True, help="One party's keys, made where they are used, and its public part."
)
certificate_app: Final = typer.Typer(no_args_is_help=True, help="Certificates: an authority, requests, revocation.")
trust_app: Final = typer.Typer(no_args_is_help=True, help="Trust roots, joined from parts; genesis files made of them.")

Folder = Annotated[Path, typer.Argument(help="The role's folder; its keys go into `keys` there.")]
Identity = Annotated[str, typer.Option("--identity", help="spiffe://<trust domain>/<role>/<name>")]
LedgerId = Annotated[str, typer.Option("--ledger", help="Id of the ledger, such as embedded:lender-1.")]
Custody = Annotated[
    str, typer.Option("--custody-origin", help="Name of the custody log, such as bank.example/custody/1.")
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="NAME=REFERENCE: a key that exists, in a file or a token, instead of a new one."),
]
Names = Annotated[list[str] | None, typer.Option("--name", help="Host name or address it answers to; may be repeated.")]
Authority = Annotated[Path, typer.Option("--authority", help="Folder of the authority.")]
Days = Annotated[int, typer.Option("--days", min=1, max=825, help="How long it is valid.")]
ListDays = Annotated[int, typer.Option("--list-days", min=1, max=825, help="How long the revocation list is valid.")]
TrustDays = Annotated[int, typer.Option("--days", min=1, max=3660, help="When the file ends.")]
Quorum = Annotated[int | None, typer.Option("--witness-quorum", min=1, help="Witnesses that must have cosigned.")]
Parts = Annotated[list[Path], typer.Argument(help="Files part.json of the parties.")]


def _say(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.as_json(facts)
        return
    for name, value in facts.items():
        output.say(f"{name:<12} {value}")


def _setup(folder: Path, identity: str, ledger: str, keys: list[str] | None) -> parties.Setup:
    pairs = [one.partition("=") for one in keys or []]
    for name, _, reference in pairs:
        if not name or not reference:
            raise Malformed(
                "setup", "--key", "must be NAME=REFERENCE, such as record=pkcs11:token=lender;object=record"
            )
    references = {name: reference for name, _, reference in pairs}
    return parties.Setup(folder=folder, identity=identity, ledger=ledger, references=references)


@setup_app.command("custodian")
def setup_custodian(
    folder: Folder,
    identity: Identity,
    origin: Annotated[str, typer.Option("--origin", help="Name of the evidence log, such as bank.example/log/1.")],
    custody_origin: Custody,
    ledger: LedgerId,
    key: Keys = None,
    as_json: Json = False,
) -> None:
    """A lender's keys: record, log, grant, custody, sealing, master. Its part says their public halves."""
    _say(parties.set_up_custodian(_setup(folder, identity, ledger, key), origin, custody_origin), as_json)


@setup_app.command("court")
def setup_court(
    folder: Folder,
    identity: Identity,
    witness: Annotated[str, typer.Option("--witness", help="Name of its cosignatures, such as court.example/witness.")],
    custody_origin: Custody,
    ledger: LedgerId,
    key: Keys = None,
    as_json: Json = False,
) -> None:
    """A court's keys: witness, seal, request, custody."""
    _say(parties.set_up_court(_setup(folder, identity, ledger, key), witness, custody_origin), as_json)


@setup_app.command("ledger")
def setup_ledger(
    folder: Folder,
    identity: Identity,
    ledger: LedgerId,
    validators: Annotated[int, typer.Option(min=1, max=64)] = 4,
    threshold: Annotated[int, typer.Option(min=1, max=64, help="Signatures a block needs.")] = 3,
    key: Keys = None,
    as_json: Json = False,
) -> None:
    """The validators' keys of an embedded ledger."""
    _say(parties.set_up_ledger(_setup(folder, identity, ledger, key), validators, threshold), as_json)


@trust_app.command("make")
def trust_make(
    parts: Parts,
    out: Annotated[Path, typer.Option("--out")] = Path("trust.json"),
    days: TrustDays = 366,
    witness_quorum: Quorum = None,
    as_json: Json = False,
) -> None:
    """Join the parties' parts into the first version of the trust roots."""
    _say(parties.make_trust(parts, out, before=None, days=days, witness_quorum=witness_quorum), as_json)


@trust_app.command("add")
def trust_add(
    before: Annotated[Path, typer.Argument(help="The version before.")],
    out: Annotated[Path, typer.Option("--out", help="The next version's file.")],
    parts: Annotated[
        list[Path] | None, typer.Argument(help="Parts of new parties; none: only the end is moved.")
    ] = None,
    days: TrustDays = 366,
    witness_quorum: Quorum = None,
    as_json: Json = False,
) -> None:
    """The next version: with new parties, or only with a later end. What is pinned stays as it is."""
    _say(parties.make_trust(parts or [], out, before=before, days=days, witness_quorum=witness_quorum), as_json)


@trust_app.command("show")
def trust_show(file: Path, as_json: Json = False) -> None:
    """What a file pins, and its digest, for comparing by telephone."""
    _say(parties.show_trust(file), as_json)


@trust_app.command("genesis")
def trust_genesis(
    trust: Path,
    ledger: LedgerId,
    out: Annotated[Path, typer.Option("--out")] = Path("genesis.json"),
    as_json: Json = False,
) -> None:
    """The genesis file of an embedded ledger, as the trust roots have it."""
    _say(parties.make_genesis(trust, ledger, out), as_json)


@certificate_app.command("authority")
def certificate_authority(
    folder: Path,
    domain: Annotated[str, typer.Option("--domain", help="Trust domain, such as alliance.example.")],
    list_days: ListDays = 90,
    as_json: Json = False,
) -> None:
    """Make an authority: its key, its certificate, its revocation list. Keep its folder on a machine without network."""
    _say(parties.new_authority(folder, domain, list_days), as_json)


@certificate_app.command("request")
def certificate_request(folder: Path, identity: Identity, name: Names = None, as_json: Json = False) -> None:
    """Make a TLS key that never leaves this machine, and the request (tls.csr) for its certificate."""
    _say(parties.request_certificate(folder, identity, name or []), as_json)


@certificate_app.command("issue")
def certificate_issue(
    request: Annotated[Path, typer.Argument(help="The request, tls.csr.")],
    authority: Authority,
    identity: Identity,
    out: Annotated[Path, typer.Option("--out", help="The certificate to write.")],
    name: Names = None,
    days: Days = 90,
    as_json: Json = False,
) -> None:
    """Sign a request that asks for exactly this identity and these names; any other is refused."""
    _say(parties.issue_certificate(request, authority, identity, name or [], out, days), as_json)


@certificate_app.command("revoke")
def certificate_revoke(
    certificate: Path, authority: Authority, list_days: ListDays = 90, as_json: Json = False
) -> None:
    """Put a certificate on the revocation list; every server needs the new list."""
    _say(parties.revoke_certificate(certificate, authority, list_days), as_json)


@certificate_app.command("list")
def certificate_list(authority: Authority, list_days: ListDays = 90, as_json: Json = False) -> None:
    """Write the revocation list again, good for longer: in time, for when it has ended nobody is let in."""
    _say(parties.renew_revocation_list(authority, list_days), as_json)
