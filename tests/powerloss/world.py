"""A world in which one machine stands on a disk whose power may go, and which remembers everything that machine has answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.custody import custody_entry
from relay.core.errors import Conflict, RelayError
from relay.core.merkle import verify_consistency
from relay.core.note import VerifierKey
from relay.durable.errors import StorageFailed
from relay.ports.forwarding import CourtState
from relay.ports.ledgers import Receipt
from relay.services.court.custody import CustodyKeeper
from relay.store.court import SqliteCourtStore
from relay.store.relay import SqliteRelayStore
from tests.powerloss.disk import PowerDisk
from tests.powerloss.system import path_of
from tests.simulation.dice import NoDice
from tests.simulation.lender import HONEST, private_key
from tests.simulation.loop import VirtualLoop
from tests.simulation.process import Crash, Process
from tests.simulation.world import COURT, World, _Signer

CUSTODY_ORIGIN = "court.example/custody"
CUSTODY_EVENTS = 3


class Promises:
    """The court's mirror as its callers see it; what it answers is kept."""

    def __init__(self, mirror: Any) -> None:
        self.mirror = mirror
        self.durable = 0
        self.notes: dict[int, bytes] = {}

    def keep(self, state: CourtState) -> CourtState:
        self.durable = max(self.durable, state.next_index)
        if state.cosigned:
            self.notes[state.size] = state.cosigned
        return state

    async def latest(self, origin: str) -> CourtState:
        return self.keep(await self.mirror.latest(origin))

    async def add_checkpoint(self, *given: Any) -> CourtState:
        return self.keep(await self.mirror.add_checkpoint(*given))

    async def add_entries(self, origin: str, size: int, groups: Any, *given: Any) -> AsyncIterator[CourtState]:
        async for state in self.mirror.add_entries(origin, size, groups, *given):
            yield self.keep(state)


class CustodyLedger:
    """Where the court's custody heads stand: each must extend the one before it, for ever."""

    def __init__(self) -> None:
        self.heads: list[Checkpoint] = []
        self.violations: list[str] = []

    async def latest(self, origin: str) -> Receipt | None:
        if not self.heads:
            return None
        last, height = self.heads[-1], len(self.heads)
        return Receipt(
            ledger="court", origin=origin, size=last.size, root=last.root, height=height, tx_id=b"", time_ms=height
        )

    async def append_custody_head(self, note: bytes, old: int, consistency: Sequence[bytes]) -> bytes:
        head, _ = parse_checkpoint(note)
        size = self.heads[-1].size if self.heads else 0
        if old != size:
            raise Conflict(f"size {size} stands here, not {old}")
        try:
            if size:
                verify_consistency(size, head.size, list(consistency), self.heads[-1].root, head.root)
        except RelayError as error:
            self.violations.append(f"a custody head does not extend the one on the ledger: {error}")
        self.heads.append(head)
        return b""


class PowerWorld(World):
    """One honest lender; the machine of that name has the disk."""

    def __init__(self, loop: VirtualLoop, machine: str, disk: PowerDisk) -> None:
        super().__init__(loop, NoDice(), (HONEST,), chains=1)
        getattr(self, machine).disk = disk
        self.disk = disk
        self.lender = self.lenders[0]
        self.promises = Promises(None)
        self.custody_ledger = CustodyLedger()
        self.noted: dict[int, bytes] = {}
        self._salts = 0

    async def _relay_store(self, process: Process) -> SqliteRelayStore:
        if process.disk is not self.disk:
            return await super()._relay_store(process)
        life = self.disk.life(process.die)
        store = await SqliteRelayStore.open(path_of(life, "relay"))
        self._check_file(life.connections)
        log = await store.log(self.lender.origin)
        self._expect(
            log.files.entries(0, log.size) == self.lender.files.entries(0, log.size), "the relay's entries are others"
        )
        held = {c.receipt.size for c in await store.confirmations(self.lender.origin, 0, 100)}
        self._expect(
            set(self.lender.receipts) <= held,
            f"receipts of {set(self.lender.receipts)} were handed out, {held} are held",
        )
        return store

    async def _court_store(self, process: Process) -> SqliteCourtStore:
        if process.disk is not self.disk:
            return await super()._court_store(process)
        life = self.disk.life(process.die)
        store = await SqliteCourtStore.open(path_of(life, "court"))
        self._check_file(life.connections)
        log, given = await store.log(self.lender.origin), self.promises
        self._expect(log.size >= given.durable, f"{given.durable} entries were acknowledged, {log.size} are held")
        self._expect(
            log.files.entries(0, log.size) == self.lender.files.entries(0, log.size), "the court's entries are others"
        )
        (connection,) = life.connections.values()
        notes = dict(connection.execute("SELECT size, cosigned FROM checkpoint").fetchall())
        self._expect(
            given.notes.items() <= notes.items(), f"of the cosignatures {set(given.notes)} some are gone or others"
        )
        custody = await store.custody_log()
        events = dict(connection.execute("SELECT position, event FROM custody_event").fetchall())
        self._expect(self.noted.items() <= events.items(), "an answered custody event is gone or another")
        whole = [custody_entry(events[position]) for position in sorted(events)]
        self._expect(
            sorted(events) == list(range(custody.size)) and custody.files.entries(0, custody.size) == whole,
            "custody events and their log differ",
        )
        return store

    def _check_file(self, connections: Any) -> None:
        (connection,) = connections.values()
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        self._expect(found == "ok", f"the file is damaged: {found}")

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.failures.append(what)

    async def _boot_court(self, process: Process) -> None:
        await super()._boot_court(process)
        self.promises.mirror = process.parts["mirror"]
        signer = _Signer(private_key("custody"))
        process.parts["mirror"] = self.promises
        process.parts["custody"] = CustodyKeeper(
            identity=f"{COURT}/gateway", store=process.parts["store"], registry=self.custody_ledger,  # type: ignore[arg-type]
            key=VerifierKey.ed25519(CUSTODY_ORIGIN, signer.public_key), signer=signer, clock=self.clock,
            random_bytes=self._salt, backoff=self.backoff,
        )  # fmt: skip

    def _salt(self, length: int) -> bytes:
        self._salts += 1
        return self._salts.to_bytes(length, "big")

    async def desk(self) -> None:
        """A court officer whose acts are noted, each until it has been answered, and their head put on the ledger."""
        for number in range(CUSTODY_EVENTS):
            while not await self._noted(number):
                await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)

    async def _noted(self, number: int) -> bool:
        process = self.court.up()
        if process is None:
            return False
        custody = process.parts["custody"]
        try:
            event, index = await custody.note("request", {"grant": f"{number:064x}"}, "begun", "")
            self._expect(index not in self.noted, f"custody index {index} was given twice")
            self.noted[index] = event
            await custody.publish()
        except (Crash, StorageFailed):
            return False
        return True
