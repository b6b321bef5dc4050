"""Wires and runs a relay."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from relay.app.adapters import open_court, open_source
from relay.app.components import relay_needs
from relay.app.http import open_relay_http
from relay.app.lists import ListsUsed
from relay.app.memory import open_memory
from relay.app.notices import open_publisher
from relay.app.ops import make_health, open_ops
from relay.app.overviews import Overviews, relay_report
from relay.app.relay_jobs import make_jobs
from relay.app.runtime import SystemClock, announce, until_signalled, workers
from relay.app.samples import sample_relay
from relay.app.tracing import open_tracing
from relay.app.trust import only, read_trust
from relay.config.roles import RelayConfig, read_relay
from relay.core.errors import Malformed
from relay.ports.ledgers import AnchorSource
from relay.services.forwarding.hands import Hands
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.rescan import Rescan
from relay.services.forwarding.route import Router
from relay.services.forwarding.status import RelayStatus
from relay.transport.certificates import check_identity
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire.court_client import GrpcCourtLink
from relay.wire.notices_desk import ALLOW as NOTICES_ALLOW
from relay.wire.notices_desk import serve_notices
from relay.wire.operations_server import ALLOW as OPERATIONS_ALLOW
from relay.wire.operations_server import OperationsDesk
from relay.wire.relay_admin import RelayAdmin
from relay.wire.relay_server import ALLOW, LONG_LIVED, CourtPort, CustodianPort
from relay.wire.v1 import relay_pb2_grpc


def read_origins(config: RelayConfig) -> Origins:
    """The origins served, each with its keys of every period. Raises `Malformed` when the trust roots pin no key of one."""
    trust = read_trust(config.common.trust)
    served = {}
    for one in config.origins:
        keys = tuple(key for key in trust.pinned_keys if key.use == "log" and key.name == one.origin)
        if not keys:
            raise Malformed(
                str(config.common.trust), "keys", f"no log key of {one.origin} is pinned, which this relay serves"
            )
        served[one.origin] = OriginConfig(origin=one.origin, custodian=one.custodian, log_keys=keys, ledger=one.ledger)
    return Origins(served)


async def run_relay(path: Path) -> None:
    """Serve until SIGTERM. Raises `Malformed` for a wrong configuration, `Conflict` when another process holds the data."""
    config = read_relay(path)
    common = config.common
    check_identity(common.tls, common.identity)
    origins = read_origins(config)
    async with AsyncExitStack() as stack:
        await open_tracing(stack, "relay", common)
        memory = await open_memory(config)
        store = memory.store
        stack.push_async_callback(memory.close)
        sources: dict[str, AnchorSource] = {}
        for one in config.sources:
            source = await open_source(one)
            stack.push_async_callback(source.close)
            sources[source.ledger] = source
        registry = await open_court(config.court_ledger.family, config.court_ledger.settings)
        stack.push_async_callback(registry.close)
        to_court = await stack.enter_async_context(channel(config.court, common.tls))
        court = GrpcCourtLink(to_court)
        publisher = open_publisher(common, memory.notices, [one.origin for one in config.origins])
        jobs = make_jobs(memory, origins, sources, court, registry, config.leap, publisher)
        router = Router(registry, SystemClock())
        custodians = CustodianPort(LogIntake(store, origins, sources), Receipts(store, origins, registry), router)
        courts = CourtPort(router)
        rescans = [Rescan(source, store, origins, sleep=asyncio.sleep) for source in sources.values()]
        status = RelayStatus(store, origins, router, jobs.watchers, jobs.advancers, jobs.sharing, publisher)
        admin = RelayAdmin(status, Hands(store, origins, rescans))
        needs = relay_needs(
            config,
            sources=sources,
            registry=registry,
            store=store,
            probe=memory.probe,
            court=to_court,
            connected=lambda: router.connected,
            publisher=publisher,
        )
        health = make_health("relay", needs)
        overviews = Overviews(health, common, relay_report(status, store, origins, sources))
        port = await stack.enter_async_context(
            serving(
                [
                    lambda server: relay_pb2_grpc.add_CustodianPortServicer_to_server(custodians, server),
                    lambda server: relay_pb2_grpc.add_CourtPortServicer_to_server(courts, server),
                    lambda server: relay_pb2_grpc.add_RelayAdminServicer_to_server(admin, server),
                    OperationsDesk(overviews.tell).register,
                    partial(serve_notices, memory.notices if publisher else None),
                ],
                address=common.listen,
                tls=common.tls,
                allow={**ALLOW, **OPERATIONS_ALLOW, **NOTICES_ALLOW},
                long_lived=LONG_LIVED,
                may=only(common.operators),
                limits=common.limits,
                lists_used=ListsUsed(common.data),
                health=health,
            )
        )
        await open_relay_http(stack, config, store)
        sample = partial(sample_relay, store, origins, jobs.watchers, registry.ledger)
        await open_ops(stack, health, common, sample, overviews.tell)
        if publisher is not None:
            publisher.watch(health)
        await stack.enter_async_context(workers(*jobs.start()))
        announce("relay", f"{common.listen.rpartition(':')[0]}:{port}")
        await until_signalled()
        await health.stop()
