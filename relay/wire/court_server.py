"""The court gateway's gRPC face: its mirror to relays, its desk to the court's own people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

import grpc.aio

from relay.core.errors import Malformed, NotFound
from relay.core.identity import Role
from relay.core.package import Package
from relay.ports.forwarding import Announcement
from relay.services.court.asking import RetrievalCommand
from relay.services.court.fetching import Bundles
from relay.services.court.mirror import CourtMirror
from relay.services.court.once import NamedRetrievals
from relay.services.court.retrieval import Done, Progress, Seen
from relay.services.court.statements import Statements
from relay.services.court.status import CourtStatus
from relay.services.mirroring import GROUP_PACKAGES_MAX
from relay.transport.peer import peer_identity
from relay.wire.convert import bounded_note, evidence_from, package_from
from relay.wire.grouping import arriving
from relay.wire.v1 import court_pb2, court_pb2_grpc

BUNDLE_CHUNK_BYTES: Final = 1024 * 1024

ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    "/relay.wire.v1.Mirror/Latest": frozenset({Role.RELAY}),
    "/relay.wire.v1.Mirror/AddCheckpoint": frozenset({Role.RELAY}),
    "/relay.wire.v1.Mirror/AddEntries": frozenset({Role.RELAY}),
    "/relay.wire.v1.CourtDesk/Retrieve": frozenset({Role.OPERATOR}),
    "/relay.wire.v1.CourtDesk/FetchBundle": frozenset({Role.OPERATOR}),
    "/relay.wire.v1.CourtDesk/Status": frozenset({Role.OPERATOR}),
    "/relay.wire.v1.CourtDesk/PublishStatement": frozenset({Role.OPERATOR}),
    "/relay.wire.v1.CourtDesk/MakeLink": frozenset({Role.OPERATOR}),
    "/relay.wire.v1.CourtDesk/IssueReport": frozenset({Role.OPERATOR}),
}
LONG_LIVED: Final[frozenset[str]] = frozenset()

Context = grpc.aio.ServicerContext[Any, Any]


class CourtPages(Protocol):
    """What an operator may have the court's pages do."""

    async def make_link(self, name: str, role: str, operator: str) -> str:
        """The address that signs somebody in once. Raises `Malformed`."""

    async def issue_report(self, bundle_id: str, language: str, profile: str, operator: str) -> tuple[str, str]:
        """Number and address of a new deposit report. Raises `NotFound`, `Malformed`, `Unavailable`."""


"""(name, role, operator) → the address of a link for signing in once. Raises `Malformed`."""


class Mirror(court_pb2_grpc.MirrorServicer):
    """What relays call."""

    def __init__(self, mirror: CourtMirror) -> None:
        self._mirror = mirror

    async def Latest(self, request: court_pb2.LatestRequest, context: Context) -> court_pb2.LatestReply:
        """What the court holds of an origin."""
        held = await self._mirror.latest(request.origin)
        return court_pb2.LatestReply(size=held.size, next_index=held.next_index, cosigned=held.cosigned)

    async def AddCheckpoint(
        self, request: court_pb2.AddCheckpointRequest, context: Context
    ) -> court_pb2.AddCheckpointReply:
        """A checkpoint that extends the last one."""
        held = await self._mirror.add_checkpoint(_announcement(request))
        return court_pb2.AddCheckpointReply(next_index=held.next_index, cosigned=held.cosigned)

    async def AddEntries(
        self, request_iterator: AsyncIterator[court_pb2.AddEntriesRequest], context: Context
    ) -> AsyncIterator[court_pb2.AddEntriesReply]:
        """Entries up to a checkpoint that was announced before, or is in the first message."""
        first = await anext(aiter(request_iterator), None)
        if first is None or first.WhichOneof("part") != "target":
            raise Malformed("entries", "target", "the first message must name the checkpoint")
        target = first.target
        announced = _announcement(target.announcement) if target.HasField("announcement") else None
        packages = _packages(request_iterator)
        async with arriving(packages, GROUP_PACKAGES_MAX, ends=lambda p: p.end >= target.size) as groups:
            async for held in self._mirror.add_entries(target.origin, target.size, groups, announced):
                yield court_pb2.AddEntriesReply(next_index=held.next_index, cosigned=held.cosigned)


def _announcement(request: court_pb2.AddCheckpointRequest) -> Announcement:
    return Announcement(
        checkpoint=bounded_note(request.checkpoint, "checkpoint offer"),
        old_size=request.old_size,
        consistency=list(request.consistency),
        anchor=evidence_from(request.anchor),
    )


async def _packages(requests: AsyncIterator[court_pb2.AddEntriesRequest]) -> AsyncIterator[Package]:
    async for request in requests:
        if request.WhichOneof("part") != "package":
            raise Malformed("entries", "package", "every message after the target must be a package")
        yield package_from(request.package)


class CourtDesk(court_pb2_grpc.CourtDeskServicer):
    """What the court's own people and systems call."""

    def __init__(
        self,
        retrieval: NamedRetrievals,
        bundles: Bundles,
        status: CourtStatus,
        statements: Statements,
        pages: CourtPages | None = None,
    ) -> None:
        self._retrieval = retrieval
        self._bundles = bundles
        self._status = status
        self._statements = statements
        self._pages = pages

    async def Retrieve(
        self, request: court_pb2.DeskRetrieveRequest, context: Context
    ) -> AsyncIterator[court_pb2.DeskRetrieveEvent]:
        """One dossier under a grant, record by record, ending with the stored bundle."""
        command = RetrievalCommand(
            grant=request.grant,
            dossier=request.dossier,
            officer=request.officer,
            purpose=request.purpose,
            request_id=request.request_id,
        )
        async for event in self._retrieval.run(command):
            yield _event(event)

    async def FetchBundle(
        self, request: court_pb2.FetchBundleRequest, context: Context
    ) -> AsyncIterator[court_pb2.BundleChunk]:
        """The bytes of a stored bundle."""
        bundle = await self._bundles.open(request.bundle_id, str(peer_identity(context)))
        try:
            while data := await asyncio.to_thread(bundle.read, BUNDLE_CHUNK_BYTES):
                yield court_pb2.BundleChunk(data=data)
        finally:
            bundle.close()

    async def Status(self, request: court_pb2.CourtStatusRequest, context: Context) -> court_pb2.CourtStatusReply:
        """Sizes by origin, counts, the last problem."""
        report = await self._status.report()
        return court_pb2.CourtStatusReply(
            origins=[
                court_pb2.CourtOriginStatus(
                    origin=o.origin, mirrored_size=o.mirrored_size, receipted_size=o.receipted_size
                )
                for o in report.origins
            ],
            bundles=report.bundles,
            retrievals=report.retrievals,
            last_problem=report.problem,
        )

    async def PublishStatement(
        self, request: court_pb2.PublishStatementRequest, context: Context
    ) -> court_pb2.PublishStatementReply:
        """The next version of a platform's statement."""
        statement = await self._statements.publish(request.statement, str(peer_identity(context)))
        return court_pb2.PublishStatementReply(
            ledger=statement.draft.ledger, version=statement.draft.version, digest=statement.digest
        )

    async def MakeLink(self, request: court_pb2.MakeLinkRequest, context: Context) -> court_pb2.MakeLinkReply:
        """A link for signing in to the pages."""
        url = await self._need_pages().make_link(request.name, request.role, str(peer_identity(context)))
        return court_pb2.MakeLinkReply(url=url)

    async def IssueReport(self, request: court_pb2.IssueReportRequest, context: Context) -> court_pb2.IssueReportReply:
        """A deposit report on a stored bundle."""
        issue = self._need_pages().issue_report
        number, url = await issue(request.bundle_id, request.language, request.profile, str(peer_identity(context)))
        return court_pb2.IssueReportReply(number=number, url=url)

    def _need_pages(self) -> CourtPages:
        if self._pages is None:
            raise NotFound("this gateway has no pages: its configuration has no [web]")
        return self._pages


def _event(event: Progress | Seen | Done) -> court_pb2.DeskRetrieveEvent:
    if isinstance(event, Progress):
        return court_pb2.DeskRetrieveEvent(
            progress=court_pb2.RetrieveProgress(
                records=event.records,
                records_total=event.records_total,
                bytes=event.bytes,
                bytes_total=event.bytes_total,
            )
        )
    if isinstance(event, Seen):
        return court_pb2.DeskRetrieveEvent(
            record=court_pb2.RecordVerdict(seq=event.seq, kind=event.kind, verdict=event.verdict, reason=event.reason)
        )
    return court_pb2.DeskRetrieveEvent(
        done=court_pb2.RetrieveDone(
            bundle_id=event.bundle_id,
            bundle_bytes=event.bundle_bytes,
            verdict=event.verdict,
            attempts=event.attempts,
        )
    )
