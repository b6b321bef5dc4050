"""A log is compared with its anchors before anything is appended, and entries of a relay count only under the anchored root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relay.app import standing as app_standing
from relay.app.catch_up import _fetch
from relay.core.dossier import make_entry
from relay.core.errors import Unavailable, Unverified
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead
from relay.services.standing import REORGANISED_MAX, Behind, check_standing, newest_anchors
from relay.store.log_files import LogPacks
from tests.support.frozen import no_waits

ORIGIN = "lender.example/log/1"
CUSTODY = "lender.example/custody/1"


def entries(count: int, salt: int = 0) -> list[bytes]:
    return [make_entry(n.to_bytes(32, "big"), (n + salt).to_bytes(32, "big")) for n in range(count)]


def log_of(folder: Path, count: int, salt: int = 0) -> LogPacks:
    log = LogPacks.open(folder, 0)
    log.append(entries(count, salt))
    return log


def anchor(origin: str, size: int, root: bytes, height: int = 1) -> Anchor:
    return Anchor(
        ledger="l", origin=origin, size=size, root=root, height=height, block_hash=b"h", tx_id=b"t", time_ms=height * 1000
    )  # fmt: skip


class Chain:
    """A ledger that is there after some questions."""

    ledger = "l"

    def __init__(self, anchors: Sequence[Anchor], silent: int = 0) -> None:
        self.anchors = anchors
        self.silent = silent
        self.started: list[int] = []

    async def head(self) -> LedgerHead:
        if self.silent:
            self.silent -= 1
            raise Unavailable("the node is away")
        height = max((one.height for one in self.anchors), default=0)
        return LedgerHead(height=height, block_hash=b"h", final_height=height)

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        self.started.append(start)
        for height in range(start, (await self.head()).height + 1):
            held = tuple(one for one in self.anchors if one.height == height)
            yield AnchorBlock(height=height, block_hash=b"h", parent_hash=b"p", time_ms=height * 1000, anchors=held)
        await asyncio.Event().wait()


async def test_the_largest_anchor_of_each_log_is_found_and_others_are_passed_over() -> None:
    chain = Chain(
        [anchor(ORIGIN, 5, b"a", 2), anchor(ORIGIN, 9, b"b", 3), anchor(CUSTODY, 4, b"c", 3), anchor("x", 99, b"d", 4)]
    )
    found = await newest_anchors(chain, (ORIGIN, CUSTODY), 0)  # type: ignore[arg-type]
    assert {origin: one.size for origin, one in found.items()} == {ORIGIN: 9, CUSTODY: 4}


async def test_what_a_reorganisation_may_have_moved_is_read_again() -> None:
    chain = Chain([anchor(ORIGIN, 5, b"a", 1000)])
    await newest_anchors(chain, (ORIGIN,), 1000)  # type: ignore[arg-type]
    assert chain.started == [1000 - REORGANISED_MAX]


async def test_a_log_that_holds_its_anchor_goes_on(tmp_path: Path) -> None:
    log = log_of(tmp_path, 7)
    await check_standing(ORIGIN, log, 7, None)
    await check_standing(ORIGIN, log, 7, anchor(ORIGIN, 5, log.root(5)))
    await check_standing(ORIGIN, log, 7, anchor(ORIGIN, 7, log.root(7)))


async def test_a_log_that_is_shorter_than_its_anchor_is_refused(tmp_path: Path) -> None:
    log = log_of(tmp_path, 7)
    with pytest.raises(Behind, match=r"holds 7 entries here, but 8 are anchored on l \(block 1\)"):
        await check_standing(ORIGIN, log, 7, anchor(ORIGIN, 8, b"root"))


async def test_a_log_that_went_another_way_than_its_anchor_is_refused(tmp_path: Path) -> None:
    mine, anchored = log_of(tmp_path / "a", 9), log_of(tmp_path / "b", 7, salt=1)
    with pytest.raises(Behind, match=r"first 7 entries .* are not those that are anchored"):
        await check_standing(ORIGIN, mine, 9, anchor(ORIGIN, 7, anchored.root(7)))


async def test_a_node_that_lacks_blocks_has_not_answered() -> None:
    with pytest.raises(Unavailable, match="has 5 blocks"):
        await newest_anchors(Chain([anchor(ORIGIN, 5, b"a", 5)]), (ORIGIN,), 6)  # type: ignore[arg-type]


async def test_a_feed_that_ends_early_has_not_answered() -> None:
    class Short(Chain):
        async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
            yield AnchorBlock(height=start, block_hash=b"h", parent_hash=b"p", time_ms=1, anchors=())

    with pytest.raises(Unavailable, match="ended at block 1 of 5"):
        await newest_anchors(Short([anchor(ORIGIN, 5, b"a", 5)]), (ORIGIN,), 0)  # type: ignore[arg-type]


class Store:
    """Just what the comparison asks."""

    def __init__(self, log: LogPacks, custody: LogPacks) -> None:
        self.files, self.custody_files = log, custody
        self.size, self.custody_size = log.size, custody.size
        self.spent = 0

    async def known_height(self) -> int:
        return 0

    async def spend_all_uses(self) -> None:
        self.spent += 1


async def test_a_custodian_waits_until_its_ledger_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_standing, "backoff", no_waits)
    log = log_of(tmp_path / "a", 3)
    store, chain = Store(log, log_of(tmp_path / "b", 2)), Chain([anchor(ORIGIN, 3, log.root(3))], silent=3)
    config: Any = SimpleNamespace(origin=ORIGIN, custody_origin=CUSTODY)
    await app_standing.await_standing(tmp_path, config, store, chain)  # type: ignore[arg-type]
    assert (chain.silent, store.spent) == (0, 0)


@pytest.mark.parametrize("origin", [ORIGIN, CUSTODY])
async def test_a_custodian_behind_either_log_spends_its_grants_and_ends(tmp_path: Path, origin: str) -> None:
    store = Store(log_of(tmp_path / "a", 3), log_of(tmp_path / "b", 2))
    config: Any = SimpleNamespace(origin=ORIGIN, custody_origin=CUSTODY)
    with pytest.raises(Behind, match="catch-up --config"):
        await app_standing.await_standing(tmp_path, config, store, Chain([anchor(origin, 4, b"r")]))  # type: ignore[arg-type]
    assert store.spent == 1


class Relay:
    """Gives what it is told to give."""

    def __init__(self, given: list[bytes]) -> None:
        self.given = given

    async def entries(self, _origin: str, start: int, end: int) -> list[bytes]:
        return self.given[start:end]


async def test_entries_of_a_relay_are_taken_under_the_anchored_root_alone(tmp_path: Path) -> None:
    whole = log_of(tmp_path / "whole", 12)
    store, config = Store(log_of(tmp_path / "mine", 5), whole), SimpleNamespace(origin=ORIGIN)
    wanted = anchor(ORIGIN, 12, whole.root(12))
    ask: Any = _fetch
    assert await ask(config, store, Relay(entries(12)), wanted) == entries(12)[5:]
    lie = entries(12)
    lie[8] = make_entry(bytes(32), bytes(32))
    for given in (lie, entries(11), [*entries(7), *entries(12)[8:], entries(13)[12]]):
        with pytest.raises(Unverified, match="nothing was changed"):
            await ask(config, store, Relay(given), wanted)
