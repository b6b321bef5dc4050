"""The custodian's gRPC face, inside the lender's own domain: protobuf in, services called, protobuf out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc.aio

from relay.core.errors import Malformed
from relay.core.grants import grant_digest
from relay.core.identity import Role
from relay.services.custodian.anchoring import Anchoring
from relay.services.custodian.deposit import Deposits, StoredDossier
from relay.services.custodian.grants import Grants
from relay.services.custodian.intake import DossierIntake
from relay.services.custodian.scopes import GrantCommand
from relay.services.custodian.status import CustodianStatus
from relay.wire.v1 import custodian_pb2, custodian_pb2_grpc

OPERATOR: Final = frozenset({Role.OPERATOR})
ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    f"/relay.wire.v1.CustodianDesk/{method}": OPERATOR
    for method in ("Deposit", "AnchorNow", "IssueGrant", "ListGrants", "RevokeGrant", "Status")
}
LONG_LIVED: Final[frozenset[str]] = frozenset()

Context = grpc.aio.ServicerContext[Any, Any]


class CustodianDesk(custodian_pb2_grpc.CustodianDeskServicer):
    """What the lender's own people and systems call."""

    def __init__(self, deposits: Deposits, anchoring: Anchoring, grants: Grants, status: CustodianStatus) -> None:
        self._deposits = deposits
        self._anchoring = anchoring
        self._grants = grants
        self._status = status

    async def Deposit(
        self, request_iterator: AsyncIterator[custodian_pb2.DepositRequest], context: Context
    ) -> AsyncIterator[custodian_pb2.DepositReply]:
        """One outcome a dossier; a refused one leaves nothing behind and does not stop the others."""
        requests = aiter(request_iterator)
        while (first := await anext(requests, None)) is not None:
            if first.WhichOneof("part") != "begin":
                raise Malformed("deposit", "begin", "every dossier must begin with its reference")
            reference = first.begin.reference
            try:
                stored = await self._dossier(reference, requests)
            except Malformed as refusal:
                yield custodian_pb2.DepositReply(refused=_refused(reference, refusal))
            else:
                yield custodian_pb2.DepositReply(stored=_stored(stored))

    async def _dossier(self, reference: str, requests: AsyncIterator[custodian_pb2.DepositRequest]) -> StoredDossier:
        """Take one dossier to its end message; after a refusal the rest of it is read past."""
        refusal: Malformed | None = None
        intake: DossierIntake | None = None
        try:
            intake = self._deposits.begin(reference)
        except Malformed as error:
            refusal = error
        try:
            async for request in requests:
                if request.WhichOneof("part") == "end":
                    if refusal is not None or intake is None:
                        raise refusal or Malformed("deposit", "", "was refused")
                    complete, intake = intake, None
                    return await self._deposits.store(complete)
                if refusal is None and intake is not None:
                    try:
                        await _take(intake, request)
                    except Malformed as error:
                        refusal = error
            raise Malformed("deposit", "end", "the stream ended inside a dossier; nothing of it is stored")
        finally:
            if intake is not None:
                await asyncio.to_thread(intake.discard)

    async def AnchorNow(
        self, request: custodian_pb2.AnchorNowRequest, context: Context
    ) -> custodian_pb2.AnchorNowReply:
        """Anchor what is new at once."""
        done = await self._anchoring.now()
        if done is None:
            report = await self._status.report()
            return custodian_pb2.AnchorNowReply(size=report.anchored_size)
        checkpoint, anchor = done
        return custodian_pb2.AnchorNowReply(size=checkpoint.size, root=checkpoint.root, height=anchor.height)

    async def IssueGrant(
        self, request: custodian_pb2.IssueGrantRequest, context: Context
    ) -> custodian_pb2.IssueGrantReply:
        """A signed grant."""
        command = GrantCommand(
            court=request.court,
            case=request.case_number,
            dossiers=tuple(request.dossiers),
            kinds=tuple(request.kinds),
            mode=request.mode,
            purpose=request.purpose,
            not_before_s=request.not_before_s,
            expires_s=request.expires_s,
            uses=request.uses,
            profile=request.profile,
            members=tuple(request.members),
            purpose_class=request.purpose_class or "trial",
            request_id=request.request_id,
        )
        token = await self._grants.issue(command)
        return custodian_pb2.IssueGrantReply(grant=token.encode("ascii"), digest=grant_digest(token))

    async def ListGrants(
        self, request: custodian_pb2.ListGrantsRequest, context: Context
    ) -> custodian_pb2.ListGrantsReply:
        """All grants, newest first."""
        return custodian_pb2.ListGrantsReply(
            grants=[
                custodian_pb2.GrantRow(
                    digest=row.digest,
                    grant=row.token.encode("ascii"),
                    uses_spent=row.uses_spent,
                    registered_ms=row.registered_ms,
                    revoked_ms=row.revoked_ms,
                )
                for row in await self._grants.list()
            ]
        )

    async def RevokeGrant(
        self, request: custodian_pb2.RevokeGrantRequest, context: Context
    ) -> custodian_pb2.RevokeGrantReply:
        """Refused from now on."""
        return custodian_pb2.RevokeGrantReply(revoked_ms=await self._grants.revoke(request.digest, request.reason))

    async def Status(
        self, request: custodian_pb2.CustodianStatusRequest, context: Context
    ) -> custodian_pb2.CustodianStatusReply:
        """Sizes, counts, connection, the last problem."""
        report = await self._status.report()
        return custodian_pb2.CustodianStatusReply(
            origin=report.origin,
            log_size=report.log_size,
            anchored_size=report.anchored_size,
            pushed_size=report.pushed_size,
            confirmed_size=report.confirmed_size,
            dossiers=report.dossiers,
            relay_connected=report.relay_connected,
            last_problem=report.problem,
        )


async def _take(intake: DossierIntake, request: custodian_pb2.DepositRequest) -> None:
    part = request.WhichOneof("part")
    if part == "record":
        await intake.record(request.record.line, request.record.json)
    elif part == "payload":
        await intake.payload(request.payload.data, last=request.payload.last)
    else:
        raise Malformed("deposit", "part", "must be a record, a payload chunk or the end of the dossier")


def _stored(stored: StoredDossier) -> custodian_pb2.DossierStored:
    return custodian_pb2.DossierStored(
        reference=stored.reference,
        dossier=stored.dossier,
        indices=stored.indices,
        already_stored=stored.already_stored,
    )


def _refused(reference: str, refusal: Malformed) -> custodian_pb2.DossierRefused:
    head, _, number = refusal.what.rpartition(" ")
    line = int(number) if head == "line" and number.isdecimal() else 0
    return custodian_pb2.DossierRefused(
        reference=reference[:256], line=line, field=refusal.field, reason=refusal.reason
    )
