"""Wires and runs a custodian."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from relay.app.adapters import load_adapter, verifiers
from relay.app.runtime import SystemClock, announce, backoff, random_bytes, until_signalled, workers
from relay.app.trust import only, read_trust
from relay.config.roles import read_custodian
from relay.core.note import VerifierKey
from relay.core.sealing import PRIVATE_KEY_BYTES, Kem, SealingPrivateKey
from relay.schemas import KindCatalogue
from relay.services.custodian.anchoring import Anchoring, AnchorPolicy
from relay.services.custodian.deposit import Deposits
from relay.services.custodian.disclosure import Disclosures
from relay.services.custodian.grants import Grants
from relay.services.custodian.pushing import Pusher, ReceiptCheck
from relay.services.custodian.status import CustodianStatus
from relay.setup.keys import load_signing_key, read_secret
from relay.store.custodian import SqliteCustodianStore
from relay.store.vault import Vault
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire.custodian_server import ALLOW, LONG_LIVED, CustodianDesk
from relay.wire.relay_client import GrpcRelayLink
from relay.wire.v1 import custodian_pb2_grpc

MASTER_KEY_BYTES = 32


async def run_custodian(path: Path) -> None:
    """Serve until SIGTERM. Raises `Malformed` for a wrong configuration, `Conflict` when another process holds the data."""
    config = read_custodian(path)
    common = config.common
    trust = read_trust(common.trust)
    clock = SystemClock()
    record_key, log_signer = load_signing_key(config.record_key), load_signing_key(config.log_key)
    grant_key = load_signing_key(config.grant_key)
    log_key = VerifierKey.ed25519(config.origin, log_signer.public_key)
    sealing = SealingPrivateKey(
        kem=Kem.MLKEM768_X25519, raw=read_secret(config.sealing_key, PRIVATE_KEY_BYTES)
    )
    async with AsyncExitStack() as stack:
        store = await SqliteCustodianStore.open(common.data, read_secret(config.master_key, MASTER_KEY_BYTES))
        stack.push_async_callback(store.close)
        vault = Vault(common.data / "vault")
        await asyncio.to_thread(vault.sweep, await store.known_blobs())
        source = await load_adapter(config.ledger.family).open_source(config.ledger.settings)
        stack.push_async_callback(source.close)
        link = GrpcRelayLink(await stack.enter_async_context(channel(config.relay, common.tls)))
        catalogue = KindCatalogue()
        deposits = Deposits(
            identity=common.identity,
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
        receipts = ReceiptCheck(
            store=store, relay=link, log_key=log_key, trust=trust, verifiers=verifiers(), clock=clock, backoff=backoff
        )
        grants = Grants(
            identity=common.identity,
            store=store,
            relay=link,
            catalogue=catalogue,
            signer=grant_key,
            trust=trust,
            verifiers=verifiers(),
            clock=clock,
            random_bytes=random_bytes,
            backoff=backoff,
        )
        disclosures = Disclosures(
            identity=common.identity,
            origin=config.origin,
            store=store,
            vault=vault,
            relay=link,
            signer=record_key,
            sealing_key=sealing,
            clock=clock,
            random_bytes=random_bytes,
            backoff=backoff,
        )
        asked = (anchoring, pusher, receipts, grants, disclosures)
        status = CustodianStatus(
            config.origin,
            store,
            pushed=lambda: pusher.pushed_size,
            connected=lambda: disclosures.connected,
            problems=[lambda one=one: one.problem for one in asked],  # type: ignore[misc]
        )
        desk = CustodianDesk(deposits, anchoring, grants, status)
        port = await stack.enter_async_context(
            serving(
                [lambda server: custodian_pb2_grpc.add_CustodianDeskServicer_to_server(desk, server)],
                address=common.listen,
                tls=common.tls,
                allow=ALLOW,
                long_lived=LONG_LIVED,
                may=only(common.operators),
            )
        )
        await stack.enter_async_context(
            workers(
                ("anchoring", anchoring.run()),
                ("pushing", pusher.run()),
                ("receipts", receipts.run()),
                ("grants", grants.run()),
                ("disclosures", disclosures.run()),
            )
        )
        announce("custodian", f"{common.listen.rpartition(':')[0]}:{port}")
        await until_signalled()
