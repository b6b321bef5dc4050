"""The desks of custodian, relay and court gateway as people's tools call them: plain values in, plain values out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc.aio

from relay.core.errors import Malformed
from relay.services.custodian.deposit import StoredDossier
from relay.services.custodian.scopes import GrantCommand
from relay.transport.channels import CALL_DEADLINE_S, STREAM_DEADLINE_S, call, stream
from relay.wire.v1 import court_pb2, court_pb2_grpc, custodian_pb2, custodian_pb2_grpc, relay_pb2, relay_pb2_grpc

PAYLOAD_CHUNK_BYTES: Final = 1024 * 1024

DossierToSend = tuple[str, Iterable[tuple[int, bytes, Sequence[Path]]]]
"""(reference, lines of (number, JSON, payload files in the line's order))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedDossier:
    """Nothing of this dossier was stored. `line` is 0 when the refusal concerns no line."""

    reference: str
    line: int
    field: str
    reason: str


class CustodianDeskClient:
    """The lender's desk."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: custodian_pb2_grpc.CustodianDeskAsyncStub = custodian_pb2_grpc.CustodianDeskStub(channel)

    async def deposit(self, dossiers: Iterable[DossierToSend]) -> AsyncIterator[StoredDossier | RefusedDossier]:
        """One outcome a dossier, in order. A file that cannot be read raises OSError: that dossier is not stored."""
        failure: list[OSError] = []

        async def requests() -> AsyncIterator[custodian_pb2.DepositRequest]:
            try:
                for dossier in dossiers:
                    for request in _requests(dossier):
                        yield request
            except OSError as error:
                failure.append(error)

        async for reply in stream(self._stub.Deposit(requests(), timeout=STREAM_DEADLINE_S)):
            if failure:
                raise failure[0]
            yield _outcome(reply)
        if failure:
            raise failure[0]

    async def anchor_now(self) -> custodian_pb2.AnchorNowReply:
        """Size, root, and the height of the block; height 0 when nothing was new."""
        return await call(self._stub.AnchorNow(custodian_pb2.AnchorNowRequest(), timeout=CALL_DEADLINE_S))

    async def issue_grant(self, command: GrantCommand) -> tuple[bytes, bytes]:
        """(grant, digest)."""
        request = custodian_pb2.IssueGrantRequest(
            court=command.court,
            case_number=command.case,
            dossiers=command.dossiers,
            kinds=command.kinds,
            mode=command.mode,
            purpose=command.purpose,
            not_before_s=command.not_before_s,
            expires_s=command.expires_s,
            uses=command.uses,
            profile=command.profile,
            members=command.members,
            purpose_class=command.purpose_class,
            request_id=command.request_id,
        )
        reply = await call(self._stub.IssueGrant(request, timeout=CALL_DEADLINE_S), writing=True)
        return reply.grant, reply.digest

    async def list_grants(self) -> Sequence[custodian_pb2.GrantRow]:
        """All grants, newest first."""
        return (await call(self._stub.ListGrants(custodian_pb2.ListGrantsRequest(), timeout=CALL_DEADLINE_S))).grants

    async def revoke_grant(self, digest: bytes, reason: str) -> int:
        """Time of the first revocation, in ms."""
        request = custodian_pb2.RevokeGrantRequest(digest=digest, reason=reason)
        return (await call(self._stub.RevokeGrant(request, timeout=CALL_DEADLINE_S), writing=True)).revoked_ms

    async def status(self) -> custodian_pb2.CustodianStatusReply:
        """What the custodian says of itself."""
        return await call(self._stub.Status(custodian_pb2.CustodianStatusRequest(), timeout=CALL_DEADLINE_S))


def _requests(dossier: DossierToSend) -> Iterator[custodian_pb2.DepositRequest]:
    reference, lines = dossier
    yield custodian_pb2.DepositRequest(begin=custodian_pb2.BeginDossier(reference=reference))
    for number, data, files in lines:
        yield custodian_pb2.DepositRequest(record=custodian_pb2.RecordLine(line=number, json=data))
        for path in files:
            for chunk in _chunks(path):
                yield custodian_pb2.DepositRequest(payload=chunk)
    yield custodian_pb2.DepositRequest(end=custodian_pb2.EndDossier())


def _chunks(path: Path) -> Iterator[custodian_pb2.PayloadChunk]:
    with path.open("rb") as file:
        data = file.read(PAYLOAD_CHUNK_BYTES)
        while True:
            ahead = file.read(PAYLOAD_CHUNK_BYTES)
            yield custodian_pb2.PayloadChunk(data=data, last=not ahead)
            if not ahead:
                return
            data = ahead


def _outcome(reply: custodian_pb2.DepositReply) -> StoredDossier | RefusedDossier:
    if reply.WhichOneof("outcome") == "stored":
        stored = reply.stored
        return StoredDossier(
            reference=stored.reference,
            dossier=stored.dossier,
            indices=tuple(stored.indices),
            already_stored=stored.already_stored,
        )
    refused = reply.refused
    return RefusedDossier(reference=refused.reference, line=refused.line, field=refused.field, reason=refused.reason)


class RelayDeskClient:
    """The operator's desk."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: relay_pb2_grpc.RelayAdminAsyncStub = relay_pb2_grpc.RelayAdminStub(channel)

    async def status(self) -> relay_pb2.RelayStatusReply:
        """What the relay says of itself."""
        return await call(self._stub.Status(relay_pb2.RelayStatusRequest(), timeout=CALL_DEADLINE_S))

    async def items(self, origin: str, limit: int, *, quarantined: bool) -> Sequence[relay_pb2.ItemRow]:
        """Items under way, or quarantined ones."""
        method = self._stub.Quarantined if quarantined else self._stub.Backlog
        request = relay_pb2.ListItemsRequest(origin=origin, limit=limit)
        return (await call(method(request, timeout=CALL_DEADLINE_S))).items

    async def item(self, verb: str, item: bytes, reason: str) -> relay_pb2.ItemRow:
        """`show`, `retry` or `discard` one item."""
        methods = {"show": self._stub.ShowItem, "retry": self._stub.RetryItem, "discard": self._stub.DiscardItem}
        request = relay_pb2.ItemRequest(id=item, reason=reason)
        return await call(methods[verb](request, timeout=CALL_DEADLINE_S), writing=verb != "show")

    async def halt(self, origin: str, reason: str, *, resume: bool) -> None:
        """Stop an origin, or let it go on."""
        method = self._stub.ResumeOrigin if resume else self._stub.HaltOrigin
        request = relay_pb2.OriginRequest(origin=origin, reason=reason)
        await call(method(request, timeout=CALL_DEADLINE_S), writing=True)

    async def exhibits(self, origin: str) -> Sequence[relay_pb2.ExhibitRow]:
        """What halted an origin, then and now."""
        request = relay_pb2.OriginRequest(origin=origin)
        return (await call(self._stub.Exhibits(request, timeout=CALL_DEADLINE_S))).exhibits

    async def rescan(self, ledger: str, *, from_start: bool) -> Sequence[relay_pb2.RescanRow]:
        """Compare ledgers with what is recorded."""
        request = relay_pb2.RescanRequest(ledger=ledger, from_start=from_start)
        return (await call(self._stub.Rescan(request, timeout=STREAM_DEADLINE_S))).ledgers


class CourtDeskClient:
    """The court's desk."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: court_pb2_grpc.CourtDeskAsyncStub = court_pb2_grpc.CourtDeskStub(channel)

    async def retrieve(
        self, grant: bytes, dossier: str, officer: str, purpose: str, request_id: bytes = b""
    ) -> AsyncIterator[court_pb2.DeskRetrieveEvent]:
        """Progress, each record's verdict, and last what was stored."""
        request = court_pb2.DeskRetrieveRequest(
            grant=grant, dossier=dossier, officer=officer, purpose=purpose, request_id=request_id
        )
        calling: Any = self._stub.Retrieve(request, timeout=STREAM_DEADLINE_S)
        async for event in stream(calling):
            yield event

    async def bundle(self, bundle_id: str) -> AsyncIterator[bytes]:
        """The bytes of a stored bundle."""
        request = court_pb2.FetchBundleRequest(bundle_id=bundle_id)
        async for chunk in stream(self._stub.FetchBundle(request, timeout=STREAM_DEADLINE_S)):
            yield chunk.data

    async def fetch_bundle(self, bundle_id: str, out: Path) -> int:
        """Write a stored bundle to a file; returns its size in bytes. Raises `Malformed` when the file cannot be written."""
        size = 0
        try:
            with out.open("wb") as file:
                async for data in self.bundle(bundle_id):
                    size += file.write(data)
        except OSError as error:
            raise Malformed(str(out), "", f"cannot be written: {error.strerror}") from None
        return size

    async def make_link(self, name: str, role: str) -> str:
        """The address of a link that signs a person in to the court's pages, once."""
        request = court_pb2.MakeLinkRequest(name=name, role=role)
        return (await call(self._stub.MakeLink(request, timeout=CALL_DEADLINE_S))).url

    async def issue_report(self, bundle_id: str, language: str, profile: str) -> court_pb2.IssueReportReply:
        """Number and address of a new deposit report on a stored bundle."""
        request = court_pb2.IssueReportRequest(bundle_id=bundle_id, language=language, profile=profile)
        return await call(self._stub.IssueReport(request, timeout=CALL_DEADLINE_S), writing=True)

    async def status(self) -> court_pb2.CourtStatusReply:
        """What the court gateway says of itself."""
        return await call(self._stub.Status(court_pb2.CourtStatusRequest(), timeout=CALL_DEADLINE_S))

    async def publish_statement(self, token: bytes) -> court_pb2.PublishStatementReply:
        """Ledger, version and digest of a platform statement that the court has taken in."""
        request = court_pb2.PublishStatementRequest(statement=token)
        return await call(self._stub.PublishStatement(request, timeout=CALL_DEADLINE_S), writing=True)
