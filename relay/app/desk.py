"""What people at a terminal do with running roles: the verbs deposit, anchor, grant and retrieve."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc.aio

from relay.app.runtime import SystemClock
from relay.config.roles import DeskConfig, read_desk
from relay.core.errors import Malformed, Unavailable
from relay.core.grants import parse_grant
from relay.core.limits import GRANT_BYTES_MAX
from relay.core.times import format_utc
from relay.deposit.folder import FolderDossier, read_folder
from relay.services.custodian.deposit import StoredDossier
from relay.services.custodian.scopes import GrantCommand
from relay.transport.channels import channel
from relay.wire.desks import CourtDeskClient, CustodianDeskClient, DossierToSend, RefusedDossier
from relay.wire.v1 import court_pb2

DAY_S: Final = 86_400
RETRIEVE_TRIES_MAX: Final = 5
RETRIEVE_WAIT_S: Final = 2.0
Advance = Callable[[int, int], None]


@dataclass(slots=True)
class DepositReport:
    """What became of a folder."""

    stored: list[StoredDossier] = field(default_factory=list)
    refused: list[RefusedDossier] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "stored": [
                {
                    "reference": s.reference,
                    "dossier": s.dossier,
                    "indices": list(s.indices),
                    "already_stored": s.already_stored,
                }
                for s in self.stored
            ],
            "refused": [
                {"reference": r.reference, "line": r.line, "field": r.field, "reason": r.reason} for r in self.refused
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantWish:
    """A grant as asked for at a terminal; an empty court means the desk's default."""

    court: str
    case: str
    dossiers: Sequence[str]
    kinds: Sequence[str]
    mode: str
    purpose: str
    days: int
    uses: int
    profile: str = ""
    members: Sequence[str] = ()
    purpose_class: str = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveWish:
    """A retrieval as asked for at a terminal."""

    grant: Path
    dossier: str
    officer: str
    purpose: str


@asynccontextmanager
async def open_desk(home: Path, name: str) -> AsyncIterator[tuple[grpc.aio.Channel, DeskConfig]]:
    """A channel to a desk, and its configuration. Raises `Malformed` when there is none."""
    config = read_desk(home / name / "desk.toml")
    async with channel(config.address, config.tls) as opened:
        yield opened, config


async def deposit(home: Path, folder: Path, advance: Advance, which: slice = slice(None)) -> DepositReport:
    """Send a folder dossier by dossier, or some of its dossiers. Raises `Malformed` when the folder itself cannot be understood."""
    dossiers = read_folder(folder)[which]
    report = DepositReport()
    for dossier in dossiers:
        if dossier.refusal is not None:
            line, error = dossier.refusal
            report.refused.append(
                RefusedDossier(reference=dossier.reference, line=line, field=error.field, reason=error.reason)
            )
    good = [dossier for dossier in dossiers if dossier.refusal is None]
    if good:
        async with open_desk(home, "lender-desk") as (opened, _):
            async for outcome in CustodianDeskClient(opened).deposit(_counted(good, advance)):
                (report.stored if isinstance(outcome, StoredDossier) else report.refused).append(outcome)  # type: ignore[arg-type]
    return report


def _counted(dossiers: Sequence[FolderDossier], advance: Advance) -> Iterator[DossierToSend]:
    total = sum(len(dossier.lines) for dossier in dossiers)
    done = 0

    def lines(dossier: FolderDossier) -> Iterable[tuple[int, bytes, tuple[Path, ...]]]:
        nonlocal done
        for line in dossier.lines:
            yield line
            done += 1
            advance(done, total)

    for dossier in dossiers:
        yield dossier.reference, lines(dossier)


async def anchor(home: Path) -> dict[str, Any]:
    """Anchor now."""
    async with open_desk(home, "lender-desk") as (opened, _):
        reply = await CustodianDeskClient(opened).anchor_now()
    return {"size": reply.size, "root": reply.root.hex(), "height": reply.height}


async def issue_grant(home: Path, wish: GrantWish, out: Path) -> dict[str, Any]:
    """Issue a grant and write it to a file that must not exist."""
    if out.exists():
        raise Malformed(str(out), "", "exists; a grant is never overwritten")
    now_s = SystemClock().now_ms() // 1000
    async with open_desk(home, "lender-desk") as (opened, config):
        command = GrantCommand(
            court=wish.court or config.court,
            case=wish.case,
            dossiers=tuple(wish.dossiers),
            kinds=tuple(wish.kinds),
            mode=wish.mode,
            purpose=wish.purpose,
            not_before_s=now_s,
            expires_s=now_s + wish.days * DAY_S,
            uses=wish.uses,
            profile=wish.profile,
            members=tuple(wish.members),
            purpose_class=wish.purpose_class,
        )
        token, digest = await CustodianDeskClient(opened).issue_grant(command)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(token + b"\n")
    return {"digest": digest.hex(), "file": str(out), **_grant_facts(token)}


def _grant_facts(token: bytes) -> dict[str, Any]:
    grant = parse_grant(token)
    return {
        "court": grant.aud,
        "case": grant.case,
        "dossiers": list(grant.dossiers),
        "kinds": list(grant.kinds),
        "profile": grant.scope.profile if grant.scope else "",
        "mode": grant.mode,
        "expires": format_utc(grant.exp),
    }


async def list_grants(home: Path) -> list[dict[str, Any]]:
    """All grants with their state, newest first."""
    async with open_desk(home, "lender-desk") as (opened, _):
        rows = await CustodianDeskClient(opened).list_grants()
    listed = []
    for row in rows:
        grant = parse_grant(row.grant)
        state = "revoked" if row.revoked_ms else "registered" if row.registered_ms else "not registered yet"
        facts = {**_grant_facts(row.grant), "dossiers": ", ".join(grant.dossiers), "kinds": ", ".join(grant.kinds)}
        listed.append(
            {"digest": row.digest.hex(), **facts, "uses": f"{row.uses_spent} of {grant.uses}", "state": state}
        )
    return listed


async def revoke_grant(home: Path, digest: str, reason: str) -> int:
    """Revoke by the digest in hex."""
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != 32 or raw.hex() != digest:
        raise Malformed(
            "grant revoke", "digest", "must be 64 lower-case hex digits, as `courtrelay grant list` shows them"
        )
    async with open_desk(home, "lender-desk") as (opened, _):
        return await CustodianDeskClient(opened).revoke_grant(raw, reason)


def read_grant_file(path: Path) -> bytes:
    """A grant file's token. Raises `Malformed`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    if len(data) > GRANT_BYTES_MAX + 1:
        raise Malformed(str(path), "", f"{len(data)} bytes; a grant has at most {GRANT_BYTES_MAX}")
    token = data.removesuffix(b"\n")
    try:
        parse_grant(token)
    except Malformed as error:
        raise error.within(str(path)) from None
    return token


async def retrieve(
    home: Path,
    wish: RetrieveWish,
    out: Path,
    advance: Advance,
    seen: Callable[[Any], None] = lambda _row: None,
    stored: Callable[[str], None] = lambda _bundle_id: None,
) -> dict[str, Any]:
    """Retrieve one dossier and write its bundle to a file; the verdict document.

    `seen` gets each record's verdict on arrival, `stored` the bundle's id at the court.
    """
    token = read_grant_file(wish.grant)
    async with open_desk(home, "court-desk") as (opened, _):
        client = CourtDeskClient(opened)
        done = await _retrieved(client, token, wish, advance, seen)
        stored(done.bundle_id)
        out.parent.mkdir(parents=True, exist_ok=True)
        await client.fetch_bundle(done.bundle_id, out)
    document: dict[str, Any] = json.loads(done.verdict)
    return document


async def _retrieved(
    client: CourtDeskClient, token: bytes, wish: RetrieveWish, advance: Advance, seen: Callable[[Any], None]
) -> court_pb2.RetrieveDone:
    """Ask the gateway, and again when it goes away in the middle: it goes on from what it has kept."""
    best, tries = -1, 0
    while True:
        before = best
        try:
            async for event in client.retrieve(token, wish.dossier, wish.officer, wish.purpose):
                part = event.WhichOneof("event")
                if part == "progress":
                    best = max(best, event.progress.bytes)
                    advance(event.progress.bytes, event.progress.bytes_total)
                elif part == "record":
                    seen(event.record)
                else:
                    return event.done
            raise Malformed("retrieval", "", "ended without a result")
        except Unavailable:
            # what never began is told at once; what stands still is told after a few tries
            tries = 1 if best > before else tries + 1
            if best < 0 or tries > RETRIEVE_TRIES_MAX:
                raise
            await asyncio.sleep(RETRIEVE_WAIT_S)


async def sign_in_link(home: Path, name: str, role: str) -> str:
    """The address that signs a person in to the court's pages once, within ten minutes."""
    async with open_desk(home, "court-desk") as (opened, _):
        return await CourtDeskClient(opened).make_link(name, role)


async def issue_report(home: Path, bundle_id: str, language: str, profile: str) -> dict[str, str]:
    """A deposit report on a bundle that the court holds: its number, and the address of its verdict page."""
    async with open_desk(home, "court-desk") as (opened, _):
        reply = await CourtDeskClient(opened).issue_report(bundle_id, language, profile)
    return {"number": reply.number, "url": reply.url}
