"""The end of a connection: what is under way says how far it came, and nothing opens it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.evm.abi import anchor_log_interface
from adapters.evm.rpc import Broke, Call, HttpRpc, NoAnswer
from relay.core.errors import Malformed, Unavailable, Uncertain
from tests.evm.nodes.lender import Lender, open_lender, point, read


@pytest.fixture
async def lender(tmp_path: Path, needs_anvil: None) -> AsyncIterator[Lender]:
    async with open_lender(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_write_under_way_is_uncertain_and_feed_ends(lender: Lender, scheme: str) -> None:
    source = await lender.source([lender.anvil.url if scheme == "http" else lender.anvil.ws], poll_s=60)
    await lender.anvil.ask("evm_setAutomine", False)
    writing = asyncio.create_task(source.anchor(point(1)))
    feed = asyncio.create_task(read(source, 1000, 1000))
    async with asyncio.timeout(60):
        while not (await lender.anvil.ask("txpool_status"))["pending"].startswith("0x1"):
            await asyncio.sleep(0.02)
    await source.close()
    async with asyncio.timeout(60):
        with pytest.raises(Uncertain):
            await writing
        with pytest.raises(Unavailable, match="closed here"):
            await feed
    for asking in (source.head(), source.find("o", 1), source.anchor(point(2)), anext(source.blocks(1))):
        with pytest.raises(Unavailable, match="closed here"):
            await asking


async def test_call_that_may_have_arrived_before_the_second_try_failed_is_not_called_unsent() -> None:
    class Dying(HttpRpc):
        """Breaks off, then cannot be reached."""

        tries = 0

        async def exchange(self, calls: object, deadline_s: float) -> list[object]:
            self.tries += 1
            raise Broke("broke off") if self.tries == 1 else Unavailable("cannot be reached")

    call: Call = ("eth_sendRawTransaction", ("0x",))
    with pytest.raises(NoAnswer):
        await Dying("http://127.0.0.1:1", 1).batch([call])


async def test_name_that_no_checkpoint_bears_is_neither_written_nor_passed_on(lender: Lender) -> None:
    """The contract takes it from anybody."""
    source = await lender.source()
    with pytest.raises(Malformed, match="origin"):
        await source.anchor(point(1, origin="a+b"))
    call = anchor_log_interface().encode("anchor", "a+b", 1, bytes(32))
    assert (await lender.anvil.send(call, lender.contract))["status"] == "0x1"
    anchor = await source.anchor(point(1))
    blocks = await read(source, 1, anchor.height)
    assert [a for b in blocks for a in b.anchors] == [anchor]
    assert await source.find("a+b", 1) is None
