"""The whole way on two real chains, with a hand on the lender's chain: blocks, reorganisations, a relay that starts again.

The lender's chain is final below FINALITY blocks; the court's at once, for it is not what is reorganised here. Both make a block for
every transaction and none without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from adapters.evm.chain import Event
from adapters.evm.events import TOPICS
from adapters.evm.rpc import HttpRpc
from adapters.evm.values import hexed
from relay.app.evm_homes import CHAIN_IDS, CHAIN_PORTS
from relay.app.initialise import initialise
from relay.app.ledger_homes import COURT_ROLE, LENDER_ROLE
from relay.app.relay import read_origins
from relay.app.trust import read_trust
from relay.config.roles import read_relay
from relay.core.errors import RelayError
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Item
from relay.services.forwarding import watch
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.watch import Watcher
from relay.store.relay import SqliteRelayStore
from tests.support.frozen import no_waits, settle
from tests.support.lines import small_dossier
from tests.support.links import DirectCourtLink
from tests.support.way import Way, open_way, opened_court, opened_source

FINALITY: Final = 3
GROUND: Final = 2 * FINALITY + 4
"""Empty blocks above the contract before anything happens, so that no reorganisation reaches it."""
HEAD_POLL_S: Final = 0.02
OTHER: Final = "lender.courtrelay.example/log/2"
"""A second log on the same ledger, of the same keys."""


@dataclass
class Relay:
    """What a relay process has in memory."""

    store: SqliteRelayStore
    watcher: Watcher
    advancer: Advancer
    workers: list[asyncio.Task[None]]
    clients: list[Any]

    async def stop(self) -> None:
        """End it as a stopped process ends."""
        for worker in self.workers:
            worker.cancel()
        await asyncio.gather(*self.workers, return_exceptions=True)
        for client in self.clients:
            await client.close()
        await self.store.close()


class Whole:
    """An open way and its chains."""

    def __init__(self, way: Way, lender: HttpRpc, court: HttpRpc) -> None:
        self.way, self.lender, self.court = way, lender, court
        self.relay: Relay | None = None
        self.deposits = 0

    async def restart_relay(self, store: Callable[[SqliteRelayStore], Any] | None = None) -> Relay:
        """Another process on the same disk. `store` wraps what the advancer writes to."""
        if self.relay is None:
            for worker in self.way.relay_workers:
                worker.cancel()
            await asyncio.gather(*self.way.relay_workers, return_exceptions=True)
            await self.way.relay_store.close()
        else:
            await self.relay.stop()
        config = read_relay(self.way.home / "relay/config.toml")
        source, registry = await opened_source(config.sources[0]), await opened_court(config.court_ledger)
        memory = await SqliteRelayStore.open(config.common.data)
        origins = read_origins(config)
        sources = {source.ledger: source}
        watcher = Watcher(source, memory, origins, sleep=asyncio.sleep, backoff=no_waits)
        court = DirectCourtLink(self.way.mirror)
        advancer, other = (
            Advancer(
                origins.room(origin),
                memory if store is None else store(memory),
                sources,
                court,
                registry,
                sleep=asyncio.sleep,
                backoff=no_waits,
            )
            for origin in (self.way.origin, OTHER)
        )
        self.way.relay_link._intake = LogIntake(memory, origins, sources)
        self.way.relay_link._receipts = Receipts(memory, origins, registry)
        self.way.relay_store, self.way.watcher, self.way.advancer = memory, watcher, advancer
        workers = [asyncio.create_task(job) for job in (watcher.run(), advancer.run(), other.run())]
        self.relay = Relay(memory, watcher, advancer, workers, [source, registry])
        return self.relay

    async def deposit(self, lines: int = 1) -> None:
        self.deposits += 1
        await self.way.deposit(f"R-{self.deposits}", small_dossier(lines))

    async def height(self) -> int:
        return int(await self.lender.call("eth_blockNumber"), 16)  # type: ignore[call-overload, no-any-return]

    async def mine(self, count: int = 1) -> None:
        await self.lender.call("anvil_mine", hex(count))

    async def reorganise(self, depth: int, again: Sequence[tuple[str, int]] = ()) -> None:
        """As many other blocks in place of the last `depth`; `again`: raw transactions and in which of them they come back."""
        await self.lender.call("anvil_reorg", depth, [list(one) for one in again])

    async def caught_up(self) -> None:
        """The relay has recorded the chain as it is, a block later: what replaces a block it had read last shows when the chain grows."""
        await self.mine()

        async def so() -> bool:
            head = await self.way.source.head()
            cursor = await self.way.relay_store.cursor(head_ledger)
            return (cursor.height, cursor.block_hash) == (head.height, head.block_hash)

        head_ledger = self.way.source.ledger
        try:
            await settle(so, "the relay has the chain")
        except AssertionError as error:
            error.add_note(await self.told())
            raise

    async def push(self) -> None:
        """One try; a relay that does not see the anchor (yet) refuses."""
        try:
            await self.way.pusher.push_all()
        except RelayError:
            self.way.pusher.connected = False  # as its worker does

    async def item(self, size: int) -> Item | None:
        return await self.way.relay_store.find_item(self.way.origin, size)

    async def becomes(self, size: int, state: ItemState) -> None:
        async def so() -> bool:
            item = await self.item(size)
            return item is not None and item.state is state

        await settle(so, f"the item of size {size} is {state.value}")

    async def come_through(self) -> None:
        """Nothing disturbs any more: blocks come, the custodian looks again and pushes, until all has its receipt."""
        size = self.way.custodian_store.size
        await self.way.anchoring.now()

        async def so() -> bool:
            await self.way.anchoring.look_again()
            await self.mine()
            await self.push()
            await self.way.receipt_check.check()
            return (await self.way.custodian_store.counts()).confirmed_size == size

        try:
            await settle(so, f"the receipt of size {size} is here")
        except AssertionError as error:
            error.add_note(await self.told())
            raise

    async def told(self) -> str:
        """What the relay says of itself."""
        store = self.way.relay_store
        items = await store.items(list(ItemState), self.way.origin, 1000)
        rows = [f"{one.anchor.size} {one.state.value} in block {one.anchor.height} {one.reason}" for one in items]
        cursor, head = await store.cursor(self.way.source.ledger), await self.way.source.head()
        rows += [f"cursor {cursor.height} {cursor.block_hash.hex()}", f"head {head.height} {head.block_hash.hex()}"]
        rows += [f"halted: {await store.halted(self.way.origin)}", f"advancer: {self.way.advancer.problem}"]
        rows += [f"watcher: {self.way.watcher.problem}, final {self.way.watcher.final_height}"]
        notes = [one.anchor.size for one in items if await store.checkpoint(self.way.origin, one.anchor.size)]
        held = (await store.log(self.way.origin)).size
        waiting = [one.size for one in await self.way.custodian_store.unconfirmed()]
        rows += [
            f"relay: {held} entries, notes of {notes}; custodian: pushed {self.way.pusher.pushed_size}, waiting {waiting}"
        ]
        return "\n".join(rows)

    async def accepted(self, origin: str = "") -> list[Event]:
        """Every acceptance of an origin (the way's own) that stands on the court's chain, read from the chain itself."""
        chain = self.way.registry._opened.chain
        newest = await chain.newest()
        _, events = await chain.range(1, newest.height, (TOPICS["CheckpointAccepted"],))
        return [event for event in events if event.fact["origin"] == (origin or self.way.origin)]

    async def check(self) -> None:
        """Nothing lost, nothing doubled, nothing but the log's own roots."""
        store = self.way.custodian_store
        counts = await store.counts()
        assert counts.confirmed_size == store.size, (
            f"lost: {counts.confirmed_size} of {store.size} entries are confirmed"
        )
        facts = [event.fact for event in await self.accepted()]
        sizes = [int(fact["size"]) for fact in facts]
        assert sizes == sorted(set(sizes)), f"doubled or out of order: {sizes}"
        assert sizes
        assert sizes[-1] == store.size
        wrong = [fact["size"] for fact in facts if fact["root"] != store.files.root(int(fact["size"])).hex()]
        assert not wrong, f"not the log's root at {wrong}"
        assert await self.way.relay_store.halted(self.way.origin) == ""


def make_home(folder: Path) -> dict[str, int]:
    """Two attesters a chain; finality and blocks as this module says. The ports."""
    made = initialise(folder, base_port=0, validators=2, threshold=2, ledger="evm")
    at_once = {LENDER_ROLE: FINALITY, COURT_ROLE: 0}
    for path in folder.glob("*/config.toml"):
        lines, ledger = [], ""
        for line in path.read_text().splitlines():
            if line.startswith("ledger = "):
                ledger = COURT_ROLE if "court" in line else LENDER_ROLE
            if line.startswith("finality = "):
                line = f"finality = {at_once[ledger]}"
            if line.startswith("block_time_s = "):
                line = "block_time_s = 0"
            lines.append(line)
        path.write_text("\n".join(lines) + "\n")
    _add_other(folder)
    return dict(made.ports)


def _add_other(folder: Path) -> None:
    trust = read_trust(folder / "trust.json")
    (log,) = trust.logs
    keys = [replace(key, name=OTHER) for key in trust.pinned_keys if key.use == "log"]
    trust = replace(trust, logs=(log, replace(log, origin=OTHER)), pinned_keys=(*trust.pinned_keys, *keys))
    (folder / "trust.json").write_bytes(trust.to_json())
    config = folder / "relay/config.toml"
    head, served, rest = config.read_text().partition("[[origins]]")
    config.write_text(f"{head}{served}{rest}\n{served}{rest.replace(log.origin, OTHER)}")


@asynccontextmanager
async def open_whole(folder: Path, seed: str, monkeypatch: Any) -> AsyncIterator[Whole]:
    """A fresh home; the lender's chain has ground under it."""
    monkeypatch.setattr(watch, "HEAD_POLL_S", HEAD_POLL_S)
    ports = make_home(folder / "home")
    rpcs = [HttpRpc(f"http://127.0.0.1:{ports[CHAIN_PORTS[r]]}", CHAIN_IDS[r]) for r in (LENDER_ROLE, COURT_ROLE)]
    try:
        async with open_way(folder / "home", now_ms=time.time_ns() // 1_000_000, seed=seed) as way:
            whole = Whole(way, *rpcs)
            await whole.mine(GROUND)
            try:
                yield whole
            finally:
                if whole.relay is not None:
                    await whole.relay.stop()
    finally:
        for rpc in rpcs:
            await rpc.close()


async def raw_transaction(rpc: HttpRpc, tx_id: bytes) -> str:
    """As it was sent, so that it may be put into another block."""
    return str(await rpc.call("eth_getRawTransactionByHash", hexed(tx_id)))
