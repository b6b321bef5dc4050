"""A relay on a tiled log: items from its checkpoints, and a log that equivocates halts its origin with an exhibit anyone can check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.app.adapters import verifiers
from relay.core.bundle import ledger_proof_bytes
from relay.core.errors import Malformed, Unverified
from relay.core.exhibit import fork_piece, verify_exhibit
from relay.core.lifecycle import ItemState
from relay.core.merkle import MemoryTree
from relay.core.trust import parse_trust_roots
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.services.forwarding.rescan import Rescan
from relay.services.forwarding.watch import Watcher
from relay.store.relay import SqliteRelayStore
from tests.support.frozen import settle
from tests.tlog.bench import LEDGER, first_blocks, opened
from tests.tlog.roots import LENDER, pinned
from tests.tlog.writer import ORIGIN, Log, folder_log, leaf


class Relay:
    def __init__(self, log: Log, store: SqliteRelayStore, watcher: Watcher, rescan: Rescan) -> None:
        self.log, self.store, self.watcher, self.rescan = log, store, watcher, rescan

    async def final(self) -> list[int]:
        return [item.anchor.size for item in await self.store.items([ItemState.FINAL], ORIGIN, 100)]

    async def has(self, *sizes: int) -> None:
        async def so() -> bool:
            return await self.final() == list(sizes)

        await settle(so, f"items of sizes {sizes} are final")

    async def is_halted(self) -> None:
        async def so() -> bool:
            return bool(await self.store.halted(ORIGIN))

        await settle(so, "the origin is halted")


@asynccontextmanager
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    store = await SqliteRelayStore.open(tmp_path / "relay")
    origins = Origins({ORIGIN: OriginConfig(origin=ORIGIN, custodian=LENDER, log_keys=(), ledger=LEDGER)})
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        watcher = Watcher(
            source, store, origins, sleep=lambda _: asyncio.sleep(0.02), backoff=lambda: iter([0.0] * 9999)
        )
        task = asyncio.create_task(watcher.run())
        try:
            rescan = Rescan(source, store, origins, sleep=asyncio.sleep)
            yield Relay(folder_log(tmp_path / "log"), store, watcher, rescan)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await store.close()


async def test_checkpoints_become_items_that_are_final_at_once(tmp_path: Path) -> None:
    async with relay(tmp_path) as running:
        for sizes in ((3,), (3, 256), (3, 256, 257)):
            running.log.publish(sizes[-1])
            await running.has(*sizes)
        assert (await running.rescan.now(from_start=True)).missing == 0
    async with relay(tmp_path) as running:  # after a restart
        running.log.grow(257)
        running.log.publish(900)
        await running.has(3, 256, 257, 900)


async def test_equivocation_halts_with_an_exhibit_that_holds(tmp_path: Path) -> None:
    async with relay(tmp_path) as running:
        running.log.publish(5)
        await running.has(5)
        mine = running.log.root(5)
        running.log.fork(3, 5)
        running.log.publish(5)
        await running.is_halted()
        (exhibit,) = await running.store.exhibits(ORIGIN)
        trust = parse_trust_roots(pinned().to_json())
        shown = verify_exhibit(exhibit.pieces, trust, verifiers())
        assert (shown.size, shown.anchored_root, shown.signed_root) == (5, mine, running.log.root(5))
        assert "two trees" in running.watcher.problem


async def test_fork_at_another_size_halts_and_names_both(tmp_path: Path) -> None:
    async with relay(tmp_path) as running:
        running.log.publish(300)
        await running.has(300)
        mine = running.log.root(300)
        running.log.fork(200, 700)
        running.log.publish(700)
        await running.is_halted()
        (exhibit,) = await running.store.exhibits(ORIGIN)
        shown = verify_exhibit(exhibit.pieces, parse_trust_roots(pinned().to_json()), verifiers())
        assert (shown.size, shown.anchored_root, shown.signed_root) == (300, mine, running.log.root(300))
        reason = await running.store.halted(ORIGIN)
        assert "size 300" in reason
        assert "size 700" in reason
        assert await running.final() == [300]


async def test_old_size_with_a_root_that_never_was_halts_with_an_exhibit_too(tmp_path: Path) -> None:
    async with relay(tmp_path) as running:
        running.log.publish(700)
        await running.has(700)
        mine = running.log.root(300)
        other = folder_log(tmp_path / "other")
        other.fork(0, 300)
        running.log.put("checkpoint", other.note(300))
        await running.is_halted()
        (exhibit,) = await running.store.exhibits(ORIGIN)
        trust = parse_trust_roots(pinned().to_json())
        shown = verify_exhibit(exhibit.pieces, trust, verifiers())
        assert (shown.size, shown.anchored_root, shown.signed_root) == (300, mine, other.root(300))
        for changed in (
            {**exhibit.pieces, "fork": fork_piece(other.root(300), [])},
            {**exhibit.pieces, "fork": fork_piece(bytes(32), [bytes(32)] * 9)},
            {**exhibit.pieces, "fork": exhibit.pieces["fork"] + b" "},
            {**exhibit.pieces, "fork": b'{"path":[7],"root":"' + bytes(64).replace(b"\0", b"0") + b'"}'},
            {name: piece for name, piece in exhibit.pieces.items() if name != "fork"},
        ):
            with pytest.raises((Malformed, Unverified)):
                verify_exhibit(changed, trust, verifiers())


async def test_honest_growth_is_no_exhibit(tmp_path: Path) -> None:
    """Two checkpoints of which one extends the other contradict nothing, whatever is put beside them."""
    log = folder_log(tmp_path / "log")
    log.publish(300)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        (block,) = await first_blocks(source, 1)
        anchor = ledger_proof_bytes(await source.prove(block.anchors[0]))
        later = log.publish(700)
        tree = MemoryTree([leaf(entry) for entry in log.entries])
        fork = fork_piece(log.root(300), tree.consistency_proof(300, 700))
        trust = parse_trust_roots(pinned().to_json())
        with pytest.raises(Unverified, match="do not contradict"):
            verify_exhibit({"checkpoint": later, "anchor": anchor, "fork": fork}, trust, verifiers())
        with pytest.raises(Unverified, match="size"):
            verify_exhibit({"checkpoint": later, "anchor": anchor}, trust, verifiers())


async def test_log_that_is_away_halts_nothing(tmp_path: Path) -> None:
    async with relay(tmp_path) as running:
        await settle(lambda: "checkpoint" in running.watcher.problem, "the problem is told")
        assert await running.store.halted(ORIGIN) == ""
        running.log.publish(5)
        await running.has(5)
