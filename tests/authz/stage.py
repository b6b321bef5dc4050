"""The stage of the denial tests: one wired network, a dossier with its canary for each denial, and courts that ask on the wire."""

from __future__ import annotations

import datetime
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio

from relay.core.custody import CustodyEvent, parse_event
from relay.core.grants import parse_grant
from relay.core.identity import Identity, Role
from relay.core.requests import RequestDetails, make_request, request_digest
from relay.core.sealing import Kem, SealingPrivateKey, new_sealing_key
from relay.services.court.retrieval import RetrievalCommand
from relay.services.custodian.grants import GrantCommand
from relay.setup.ca import issue
from relay.setup.signers import open_signer
from relay.transport.channels import channel
from relay.transport.credentials import TlsFiles
from relay.wire.v1 import relay_pb2, relay_pb2_grpc
from tests.authz.canary import find, in_files, planted
from tests.support.wired import WiredWay

REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "not permitted", (("courtrelay-error", "Denied"),), ())
"""The one answer: status, details, trailers, and the initial metadata that our code sets."""
OTHER_COURT = Identity(trust_domain="courtrelay.example", role=Role.COURT, name="elsewhere")
Taken = Callable[[int], Any]


@dataclass(frozen=True)
class Answer:
    """What came back over the wire: pieces until the end, and the status."""

    header: bytes
    chunks: tuple[bytes, ...]
    status: tuple[Any, ...]


@dataclass(frozen=True)
class Asked:
    """A request as it goes out, and the key that its answer is sealed to."""

    token: bytes
    key: SealingPrivateKey

    @property
    def digest(self) -> bytes:
        return request_digest(self.token)


class Stage:
    """Wraps the way with what an attacker needs: any request, signed with any key, over any court's channel."""

    def __init__(self, way: WiredWay) -> None:
        self.way = way
        self.now_s: int = way.clock.ms // 1000
        self.dossiers: dict[str, str] = {}
        self.elsewhere = way.to_relay

    async def deposit(self, name: str, **more: Any) -> None:
        """A dossier full of this name's canary."""
        self.dossiers[name] = (await self.way.deposit(f"loan {name}", planted(name, **more))).dossier

    async def grant(self, name: str, **changes: Any) -> str:
        """A registered grant for a name's dossier."""
        now_s = self.way.clock.ms // 1000
        command = GrantCommand(
            court=self.way.court, case="Case 1", dossiers=(self.dossiers[name],), kinds=("*",), mode="retrieve",
            purpose="filing", not_before_s=now_s, expires_s=now_s + 86_400, uses=3,
        )  # fmt: skip
        return await self.way.grants.issue(replace(command, **changes))

    def request(self, grant_token: str, /, **changes: Any) -> Asked:
        """As the court would make it under the grant, with some of it changed."""
        parsed = parse_grant(grant_token)
        now_s = self.way.clock.ms // 1000
        signer = changes.pop("signer", None) or open_signer(self.way.gateway.request_keys[0])
        details = RequestDetails(
            case=changes.pop("case", parsed.case), dossier=changes.pop("dossier", parsed.dossiers[0]), officer="judge-7",
            purpose="filing",
        )  # fmt: skip
        values: dict[str, Any] = {
            "iss": parsed.aud, "aud": parsed.iss, "grant": parsed.digest, "iat": now_s, "exp": now_s + 300,
            "custodian_key": self.way.disclosures._sealing_key.public_key,
        }  # fmt: skip
        key = new_sealing_key(Kem.MLKEM768_X25519, self.way.disclosures._random)
        token = make_request(
            details=details, recipient=key.public_key, public_key=signer.public_key, sign=signer.sign,
            random_bytes=self.way.disclosures._random, **{**values, **changes},
        )  # fmt: skip
        return Asked(token=token.encode(), key=key)

    async def ask(
        self, asked: Asked | bytes, *, over: grpc.aio.Channel | None = None, taken: Taken | None = None
    ) -> Answer:
        """Over real gRPC, without the court's own checks. `taken` is awaited after each piece."""
        token = asked if isinstance(asked, bytes) else asked.token
        stub: Any = relay_pb2_grpc.CourtPortStub(over or self.way.to_relay)
        request = relay_pb2.RetrieveRequest(custodian=self.way.lender.common.identity, request=token)
        calling = stub.Retrieve(request, timeout=60)
        pieces: list[bytes] = []
        try:
            async for piece in calling:
                pieces.append(piece.header or piece.chunk)
                if taken is not None:
                    await taken(len(pieces))
            status: tuple[Any, ...] = (await calling.code(), await calling.details(), (), ())
        except grpc.aio.AioRpcError as error:
            status = _status(error)
        return Answer(header=pieces[0] if pieces else b"", chunks=tuple(pieces[1:]), status=status)

    async def ask_as_a_court_does(self, grant: str) -> list[Any]:
        """Through the court gateway's own service; raises what its officer sees."""
        command = RetrievalCommand(grant=grant.encode(), dossier="", officer="judge-7", purpose="filing")
        return [event async for event in self.way.retrieval.run(command)]

    async def custodian_event(self) -> CustodyEvent:
        """The newest of the lender's custody log."""
        return await _last(self.way.custodian_store, self.way.custodian_store.custody_size)

    async def court_event(self) -> CustodyEvent:
        """The newest of the court's custody log."""
        return await _last(self.way.court_store, (await self.way.court_store.custody_log()).size)

    def leaks(self, since: int = 0) -> list[str]:
        """Where a canary stands outside of the lender: traffic, statuses, logs, files and databases of all other roles."""
        found = []
        for one in self.way.tap.passed("relay", "court", since=since):
            if forms := find(one.data):
                found.append(f"{one.at} {one.method} {one.direction}: {sorted(forms)}")
        if forms := find("\n".join(self.way.tap.lines).encode()):
            found.append(f"logs: {sorted(forms)}")
        others = ("relay", "court", "lender-ledger", "court-ledger")
        return found + list(in_files(self.way.home / role for role in others))


def _status(error: grpc.aio.AioRpcError) -> tuple[Any, ...]:
    def kept(metadata: Any) -> tuple[tuple[str, str], ...]:
        return tuple((key, value) for key, value in metadata or ())

    return error.code(), error.details(), kept(error.trailing_metadata()), kept(error.initial_metadata())


async def _last(store: Any, size: int) -> CustodyEvent:
    row = await store._database.read(
        lambda c: c.execute("SELECT event FROM custody_event WHERE position = ?", (size - 1,)).fetchone()
    )
    return parse_event(row[0])


@asynccontextmanager
async def other_court(way: WiredWay) -> AsyncIterator[grpc.aio.Channel]:
    """A second court of the same authority, with a channel of its own to the relay."""
    folder = way.home / "elsewhere"
    folder.mkdir(exist_ok=True)
    issue(way.home / "ca", OTHER_COURT, folder, datetime.datetime.now(datetime.UTC))
    tls = TlsFiles(ca=folder / "ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")
    async with channel(way.gateway.relay, tls) as opened:
        yield opened


def says(event: CustodyEvent, reason: str) -> bool:
    """Whether an event is a refusal for this reason."""
    return event.action == "refuse" and re.search(reason, event.detail) is not None
