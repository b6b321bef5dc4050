"""Wires and runs a custodian."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from relay.app.adapters import open_source, verifiers
from relay.app.components import custodian_needs
from relay.app.http import open_custodian_http
from relay.app.lists import ListsUsed
from relay.app.notices import open_publisher, publishing
from relay.app.ops import make_health, open_ops
from relay.app.overviews import Overviews, custodian_report
from relay.app.projection import open_projector
from relay.app.retention import RETENTION_ALLOW, RetentionServices, wire_retention
from relay.app.runtime import SystemClock, announce, backoff, random_bytes, until_signalled, workers
from relay.app.samples import sample_custodian
from relay.app.standing import await_standing
from relay.app.tracing import open_tracing
from relay.app.trust import only, use_trust
from relay.config.roles import CustodianConfig, read_custodian
from relay.core.note import VerifierKey
from relay.core.sealing import PRIVATE_KEY_BYTES, Kem, SealingPrivateKey
from relay.core.trust import TrustRoots
from relay.ports.ledgers import AnchorSource
from relay.private.references import read_secret
from relay.schemas import KindCatalogue, load_policy
from relay.services.custodian.anchoring import Anchoring, AnchorPolicy
from relay.services.custodian.custody import CustodyAnchor
from relay.services.custodian.deposit import Deposits
from relay.services.custodian.disclosure import Disclosures
from relay.services.custodian.grants import Grants
from relay.services.custodian.projection import Projector
from relay.services.custodian.pushing import Pusher, ReceiptCheck
from relay.services.custodian.seen import DossierSeen
from relay.services.custodian.status import CustodianStatus
from relay.services.custody_reading import CustodyReading
from relay.services.notices.publishing import Publisher
from relay.setup.signers import open_signer
from relay.store.custodian import SqliteCustodianStore
from relay.store.custody_rows import StoredCustodyRows
from relay.store.vault import Vault
from relay.transport.certificates import check_identity
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire.custodian_server import ALLOW, LONG_LIVED, CustodianDesk
from relay.wire.custody_server import ALLOW as CUSTODY_ALLOW
from relay.wire.custody_server import CustodyDesk
from relay.wire.operations_server import ALLOW as OPERATIONS_ALLOW
from relay.wire.operations_server import OperationsDesk
from relay.wire.relay_client import GrpcRelayLink
from relay.wire.v1 import custodian_pb2_grpc, custody_pb2_grpc

MASTER_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Services:
    """The custodian's services, wired."""

    deposits: Deposits
    anchoring: Anchoring
    pusher: Pusher
    receipts: ReceiptCheck
    grants: Grants
    disclosures: Disclosures
    custody: CustodyAnchor
    retention: RetentionServices

    def desk(self, status: CustodianStatus) -> CustodianDesk:
        """The lender's desk over these services."""
        return CustodianDesk(self.deposits, self.anchoring, self.grants, status)

    def status(
        self, origin: str, store: SqliteCustodianStore, projector: Projector | None, publisher: Publisher | None
    ) -> CustodianStatus:
        """What `status` says of these services."""
        asked = (
            self.anchoring,
            self.pusher,
            self.receipts,
            self.grants,
            self.disclosures,
            self.custody,
            self.retention.erasures,
            *(one for one in (projector, publisher) if one),
        )
        return CustodianStatus(
            origin,
            store,
            pushed=lambda: self.pusher.pushed_size,
            connected=lambda: self.disclosures.connected,
            problems=[partial(getattr, one, "problem") for one in asked],
        )

    def custody_desk(self, config: CustodianConfig, store: SqliteCustodianStore) -> CustodyDesk:
        """The custody desk; without a custody key it shows events and no head."""
        signer = open_signer(config.custody_key, "custody") if config.custody_key else None
        reading = CustodyReading(
            keeper=config.common.identity,
            rows=StoredCustodyRows.of(store),
            size=lambda: store.custody_size,
            files=store.custody_files,
            key=VerifierKey.ed25519(config.custody_origin, signer.public_key) if signer else None,
            signer=signer,
            ask_ledger=self.custody.ledger_word,
        )
        return CustodyDesk(reading, DossierSeen(store, reading))


def _receipts(
    config: CustodianConfig, store: SqliteCustodianStore, link: GrpcRelayLink, trust: TrustRoots, pusher: Pusher
) -> ReceiptCheck:
    return ReceiptCheck(
        store=store,
        relay=link,
        origin=config.origin,
        trust=trust,
        verifiers=verifiers(),
        clock=SystemClock(),
        pushed=pusher.pushed,
        backoff=backoff,
    )


def _wire(
    config: CustodianConfig, store: SqliteCustodianStore, vault: Vault, source: AnchorSource, link: GrpcRelayLink
) -> _Services:
    """Every service with its keys. Raises `Malformed` for a key file that cannot be used."""
    identity, clock = config.common.identity, SystemClock()
    trust, catalogue = use_trust(config.common.trust, config.common.data), KindCatalogue()
    record_key, log_signer = open_signer(config.record_key, "record"), open_signer(config.log_key, "log")
    log_key = VerifierKey.ed25519(config.origin, log_signer.public_key)
    deposits = Deposits(
        identity=identity,
        store=store,
        vault=vault,
        catalogue=catalogue,
        signer=record_key,
        clock=clock,
        random_bytes=random_bytes,
    )
    anchoring = Anchoring(
        store=store,
        source=source,
        log_key=log_key,
        signer=log_signer,
        policy=AnchorPolicy(interval_s=config.interval_s, count=config.count),
        grown=deposits.grown,
        backoff=backoff,
    )
    pusher = Pusher(store, link, anchoring.anchored, backoff)
    receipts = _receipts(config, store, link, trust, pusher)
    grants = Grants(
        identity=identity,
        origin=config.origin,
        store=store,
        relay=link,
        catalogue=catalogue,
        signer=open_signer(config.grant_key, "grant"),
        trust=trust,
        verifiers=verifiers(),
        clock=clock,
        random_bytes=random_bytes,
        backoff=backoff,
    )
    sealing = SealingPrivateKey(kem=Kem.MLKEM768_X25519, raw=read_secret(config.sealing_key, PRIVATE_KEY_BYTES))
    disclosures = Disclosures(
        identity=identity,
        origin=config.origin,
        store=store,
        vault=vault,
        relay=link,
        signer=record_key,
        sealing_key=sealing,
        trust=trust,
        clock=clock,
        random_bytes=random_bytes,
        backoff=backoff,
    )
    return _Services(
        deposits=deposits,
        anchoring=anchoring,
        pusher=pusher,
        receipts=receipts,
        grants=grants,
        disclosures=disclosures,
        custody=CustodyAnchor(store=store, source=source, origin=config.custody_origin, backoff=backoff),
        retention=wire_retention(
            config, store, vault, load_policy(config.retention, catalogue.names()), record_key, disclosures.quiet
        ),
    )


async def run_custodian(path: Path) -> None:
    """Serve until SIGTERM. Raises `Malformed` for a wrong configuration, `Conflict` when another process holds the data."""
    config = read_custodian(path)
    common = config.common
    check_identity(common.tls, common.identity)
    async with AsyncExitStack() as stack:
        await open_tracing(stack, "custodian", common)
        store = await SqliteCustodianStore.open(common.data, read_secret(config.master_key, MASTER_KEY_BYTES))
        stack.push_async_callback(store.close)
        source = await open_source(config.ledger)
        stack.push_async_callback(source.close)
        to_relay = await stack.enter_async_context(channel(config.relay, common.tls))
        vault = Vault(common.data / "vault")
        # keys, trust roots and mappings are looked at while the ledger may still be silent
        services = _wire(config, store, vault, source, GrpcRelayLink(to_relay))
        projector = await open_projector(stack, config.ledger, config.projections, store, services.deposits.grown)
        custody_desk = services.custody_desk(config, store)
        publisher = open_publisher(common, None)
        status = services.status(config.origin, store, projector, publisher)
        desk = services.desk(status)
        needs = custodian_needs(config, source=source, probe=store.probe, relay=to_relay, publisher=publisher)
        health = make_health("custodian", needs)
        overviews = Overviews(health, common, custodian_report(status))
        sample = partial(sample_custodian, store, config.origin, SystemClock().now_ms)
        health.begin("its logs are compared with its ledger before it serves")
        await open_ops(stack, health, common, sample, overviews.tell)
        await await_standing(path, config, store, source)  # nothing that could append runs before this has returned
        # not earlier: to a database that is older than its folder, newer payloads look like leftovers
        await asyncio.to_thread(vault.sweep, await store.known_blobs())
        port = await stack.enter_async_context(
            serving(
                [
                    lambda server: custodian_pb2_grpc.add_CustodianDeskServicer_to_server(desk, server),
                    lambda server: custody_pb2_grpc.add_CustodyDeskServicer_to_server(custody_desk, server),
                    services.retention.register,
                    OperationsDesk(overviews.tell).register,
                ],
                address=common.listen,
                tls=common.tls,
                allow={**ALLOW, **CUSTODY_ALLOW, **RETENTION_ALLOW, **OPERATIONS_ALLOW},
                long_lived=LONG_LIVED,
                may=only(common.operators),
                limits=common.limits,
                lists_used=ListsUsed(common.data),
                health=health,
            )
        )
        await open_custodian_http(stack, config, store)
        await health.begun()
        await stack.enter_async_context(
            workers(
                ("anchoring", services.anchoring.run()),
                ("keeping anchors", services.anchoring.keep()),
                ("pushing", services.pusher.run()),
                ("receipts", services.receipts.run()),
                ("grants", services.grants.run()),
                ("disclosures", services.disclosures.run()),
                ("custody", services.custody.run()),
                ("erasures", services.retention.erasures.run()),
                *([("projecting", projector.run())] if projector else []),
                *publishing(publisher, health),
            )
        )
        announce("custodian", f"{common.listen.rpartition(':')[0]}:{port}")
        await until_signalled()
        await health.stop()
