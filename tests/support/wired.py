"""The whole way in one event loop with its real wire: custodian, relay and court gateway speak gRPC over mutual TLS on loopback.

As tests/support/way.py, whose services and stores these are; a tap notes every message that passes a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from relay.app.relay import read_origins
from relay.app.trust import only, read_trust
from relay.config.roles import read_court, read_custodian, read_relay
from relay.services.court.fetching import Bundles
from relay.services.court.once import NamedRetrievals
from relay.services.court.status import CourtStatus
from relay.services.custodian.status import CustodianStatus
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.hands import Hands
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.rescan import Rescan
from relay.services.forwarding.route import Router
from relay.services.forwarding.status import RelayStatus
from relay.services.forwarding.watch import Watcher
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore
from relay.store.relay import SqliteRelayStore
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire import court_server, custodian_server, relay_server
from relay.wire.court_client import GrpcCourtLink
from relay.wire.relay_admin import RelayAdmin
from relay.wire.relay_client import GrpcRelayLink, GrpcRetrievalLink
from relay.wire.v1 import court_pb2_grpc, custodian_pb2_grpc, relay_pb2_grpc
from tests.support.frozen import SeededBytes, TestClock, no_waits, settle
from tests.support.tap import Tap, tapping
from tests.support.way import (
    Way,
    _retrieval,
    _wire_court,
    _wire_custodian,
    opened_court,
    opened_source,
    start_ledger,
)

SERVICES = {"CustodianPort": "relay", "CourtPort": "relay", "RelayAdmin": "relay", "Mirror": "court",
            "CourtDesk": "court", "CustodianDesk": "custodian"}  # fmt: skip


class WiredWay(Way):
    """A way whose roles are servers; `tap` is what passed, `to_relay` the court's own channel to the relay."""

    tap: Tap
    to_relay: grpc.aio.Channel
    relay_link: GrpcRelayLink
    lender: Any
    relay: Any
    gateway: Any


def role_of(method: str) -> str:
    """The role whose server has this method."""
    return SERVICES[method.split("/")[1].rpartition(".")[2]]


@asynccontextmanager
async def open_wired(home: Path, *, now_ms: int, seed: str) -> AsyncIterator[WiredWay]:
    """A home made by `relay.app.initialise`, every role serving, the custodian's request stream open, all workers running."""
    way = WiredWay()
    way.home, way.clock = home, TestClock(now_ms)
    way.lender, way.relay, way.gateway = (
        read_custodian(home / "custodian/config.toml"),
        read_relay(home / "relay/config.toml"),
        read_court(home / "court/config.toml"),
    )
    way.origin, way.court = way.lender.origin, way.gateway.common.identity
    trust, random_bytes = read_trust(home / "trust.json"), SeededBytes(seed)
    async with AsyncExitStack() as stack:
        way.tap = stack.enter_context(tapping(role_of))
        tasks = [
            await start_ledger(home / role / "config.toml", way.clock) for role in ("lender-ledger", "court-ledger")
        ]
        stack.push_async_callback(_end, tasks)
        await _open_stores(way, stack)
        _wire_court(way, way.gateway, trust, random_bytes)
        jobs = await _serve_relay(way, stack)
        await _serve_court(way, stack, trust, random_bytes)
        await _serve_custodian(way, stack, trust, random_bytes)
        tasks += [asyncio.create_task(job) for job in (*jobs, way.disclosures.run())]
        await settle(lambda: way.disclosures.connected, "the custodian listens")
        yield way


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in reversed(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _open_stores(way: WiredWay, stack: AsyncExitStack) -> None:
    way.source = await opened_source(way.lender.ledger)
    way.registry = await opened_court(way.gateway.court_ledger)
    way.relay_store = await SqliteRelayStore.open(way.relay.common.data)
    way.court_store = await SqliteCourtStore.open(way.gateway.common.data)
    way.custodian_store = await SqliteCustodianStore.open(way.lender.common.data, way.lender.master_key.read_bytes())
    for opened in (way.source, way.registry, way.relay_store, way.court_store, way.custodian_store):
        stack.push_async_callback(opened.close)


async def _serve(way: WiredWay, stack: AsyncExitStack, role: str, common: Any, module: Any, *adds: Any) -> None:
    """Servicers behind the tap. `adds`: pairs of a generated add function and its servicer."""
    registers = [
        lambda server, add=add, servicer=servicer: add(servicer, way.tap.server(role, server)) for add, servicer in adds
    ]
    await stack.enter_async_context(
        serving(
            registers, address=common.listen, tls=common.tls, allow=module.ALLOW, long_lived=module.LONG_LIVED,
            may=only(common.operators),
        )
    )  # fmt: skip


async def _serve_relay(way: WiredWay, stack: AsyncExitStack) -> list[Any]:
    source = await opened_source(way.relay.sources[0])
    registry = await opened_court(way.relay.court_ledger)
    for opened in (source, registry):
        stack.push_async_callback(opened.close)
    origins = read_origins(way.relay)
    court = GrpcCourtLink(await stack.enter_async_context(channel(way.relay.court, way.relay.common.tls)))
    store, sources = way.relay_store, {source.ledger: source}
    watcher = Watcher(source, store, origins, sleep=asyncio.sleep, backoff=no_waits)
    way.advancer = Advancer(
        origins.room(way.origin), store, sources, court, registry, sleep=asyncio.sleep, backoff=no_waits
    )
    way.router = Router(registry, way.clock)
    hands = Hands(store, origins, [Rescan(source, store, origins, sleep=asyncio.sleep)])
    port = relay_server.CustodianPort(
        LogIntake(store, origins, sources), Receipts(store, origins, registry), way.router
    )
    admin = RelayAdmin(RelayStatus(store, origins, way.router, [watcher], [way.advancer]), hands)
    await _serve(
        way, stack, "relay", way.relay.common, relay_server,
        (relay_pb2_grpc.add_CustodianPortServicer_to_server, port),
        (relay_pb2_grpc.add_CourtPortServicer_to_server, relay_server.CourtPort(way.router)),
        (relay_pb2_grpc.add_RelayAdminServicer_to_server, admin),
    )  # fmt: skip
    return [watcher.run(), way.advancer.run()]


async def _serve_court(way: WiredWay, stack: AsyncExitStack, trust: Any, random_bytes: Any) -> None:
    way.to_relay = await stack.enter_async_context(channel(way.gateway.relay, way.gateway.common.tls))
    way.link = GrpcRetrievalLink(way.to_relay)  # type: ignore[assignment]
    way.retrieval = _retrieval(way, way.gateway, trust, random_bytes)
    named = NamedRetrievals(way.retrieval, way.court_store)
    status = CourtStatus(way.court_store, [way.origin], [lambda: way.custody.problem])
    desk = court_server.CourtDesk(named, Bundles(way.court_store, way.custody), status, way.statements)
    await _serve(
        way, stack, "court", way.gateway.common, court_server,
        (court_pb2_grpc.add_MirrorServicer_to_server, court_server.Mirror(way.mirror)),
        (court_pb2_grpc.add_CourtDeskServicer_to_server, desk),
    )  # fmt: skip


async def _serve_custodian(way: WiredWay, stack: AsyncExitStack, trust: Any, random_bytes: Any) -> None:
    way.relay_link = GrpcRelayLink(await stack.enter_async_context(channel(way.lender.relay, way.lender.common.tls)))
    _wire_custodian(way, way.lender, trust, random_bytes, way.relay_link)
    status = CustodianStatus(
        way.origin, way.custodian_store, pushed=lambda: way.pusher.pushed_size,
        connected=lambda: way.disclosures.connected, problems=[lambda: way.disclosures.problem],
    )  # fmt: skip
    desk = custodian_server.CustodianDesk(way.deposits, way.anchoring, way.grants, status)
    await _serve(
        way, stack, "custodian", way.lender.common, custodian_server,
        (custodian_pb2_grpc.add_CustodianDeskServicer_to_server, desk),
    )  # fmt: skip
