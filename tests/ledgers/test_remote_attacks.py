"""Adapters that are not the one that was meant: another version, ledger, kind or service; feeds that fall silent, jump or break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from adapters.remote.v1 import adapter_pb2 as pb
from relay.app.initialise import COURT_LEDGER, LENDER_LEDGER, ORIGIN
from relay.core.errors import Malformed, Unavailable
from relay.ports.ledgers import AnchorBlock
from tests.ledgers.remote_bench import adapted, offer
from tests.ledgers.scripted import (
    BLOCK,
    CHECKPOINT,
    GOOD,
    HEAD,
    PATIENCE,
    STREAM,
    Script,
    changed,
    client,
    court_of,
    first_block,
    hello,
    make_home,
    source_of,
)
from tests.support.chain import Chain
from tests.support.frozen import settle


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("remote"))


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
async def test_adapter_of_another_protocol_version_is_refused(home: Path, version: int) -> None:
    script = Script({"Adapter/Hello": hello(version=version), "AnchorSource/Anchor": GOOD})
    async with source_of(home, script) as source:
        with pytest.raises(Unavailable, match=f"protocol version {version}; this side speaks 1"):
            await source.anchor(CHECKPOINT)
    assert "AnchorSource/Anchor" not in script.asked


async def test_adapter_that_speaks_none_of_our_versions_says_so(home: Path) -> None:
    refusal = Malformed("hello", "versions", "this adapter speaks protocol version 7 and none of these")
    async with source_of(home, {"Adapter/Hello": refusal}) as source:
        with pytest.raises(Unavailable, match="protocol version 7"):
            await source.head()


async def test_server_answers_with_the_largest_version_that_both_speak(home: Path) -> None:
    async with (
        adapted(home, offer(Chain(LENDER_LEDGER, ORIGIN)), "custodian") as port,
        client(home, "relay", port) as source,
    ):
        ask = source._link._adapter.Hello
        assert (await ask(pb.HelloRequest(versions=[1, 2, 9]), timeout=30)).version == 1
        for versions in ([], [2, 3], [1] * 17):
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await ask(pb.HelloRequest(versions=versions), timeout=30)
            assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_adapter_of_another_ledger_is_never_believed_nor_written_to(home: Path) -> None:
    script = Script({"Adapter/Hello": hello(ledger="evm:other"), "AnchorSource/Anchor": GOOD, STREAM: []})
    async with source_of(home, script) as source:
        for calling in (source.head(), source.anchor(CHECKPOINT), first_block(source)):
            with pytest.raises(Unavailable, match="is of ledger evm:other, configured is embedded:lender-1"):
                await calling
    assert set(script.asked) == {"Adapter/Hello"}


async def test_adapter_that_took_anothers_address_after_the_handshake_does_nothing(home: Path) -> None:
    """Every request names its ledger: what was agreed with the one is not written by the other."""
    mine, other = Chain(LENDER_LEDGER, ORIGIN), Chain("embedded:other", ORIGIN)
    async with adapted(home, offer(mine), "custodian") as port, client(home, "custodian", port) as source:
        assert (await source.head()).height == 0
        async with adapted(home, offer(other), "custodian") as elsewhere, client(home, "custodian", elsewhere) as moved:
            moved._link._greeting = source._link._greeting
            with pytest.raises(Unavailable, match="embedded:other"):
                await moved.anchor(CHECKPOINT)
    assert not other.blocks_held


async def test_service_that_is_not_offered_is_named(home: Path) -> None:
    async with source_of(home, {"Adapter/Hello": hello(source=False)}) as source:
        with pytest.raises(Unavailable, match="does not offer AnchorSource"):
            await source.find(ORIGIN, 3)
    async with court_of(home, {"Adapter/Hello": hello(ledger=COURT_LEDGER, court=False)}) as court:
        with pytest.raises(Unavailable, match="does not offer CourtRegistry"):
            await court.latest(ORIGIN)


async def test_proof_kind_that_is_not_the_configured_one_is_refused(home: Path) -> None:
    async with source_of(home, {}, kind="evm-qbft") as source:
        with pytest.raises(Unavailable, match="proofs of kind quorum, configured is evm-qbft"):
            await source.head()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 65},
        {"adapter_version": "a b"},
        {"family": "Évm"},
        {"proof_kind": ""},
        {"ledger": "\n"},
    ],
)
async def test_greeting_with_impossible_values_is_refused(home: Path, changes: dict[str, str]) -> None:
    async with source_of(home, {"Adapter/Hello": hello(**changes)}) as source:
        with pytest.raises(Unavailable, match=next(iter(changes))):
            await source.head()


async def test_failed_handshake_is_tried_again_and_a_good_one_is_kept(home: Path) -> None:
    script = Script({"Adapter/Hello": hello(version=2), "AnchorSource/Head": HEAD})
    async with source_of(home, script) as source:
        with pytest.raises(Unavailable):
            await source.head()
        script.answers["Adapter/Hello"] = hello()
        for _ in range(3):
            assert (await source.head()).final_height == 8
        assert len(script.asked["Adapter/Hello"]) == 2
        script.answers["AnchorSource/Head"] = grpc.StatusCode.UNAVAILABLE
        with pytest.raises(Unavailable):
            await source.head()
        script.answers["AnchorSource/Head"] = HEAD
        await source.head()
        assert len(script.asked["Adapter/Hello"]) == 3


async def test_stream_that_falls_silent_is_given_up(home: Path) -> None:
    """Not even heartbeats: whether the ledger stands still or the adapter does cannot be told."""
    for before in ([], [pb.BlocksReply()], [pb.BlocksReply(block=BLOCK)]):
        async with source_of(home, {STREAM: before}) as source:
            source._link._patience = replace(PATIENCE, silence_s=0.2)
            with pytest.raises(Unavailable, match="not even a heartbeat"):
                async for block in source.blocks(5):
                    assert block.height == 5


async def test_feed_without_blocks_beats_and_then_gives_the_block(home: Path) -> None:
    chain = Chain(LENDER_LEDGER, ORIGIN)
    async with adapted(home, offer(chain), "", heartbeat_s=0.01) as port, client(home, "relay", port) as source:
        calling = source._link.source.Blocks(pb.BlocksRequest(ledger=LENDER_LEDGER, start=1))
        replies: Any = aiter(calling)
        for _ in range(4):
            assert not (await anext(replies)).HasField("block")
        await chain.grow(1)
        while not (reply := await anext(replies)).HasField("block"):
            pass
        assert reply.block.height == 1
        calling.cancel()


async def test_heights_that_go_backwards_are_passed_on_as_they_are(home: Path) -> None:
    """A reorganisation, as the port describes it; the caller compares `parent_hash`."""
    chain = Chain(LENDER_LEDGER, ORIGIN)
    for size in (1, 2, 3):
        await chain.grow(size)
    seen: list[AnchorBlock] = []
    async with adapted(home, offer(chain), "") as port, client(home, "relay", port) as source:
        async for block in source.blocks(1):
            seen.append(block)
            if len(seen) == 3:
                await chain.reorganise(2, [7], [8])
            if len(seen) == 5:
                break
    assert [b.height for b in seen] == [1, 2, 3, 2, 3]
    assert seen[3:] == chain.blocks_held[1:]
    jumps = [pb.BlocksReply(block=changed(BLOCK, height=n)) for n in (9, 2, 2, 7)]
    for one in jumps:
        del one.block.anchors[:]
    async with source_of(home, {STREAM: jumps}) as source:
        feed = source.blocks(1)
        assert [(await anext(feed)).height for _ in jumps] == [9, 2, 2, 7]
        await feed.aclose()


async def test_feed_of_an_adapter_that_ends_or_breaks_is_unavailable(home: Path) -> None:
    chain = Chain(LENDER_LEDGER, ORIGIN)
    await chain.grow(1)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(adapted(home, offer(chain), ""))
        async with client(home, "relay", port) as source:
            feed = source.blocks(1)
            assert (await anext(feed)).height == 1
            waiting = asyncio.ensure_future(anext(feed))
            await stack.aclose()
            with pytest.raises(Unavailable):
                await waiting
    chain.deliver = lambda _block: Unavailable("the node is gone")
    async with adapted(home, offer(chain), "") as port, client(home, "relay", port) as source:
        with pytest.raises(Unavailable, match="the node is gone"):
            await first_block(source)


async def test_feed_of_the_ledger_that_ends_is_unavailable_not_the_end(home: Path) -> None:
    class Short(Chain):
        async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
            yield self.blocks_held[start - 1]

    chain = Short(LENDER_LEDGER, ORIGIN)
    await chain.grow(1)
    async with adapted(home, offer(chain), "") as port, client(home, "relay", port) as source:
        feed = source.blocks(1)
        assert (await anext(feed)).height == 1
        with pytest.raises(Unavailable, match="feed has ended"):
            await anext(feed)


async def test_reader_that_leaves_ends_the_feed_behind_the_adapter(home: Path) -> None:
    """No feed of the node is left running for callers that are gone."""
    closed = asyncio.Event()

    class Watched(Chain):
        async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
            try:
                async for block in super().blocks(start):
                    yield block
            finally:
                closed.set()

    chain = Watched(LENDER_LEDGER, ORIGIN)
    await chain.grow(1)
    async with adapted(home, offer(chain), "") as port, client(home, "relay", port) as source:
        await first_block(source)
        await settle(closed.is_set, "the feed behind the adapter ends")
