"""A node that hides, forges or moves events: what it shows must hash to the block's own header, or nothing of it is taken."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from adapters.evm.projecting import EvmEvents
from adapters.evm.rpc import RpcError
from relay.core.errors import Unavailable
from tests.projection.conftest import FINALITY, Lender, events_of, read
from tests.projection.contract import digest, store, store_and_fail, store_many

Lie = Callable[[str, Any], Any]


def lying(events: EvmEvents, lie: Lie) -> EvmEvents:
    """Every answer goes through `lie(method, answer)`."""
    honest = events._chain.endpoints.batch

    async def batch(calls: Sequence[tuple[str, tuple[object, ...]]], **more: Any) -> list[object]:
        answers = await honest(calls, **more)
        return [lie(call[0], copy.deepcopy(answer)) for call, answer in zip(calls, answers, strict=True)]

    events._chain.endpoints.batch = batch  # type: ignore[method-assign,assignment]
    return events


def of_receipts(change: Callable[[list[Any]], Any]) -> Lie:
    """Changes the receipts of every block that has some; a list that is returned stands for them."""

    def lie(method: str, answer: Any) -> Any:
        if method == "eth_getBlockReceipts" and answer:
            changed = change(answer)
            return changed if isinstance(changed, list) else answer
        return answer

    return lie


def of_blocks(**change: Any) -> Lie:
    def lie(method: str, answer: Any) -> Any:
        return {**answer, **change} if method == "eth_getBlockByNumber" and answer["transactions"] else answer

    return lie


def set_data(receipts: list[Any]) -> None:
    log = receipts[0]["logs"][0]
    log["data"] = log["data"][:-1] + ("0" if log["data"][-1] != "0" else "1")


LIES: dict[str, Lie] = {
    "receipt left out": of_receipts(lambda r: r[1:]),
    "all receipts left out": of_receipts(lambda _r: []),
    "log left out": of_receipts(lambda r: r[0]["logs"].pop()),
    "log twice": of_receipts(lambda r: r[0]["logs"].append(r[0]["logs"][0])),
    "logs moved": of_receipts(lambda r: r[0]["logs"].reverse()),
    "data changed": of_receipts(set_data),
    "emitter changed": of_receipts(lambda r: r[0]["logs"][0].update(address="0x" + "11" * 20)),
    "loan changed": of_receipts(lambda r: r[0]["logs"][0]["topics"].__setitem__(1, "0x" + "11" * 32)),
    "failed": of_receipts(lambda r: r[0].update(status="0x0")),
    "no status": of_receipts(lambda r: r[0].pop("status")),
    "no logs": of_receipts(lambda r: r[0].pop("logs")),
    "no receipts": lambda method, answer: {} if method == "eth_getBlockReceipts" else answer,
    "an empty bloom": of_blocks(logsBloom="0x" + "00" * 256),
    "no bloom": of_blocks(logsBloom=None),
    "another receipts root": of_blocks(receiptsRoot="0x" + "00" * 32),
    "another height": of_blocks(number="0x9"),
    "another hash": of_blocks(hash="0x" + "00" * 32),
}


@pytest.fixture
async def events(lender: Lender) -> EvmEvents:
    """One block with two events, whose logs a lie can move."""
    await lender.send(store_many([1, 2], "a"))
    await lender.anvil.mine(FINALITY)
    return await lender.events()


@pytest.mark.parametrize("name", LIES)
async def test_lie_is_seen_and_nothing_is_taken(events: EvmEvents, name: str) -> None:
    assert len(events_of(await read(events))) == 2
    with pytest.raises(Unavailable):
        await read(lying(events, LIES[name]))


def test_lies_are_lies() -> None:
    """The control: each changes what it is given."""
    log = {"data": "0x01", "address": "0x", "topics": ["0x", "0x"]}
    receipts = [{"status": "0x1", "logs": [log, {**log, "data": "0x02"}]}, {"status": "0x1", "logs": []}]
    block = {"transactions": ["0x"], "logsBloom": "0x", "receiptsRoot": "0x", "number": "0x1", "hash": "0x"}
    for lie in LIES.values():
        told = [
            lie("eth_getBlockReceipts", copy.deepcopy(receipts)),
            lie("eth_getBlockByNumber", copy.deepcopy(block)),
        ]
        assert told != [receipts, block]


async def test_failed_transaction_cannot_be_shown_as_a_good_one(lender: Lender) -> None:
    """With the log that it would have had."""
    await lender.send(store(1, "good"))
    good = await lender.anvil.ask("eth_getBlockReceipts", "0x2")
    await lender.send(store_and_fail(1, "bad"))
    await lender.send(store(1, "good too"))
    await lender.anvil.mine(FINALITY)

    def lie(receipts: list[Any]) -> None:
        if receipts[0]["status"] == "0x0":
            receipts[0].update(status="0x1", logs=good[0]["logs"], logsBloom=good[0]["logsBloom"])

    honest = await lender.events()
    assert [one.digest for one in events_of(await read(honest))] == [digest("good"), digest("good too")]
    # its header's bloom says that no event is there: the receipts are not even asked for
    found = events_of(await read(lying(await lender.events(), of_receipts(lie))))
    assert [one.digest for one in found] == [digest("good"), digest("good too")]


async def test_node_without_block_receipts_gives_each_by_its_transaction(lender: Lender, events: EvmEvents) -> None:
    def poor(method: str, answer: Any) -> Any:
        return RpcError("node", -32601, "no such method", None) if method == "eth_getBlockReceipts" else answer

    expected = events_of(await read(events))
    assert events_of(await read(lying(await lender.events(), poor))) == expected
