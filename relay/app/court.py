"""Wires and runs a court gateway."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from relay.app.adapters import open_court, verifiers
from relay.app.components import court_needs
from relay.app.court_retrieval import named_retrievals
from relay.app.court_time import statements, timestamps
from relay.app.http import open_court_http
from relay.app.lists import ListsUsed
from relay.app.notices import open_publisher, publishing
from relay.app.ops import make_health, open_ops
from relay.app.overviews import Overviews, court_report
from relay.app.runtime import SystemClock, announce, backoff, random_bytes, until_signalled, workers
from relay.app.samples import sample_court
from relay.app.tracing import open_tracing
from relay.app.trust import only, use_trust
from relay.config.roles import CourtConfig, read_court
from relay.core.errors import Malformed
from relay.core.note import VerifierKey
from relay.core.trust import TrustRoots
from relay.ports.common import Signer
from relay.ports.ledgers import CourtRegistry
from relay.services.court.custody import CustodyKeeper
from relay.services.court.fetching import Bundles
from relay.services.court.mirror import CourtMirror
from relay.services.court.once import NamedRetrievals
from relay.services.court.receipts import ReceiptReader
from relay.services.court.statements import Statements
from relay.services.court.status import CourtStatus
from relay.services.court.timestamps import Timestamps
from relay.services.custody_reading import CustodyReading
from relay.services.notices.publishing import Publisher
from relay.setup.signers import open_signer
from relay.store.court import SqliteCourtStore
from relay.store.custody_rows import StoredCustodyRows
from relay.transport.certificates import check_identity
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire.court_server import ALLOW, LONG_LIVED, CourtDesk, Mirror
from relay.wire.custody_server import ALLOW as CUSTODY_ALLOW
from relay.wire.custody_server import CustodyDesk
from relay.wire.notices_desk import ALLOW as NOTICES_ALLOW
from relay.wire.notices_desk import serve_notices
from relay.wire.operations_server import ALLOW as OPERATIONS_ALLOW
from relay.wire.operations_server import OperationsDesk
from relay.wire.relay_client import GrpcRetrievalLink
from relay.wire.v1 import court_pb2_grpc, custody_pb2_grpc

if TYPE_CHECKING:
    from relay.app.court_web import CourtWeb


async def _custody_desk(
    config: CourtConfig, store: SqliteCourtStore, custody: CustodyKeeper, signer: Signer
) -> CustodyDesk:
    """The court's own custody log, for its own people."""
    log = await store.custody_log()
    reading = CustodyReading(
        keeper=config.common.identity,
        rows=StoredCustodyRows.of(store),
        size=lambda: log.size,
        files=log.files,
        key=VerifierKey.ed25519(config.custody_origin, signer.public_key),
        signer=signer,
        ask_ledger=custody.ledger_word,
    )
    return CustodyDesk(reading, None)


def _receipts(
    identity: str,
    store: SqliteCourtStore,
    registry: CourtRegistry,
    trust: TrustRoots,
    mirror: CourtMirror,
    was_read: Callable[[], None],
) -> ReceiptReader:
    checking = (trust, verifiers())
    return ReceiptReader(identity, store, registry, *checking, mirror.cosigned, backoff, was_read, mirror.trace_of)


def _custody(config: CourtConfig, store: SqliteCourtStore, registry: CourtRegistry, signer: Signer) -> CustodyKeeper:
    return CustodyKeeper(
        identity=config.common.identity,
        store=store,
        registry=registry,
        key=VerifierKey.ed25519(config.custody_origin, signer.public_key),
        signer=signer,
        clock=SystemClock(),
        random_bytes=random_bytes,
        backoff=backoff,
    )


def _status(
    store: SqliteCourtStore,
    trust: TrustRoots,
    receipts: ReceiptReader,
    custody: CustodyKeeper,
    stamping: Timestamps,
    stating: Statements,
    publisher: Publisher | None,
) -> CourtStatus:
    problems = [
        lambda: receipts.problem,
        lambda: custody.problem,
        lambda: trust.why_stale(SystemClock().now_ms() // 1000),
        lambda: stamping.problem,
        lambda: stating.problem,
        lambda: publisher.problem if publisher else "",
    ]
    return CourtStatus(store, [log.origin for log in trust.logs], problems)


async def _pages(
    stack: AsyncExitStack,
    config: CourtConfig,
    store: SqliteCourtStore,
    trust: TrustRoots,
    registry: CourtRegistry,
    custody: CustodyKeeper,
    retrieval: NamedRetrievals,
    bundles: Bundles,
) -> CourtWeb | None:
    """The court's pages, where there are any."""
    if config.web is None:
        return None
    try:
        from relay.app.court_web import CourtParts, open_court_web
    except ImportError as error:
        raise Malformed("configuration", "web", f"needs the extra courtrelay[web]: {error}") from None
    parts = CourtParts(
        config=config,
        store=store,
        trust=trust,
        registry=registry,
        custody=custody,
        retrieval=retrieval,
        bundles=bundles,
    )
    return await open_court_web(stack, parts, config.web)


async def run_court(path: Path) -> None:
    """Serve until SIGTERM. Raises `Malformed` for a wrong configuration, `Conflict` when another process holds the data."""
    config = read_court(path)
    common = config.common
    check_identity(common.tls, common.identity)
    clock = SystemClock()
    witness, custody_signer = open_signer(config.witness_key, "witness"), open_signer(config.custody_key, "custody")
    async with AsyncExitStack() as stack:
        await open_tracing(stack, "court", common)
        store = await SqliteCourtStore.open(common.data, tells=common.mqtt is not None)
        publisher = open_publisher(common, store.notices)
        stack.push_async_callback(store.close)
        trust = use_trust(common.trust, common.data)  # the store's lock is held
        registry = await open_court(config.court_ledger.family, config.court_ledger.settings)
        stack.push_async_callback(registry.close)
        to_relay = await stack.enter_async_context(channel(config.relay, common.tls))
        link = GrpcRetrievalLink(to_relay)
        mirror = CourtMirror(
            store,
            trust,
            verifiers(),
            VerifierKey.cosigner(config.witness_name, witness.public_key),
            witness,
            clock,
        )
        stamping = timestamps(config, store, trust)
        receipts = _receipts(common.identity, store, registry, trust, mirror, stamping.wake)
        custody = _custody(config, store, registry, custody_signer)
        stating = statements(config, store, custody, trust)
        retrieval = named_retrievals(config, store, link, registry, custody, trust)
        stack.push_async_callback(retrieval.close)
        status = _status(store, trust, receipts, custody, stamping, stating, publisher)
        bundles = Bundles(store, custody)
        web = await _pages(stack, config, store, trust, registry, custody, retrieval, bundles)
        desk = CourtDesk(retrieval, bundles, status, stating, web)
        mirrored = Mirror(mirror)
        custody_desk = await _custody_desk(config, store, custody, custody_signer)
        needs = court_needs(
            config, registry=registry, store=store, probe=store.probe, relay=to_relay, publisher=publisher
        )
        health = make_health("court", needs)
        overviews = Overviews(health, common, court_report(status))
        port = await stack.enter_async_context(
            serving(
                [
                    lambda server: court_pb2_grpc.add_MirrorServicer_to_server(mirrored, server),
                    lambda server: court_pb2_grpc.add_CourtDeskServicer_to_server(desk, server),
                    lambda server: custody_pb2_grpc.add_CustodyDeskServicer_to_server(custody_desk, server),
                    OperationsDesk(overviews.tell).register,
                    partial(serve_notices, store.notices if publisher else None),
                ],
                address=common.listen,
                tls=common.tls,
                allow={**ALLOW, **CUSTODY_ALLOW, **OPERATIONS_ALLOW, **NOTICES_ALLOW},
                long_lived=LONG_LIVED,
                may=only(common.operators),
                limits=common.limits,
                lists_used=ListsUsed(common.data),
                health=health,
            )
        )
        await open_court_http(stack, config, store, trust)
        await open_ops(stack, health, common, sample_court, overviews.tell)
        jobs = [("receipts", receipts.run()), ("custody", custody.run()), *publishing(publisher, health)]
        jobs += [("timestamps", stamping.run()), ("statements", stating.run()), *(web.workers if web else ())]
        await stack.enter_async_context(workers(*jobs))
        announce("court", f"{common.listen.rpartition(':')[0]}:{port}")
        await until_signalled()
        await health.stop()
