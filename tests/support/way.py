"""The whole way in one event loop: real stores, real services, two real ledgers over mutual TLS; clock and randomness given.

Custodian, relay and court gateway call each other directly here instead of over gRPC, so that a test can freeze time, seed
randomness, and stand in the middle. The processes and their wire are tested in tests/processes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from adapters.embedded import node as embedded
from adapters.evm import node as evm
from relay.app.adapters import load_adapter, open_court, verifiers
from relay.app.relay import read_origins
from relay.app.trust import read_trust
from relay.config.roles import LedgerConfig, read_court, read_custodian, read_relay
from relay.core.errors import Unavailable
from relay.core.note import VerifierKey
from relay.core.sealing import Kem, SealingPrivateKey
from relay.ports.ledgers import AnchorSource, CourtRegistry
from relay.schemas import KindCatalogue
from relay.services.court.asking import RetrievalCommand
from relay.services.court.custody import CustodyKeeper
from relay.services.court.mirror import CourtMirror
from relay.services.court.receipts import ReceiptReader
from relay.services.court.retrieval import Done, Retrieval, Seen
from relay.services.court.statements import Statements
from relay.services.custodian.anchoring import Anchoring, AnchorPolicy
from relay.services.custodian.deposit import Deposits, StoredDossier
from relay.services.custodian.disclosure import Disclosures
from relay.services.custodian.grants import Grants
from relay.services.custodian.pushing import Pusher, ReceiptCheck
from relay.services.custodian.scopes import GrantCommand
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.route import Router
from relay.services.forwarding.watch import Watcher
from relay.setup.signers import open_signer
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore
from relay.store.relay import SqliteRelayStore
from relay.store.vault import Vault
from tests.support.frozen import SeededBytes, TestClock, no_waits, settle
from tests.support.links import DirectCourtLink, DirectRelayLink, DirectRetrievalLink


class Way:
    """Built by `open_way`. Members are the real services; tests use them directly."""

    home: Path
    clock: TestClock
    custodian_store: SqliteCustodianStore
    court_store: SqliteCourtStore
    relay_store: SqliteRelayStore
    deposits: Deposits
    anchoring: Anchoring
    pusher: Pusher
    receipt_check: ReceiptCheck
    grants: Grants
    disclosures: Disclosures
    retrieval: Retrieval
    custody: CustodyKeeper
    statements: Statements
    mirror: CourtMirror
    receipt_reader: ReceiptReader
    watcher: Watcher
    advancer: Advancer
    link: DirectRetrievalLink
    router: Router
    vault: Vault
    registry: Any
    source: Any
    origin: str
    court: str
    relay_link: DirectRelayLink
    relay_workers: list[asyncio.Task[None]]
    """The watcher and the advancer: a test may end them and start others on the same store."""

    async def deposit(self, reference: str, lines: Sequence[tuple[dict[str, Any], Sequence[bytes]]]) -> StoredDossier:
        """One dossier from (line, payload contents)."""
        intake = self.deposits.begin(reference)
        try:
            for number, (line, payloads) in enumerate(lines, 1):
                await intake.record(number, json.dumps({"dossier": reference, **line}).encode())
                for data in payloads:
                    await intake.payload(data, last=True)
        except BaseException:
            intake.discard()
            raise
        return await self.deposits.store(intake)

    async def forward(self) -> None:
        """Anchor, and bring everything to the court ledger and its receipts back."""
        await self.anchoring.now()
        size = self.custodian_store.size

        async def pushed() -> bool:
            counts = await self.custodian_store.counts()
            if counts.anchored_size < size:
                return False
            await self._push()
            await self.receipt_check.check()
            return (await self.custodian_store.counts()).confirmed_size == size

        await settle(pushed, "every checkpoint is confirmed")

        async def read() -> bool:
            return await self.receipt_reader.read() == 0

        await settle(read, "the court has read its receipts")

    async def _push(self) -> None:
        try:
            await self.pusher.push_all()
        except Unavailable:
            return

    async def grant(self, dossier: str, *, kinds: tuple[str, ...] = ("*",), uses: int = 3, days: int = 1) -> str:
        """A registered grant for one dossier."""
        now_s = self.clock.ms // 1000
        return await self.grants.issue(
            GrantCommand(
                court=self.court,
                case="Case 1",
                dossiers=(dossier,),
                kinds=kinds,
                mode="retrieve",
                purpose="filing",
                not_before_s=now_s,
                expires_s=now_s + days * 86_400,
                uses=uses,
            )
        )

    async def retrieve(self, grant: str) -> tuple[list[Seen], Done, bytes]:
        """Rows, the result, and the bundle's bytes."""
        seen: list[Seen] = []
        done: Done | None = None
        command = RetrievalCommand(grant=grant.encode(), dossier="", officer="judge-7", purpose="filing")
        async for event in self.retrieval.run(command):
            if isinstance(event, Seen):
                seen.append(event)
            elif isinstance(event, Done):
                done = event
        assert done is not None
        with await self.court_store.open_bundle(done.bundle_id) as file:
            return seen, done, file.read()


@asynccontextmanager
async def open_way(home: Path, *, now_ms: int, seed: str) -> AsyncIterator[Way]:
    """A home made by `relay.app.initialise`, with the custodian's request stream open and the relay's workers running."""
    way = Way()
    way.home, way.clock = home, TestClock(now_ms)
    random_bytes = SeededBytes(seed)
    lender, relay, court = (
        read_custodian(home / "custodian/config.toml"),
        read_relay(home / "relay/config.toml"),
        read_court(home / "court/config.toml"),
    )
    trust = read_trust(home / "trust.json")
    way.origin, way.court = lender.origin, court.common.identity
    async with AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []
        for role in ("lender-ledger", "court-ledger"):
            if (home / role / "config.toml").exists():  # a log needs no node
                tasks.append(await start_ledger(home / role / "config.toml", way.clock))
        way.source = await opened_source(lender.ledger)
        relay_source = await opened_source(relay.sources[0])
        relay_registry = await opened_court(relay.court_ledger)
        way.registry = await opened_court(court.court_ledger)
        for client in (way.source, relay_source, relay_registry, way.registry):
            stack.push_async_callback(client.close)
        way.relay_store = await SqliteRelayStore.open(relay.common.data)
        way.court_store = await SqliteCourtStore.open(court.common.data)
        way.custodian_store = await SqliteCustodianStore.open(lender.common.data, lender.master_key.read_bytes())
        for store in (way.relay_store, way.court_store, way.custodian_store):
            stack.push_async_callback(store.close)
        _wire_court(way, court, trust, random_bytes)
        origins = read_origins(relay)
        way.router = Router(relay_registry, way.clock)
        link = DirectRelayLink(
            lender.common.identity,
            LogIntake(way.relay_store, origins, {relay_source.ledger: relay_source}),
            Receipts(way.relay_store, origins, relay_registry),
            way.router,
        )
        _wire_custodian(way, lender, trust, random_bytes, link)
        way.relay_link = link
        way.link = DirectRetrievalLink(court.common.identity, way.router)
        way.retrieval = _retrieval(way, court, trust, random_bytes)
        way.watcher = Watcher(relay_source, way.relay_store, origins, sleep=asyncio.sleep, backoff=no_waits)
        way.advancer = Advancer(
            origins.room(way.origin),
            way.relay_store,
            {relay_source.ledger: relay_source},
            DirectCourtLink(way.mirror),
            relay_registry,
            sleep=asyncio.sleep,
            backoff=no_waits,
        )
        way.relay_workers = [asyncio.create_task(job) for job in (way.watcher.run(), way.advancer.run())]
        tasks += [*way.relay_workers, asyncio.create_task(way.disclosures.run())]
        await settle(lambda: way.disclosures.connected, "the custodian listens")
        try:
            yield way
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def opened_source(config: LedgerConfig) -> AnchorSource:
    """By whatever family is configured."""
    return await load_adapter(config.family).open_source(config.settings)


async def opened_court(config: LedgerConfig) -> CourtRegistry:
    """The same for a court's ledger."""
    return await open_court(config.family, config.settings)


async def start_ledger(path: Path, clock: TestClock) -> asyncio.Task[None]:
    ready, stopped = asyncio.Event(), asyncio.Event()
    evm_chain = 'family = "evm"' in path.read_text()
    run: Any = evm.run_node if evm_chain else partial(embedded.run_node, verifiers=verifiers())
    config: Any = evm.read_node_config(path) if evm_chain else embedded.read_node_config(path)
    node = run(config, now_ms=clock.now_ms, stopped=stopped, ready=lambda _l, _a: ready.set())
    task = asyncio.create_task(node)
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        await task
    return task


def _wire_court(way: Way, court: Any, trust: Any, random_bytes: Callable[[int], bytes]) -> None:
    witness, custody = open_signer(court.witness_key), open_signer(court.custody_key)
    way.mirror = CourtMirror(
        way.court_store, trust, verifiers(), VerifierKey.cosigner(court.witness_name, witness.public_key), witness,
        way.clock,
    )  # fmt: skip
    way.receipt_reader = ReceiptReader(
        court.common.identity, way.court_store, way.registry, trust, verifiers(), way.mirror.cosigned, no_waits
    )
    way.custody = CustodyKeeper(
        identity=court.common.identity,
        store=way.court_store,
        registry=way.registry,
        key=VerifierKey.ed25519(court.custody_origin, custody.public_key),
        signer=custody,
        clock=way.clock,
        random_bytes=random_bytes,
        backoff=no_waits,
    )
    way.statements = Statements(
        identity=court.common.identity,
        store=way.court_store,
        custody=way.custody,
        trust=trust,
        verifiers=verifiers(),
        clock=way.clock,
        backoff=no_waits,
    )


def _retrieval(way: Way, court: Any, trust: Any, random_bytes: Callable[[int], bytes]) -> Retrieval:
    return Retrieval(
        identity=court.common.identity,
        store=way.court_store,
        link=way.link,
        registry=way.registry,
        custody=way.custody,
        trust=trust,
        verifiers=verifiers(),
        request_keys=[open_signer(key) for key in court.request_keys],
        seal_key=open_signer(court.seal_key),
        clock=way.clock,
        random_bytes=random_bytes,
        backoff=no_waits,
    )


def _wire_custodian(way: Way, lender: Any, trust: Any, random_bytes: Callable[[int], bytes], link: Any) -> None:
    identity = lender.common.identity
    record, log = open_signer(lender.record_key), open_signer(lender.log_key)
    log_key = VerifierKey.ed25519(lender.origin, log.public_key)
    way.vault = Vault(lender.common.data / "vault")
    catalogue = KindCatalogue()
    way.deposits = Deposits(
        identity=identity, store=way.custodian_store, vault=way.vault, catalogue=catalogue, signer=record,
        clock=way.clock, random_bytes=random_bytes,
    )  # fmt: skip
    way.anchoring = Anchoring(
        store=way.custodian_store, source=way.source, log_key=log_key, signer=log,
        policy=AnchorPolicy(interval_s=1.0, count=1), grown=way.deposits.grown, backoff=no_waits,
    )  # fmt: skip
    way.pusher = Pusher(way.custodian_store, link, way.anchoring.anchored, no_waits)
    way.receipt_check = ReceiptCheck(
        store=way.custodian_store, relay=link, origin=lender.origin, trust=trust, verifiers=verifiers(), clock=way.clock,
        pushed=way.pusher.pushed, backoff=no_waits,
    )  # fmt: skip
    way.grants = Grants(
        identity=identity, origin=lender.origin, store=way.custodian_store, relay=link, catalogue=catalogue,
        signer=open_signer(lender.grant_key), trust=trust, verifiers=verifiers(), clock=way.clock,
        random_bytes=random_bytes, backoff=no_waits,
    )  # fmt: skip
    way.disclosures = Disclosures(
        identity=identity, origin=lender.origin, store=way.custodian_store, vault=way.vault, relay=link,
        signer=record,
        sealing_key=SealingPrivateKey(kem=Kem.MLKEM768_X25519, raw=lender.sealing_key.read_bytes()), trust=trust,
        clock=way.clock, random_bytes=random_bytes, backoff=no_waits,
    )  # fmt: skip
