"""A world: lenders on their ledgers, a relay, a court gateway and the court's ledger, joined by lines that fail."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relay.core.limits import TRUST_LIFETIME_S_MAX
from relay.core.note import VerifierKey
from relay.core.trust import CourtRoot, LedgerRoot, LogRoot, TrustedKey, TrustRoots, Validator
from relay.services.backoff import delays
from relay.services.court.mirror import CourtMirror
from relay.services.court.receipts import ReceiptReader
from relay.services.custodian.pushing import Pusher, ReceiptCheck
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.hands import Hands
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.rescan import Rescan
from relay.services.forwarding.watch import Watcher
from relay.store import court as court_store
from relay.store import relay_schema
from relay.store.court import SqliteCourtStore
from relay.store.relay import SqliteRelayStore
from tests.simulation.chain import FORGOTTEN_BEFORE_MS, LenderChain, SourceClient
from tests.simulation.court_chain import CourtChain, CourtClient
from tests.simulation.dice import Dice
from tests.simulation.disk import Disk, InlineDatabase, SimPack
from tests.simulation.lender import FORKS, HONEST, WITHHOLDS, WRONG_ENTRIES, Lender, RelayLine, private_key
from tests.simulation.loop import VirtualLoop
from tests.simulation.mirror_line import MirrorLine
from tests.simulation.network import Link, Net
from tests.simulation.process import Machine, Process
from tests.simulation.proofs import KIND, verify_proof

NEWEST_FIRST = 2
"""So that waiting checkpoints are often pushed out of their order."""
COURT = "spiffe://court.example/court"
COURT_LEDGER = "court-ledger"
WITNESS = "court.example/witness"
FOREVER_MS = 4_000_000_000_000
CHARACTERS = (HONEST, HONEST, HONEST, FORKS, WRONG_ENTRIES, WITHHOLDS)


class SimClock:
    """relay.ports.Clock: virtual time with an error that faults change."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset_ms = 0

    def now_ms(self) -> int:
        return FORGOTTEN_BEFORE_MS + int(self._loop.time() * 1000) + self.offset_ms


class Always(Process):
    """A custodian's process: it does not die here, its durable book is in memory."""

    def __init__(self) -> None:
        self.alive = True

    def point(self, name: str) -> None:
        pass


class World:
    """Everything by name; `start` sets it going, the run decides what happens to it."""

    def __init__(self, loop: VirtualLoop, dice: Dice, characters: tuple[str, ...], *, chains: int = 2) -> None:
        self.loop = loop
        self.dice = dice
        self.clock = SimClock(loop)
        self.chains = [LenderChain(f"lender-ledger-{n}", dice) for n in range(chains)]
        self.lenders = [
            Lender(
                f"lender-{n}.example/log", f"spiffe://lender-{n}.example/custodian", self.chains[n % chains], character
            )
            for n, character in enumerate(characters)
        ]
        self.links: dict[str, Link] = {}
        self._witness = private_key("witness")
        self.witness = VerifierKey.cosigner(WITNESS, self._witness.public_key().public_bytes_raw())
        self.trust = self._trust()
        self.court_chain = CourtChain(COURT_LEDGER, dice, self.witness, {le.origin: le.chain for le in self.lenders})
        self.relay = Machine("relay", dice, Disk(), self._boot_relay)
        self.court = Machine("court", dice, Disk(), self._boot_court)
        self.verifiers = {KIND: verify_proof}
        self.tasks: list[asyncio.Task[Any]] = []
        self.failures = self.relay.failures

    def link(self, name: str) -> Link:
        """The line of that name."""
        return self.links.setdefault(name, Link())

    def backoff(self) -> Iterator[float]:
        """As in production: 50 ms growing to 5 s."""
        return delays(0.05, 5.0, self.dice.random.random)

    def start(self) -> None:
        """Machines and custodians."""
        self.court.failures = self.failures
        for machine in (self.court, self.relay):
            self.spawn(machine.run())
        for lender in self.lenders:
            self._start_custodian(lender)

    def spawn(self, work: Any) -> None:
        """A part of the world that ends with it."""
        self.tasks.append(self.loop.create_task(work))

    async def stop(self) -> None:
        """The end of the world."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for machine in (self.relay, self.court):
            if machine.process is not None:
                machine.process.die("the end")
                await machine.process.wait_and_clear()

    async def _relay_store(self, process: Process) -> SqliteRelayStore:
        database = InlineDatabase(
            process, process.disk.connection(relay_schema.APPLICATION, relay_schema.MIGRATIONS), self.dice.maybe
        )
        return SqliteRelayStore(database, Path("relay"), lambda path: SimPack(path, process))  # type: ignore[arg-type, return-value]

    async def _court_store(self, process: Process) -> SqliteCourtStore:
        database = InlineDatabase(
            process, process.disk.connection(court_store.APPLICATION, [court_store.SCHEMA]), self.dice.maybe
        )
        return SqliteCourtStore(database, Path("court"), lambda path: SimPack(path, process))  # type: ignore[arg-type, return-value]

    async def _boot_relay(self, process: Process) -> None:
        process.point("boot")
        store = await self._relay_store(process)
        origins = Origins(
            {le.origin: OriginConfig(origin=le.origin, custodian=le.custodian, ledger=le.chain.ledger,
                log_keys=tuple(k for k in self.trust.pinned_keys if k.use == "log" and k.name == le.origin))
             for le in self.lenders}
        )  # fmt: skip
        sources: dict[str, Any] = {
            c.ledger: SourceClient(Net(process, self.dice, self.link(f"relay-{c.ledger}")), c) for c in self.chains
        }
        registry: Any = CourtClient(Net(process, self.dice, self.link("relay-court ledger")), self.court_chain)
        court: Any = MirrorLine(self.court, Net(process, self.dice, self.link("relay-court")))
        rescans = [Rescan(source, store, origins, sleep=asyncio.sleep) for source in sources.values()]
        process.parts = {
            "store": store, "intake": LogIntake(store, origins, sources), "receipts": Receipts(store, origins, registry),
            "hands": Hands(store, origins, rescans), "rescans": rescans,
        }  # fmt: skip
        for lender in self.lenders:
            held = (await store.log(lender.origin)).size
            if held < lender.durable_at_relay:
                self.failures.append(
                    f"{lender.origin}: {lender.durable_at_relay} entries were acknowledged, {held} are held"
                )
        for source in sources.values():
            process.run(Watcher(source, store, origins, sleep=asyncio.sleep, backoff=self.backoff).run())
        for rescan in rescans:
            process.run(rescan.run())
        for room in origins:
            advancer = Advancer(room, store, sources, court, registry, sleep=asyncio.sleep, backoff=self.backoff)
            process.run(advancer.run())

    async def _boot_court(self, process: Process) -> None:
        process.point("boot")
        store = await self._court_store(process)
        mirror = CourtMirror(store, self.trust, self.verifiers, self.witness, _Signer(self._witness), self.clock)
        registry: Any = CourtClient(Net(process, self.dice, self.link("court-court ledger")), self.court_chain)
        reader = ReceiptReader(COURT, store, registry, self.trust, self.verifiers, mirror.cosigned, self.backoff)
        process.parts = {"mirror": mirror, "store": store}
        process.run(reader.run())

    def _start_custodian(self, lender: Lender) -> None:
        line: Any = RelayLine(lender, self.relay, Net(Always(), self.dice, self.link(f"{lender.origin}-relay")))
        store: Any = lender
        pusher = Pusher(store, line, lender.anchored, self.backoff, many=NEWEST_FIRST)
        check = ReceiptCheck(
            store=store, relay=line, origin=lender.origin, trust=self.trust, verifiers=self.verifiers,
            clock=self.clock, pushed=pusher.pushed, backoff=self.backoff,
        )  # fmt: skip
        self.spawn(pusher.run())
        self.spawn(check.run())

    def _trust(self) -> TrustRoots:
        validator = Validator(
            name="validator", public_key=private_key("validator").public_key().public_bytes_raw(),
            valid_from_ms=0, valid_to_ms=FOREVER_MS,
        )  # fmt: skip
        keys = [
            TrustedKey(
                use="log", party=le.custodian, name=le.origin, public_key=le.verifier.public_key,
                valid_from_ms=0, valid_to_ms=FOREVER_MS,
            )
            for le in self.lenders
        ]  # fmt: skip
        keys.append(
            TrustedKey(
                use="witness", party=COURT, name=WITNESS, public_key=self.witness.public_key,
                valid_from_ms=0, valid_to_ms=FOREVER_MS,
            )
        )  # fmt: skip
        ledgers = [*(chain.ledger for chain in self.chains), COURT_LEDGER]
        return TrustRoots(
            version=1,
            issued_at_s=0,
            expires_at_s=TRUST_LIFETIME_S_MAX,
            pinned_keys=tuple(keys),
            logs=tuple(LogRoot(origin=le.origin, party=le.custodian, ledger=le.chain.ledger) for le in self.lenders),
            ledgers=tuple(LedgerRoot(ledger=name, kind=KIND, threshold=1, validators=(validator,)) for name in ledgers),
            courts=(CourtRoot(party=COURT, ledger=COURT_LEDGER),),
            witness_quorum=1,
        )


class _Signer:
    def __init__(self, key: Any) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See relay.ports.Signer."""
        return bytes(self._key.sign(message))


def choose_characters(seed: int) -> tuple[str, ...]:
    """Two to four lenders, the first honest."""
    dice = random.Random(seed)
    return (HONEST, *itertools.islice(iter(lambda: dice.choice(CHARACTERS), None), dice.randrange(1, 4)))
