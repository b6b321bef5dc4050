"""Which events a real chain gives: in ledger order, final ones only, nobody else's, and none that cannot be read."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace

import pytest

from adapters.evm.projecting import EVENTS_MAX, RANGE_BLOCKS, open_events
from adapters.evm.values import hexed
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.ports.projection import Place
from tests.evm.nodes.sealing import Sealer
from tests.projection.conftest import FINALITY, NOTHING, Lender, events_of, read, refusals_of
from tests.projection.contract import (
    ARTEFACT,
    TOPIC,
    artefact_text,
    create,
    digest,
    loan,
    note,
    store,
    store_and_fail,
    store_many,
    store_raw,
    table,
)
from tests.support.lying import lying


def test_compiler_makes_the_committed_bytes() -> None:
    assert artefact_text() == ARTEFACT.read_text()


async def one_block(lender: Lender, *calls: tuple[bytes, bytes]) -> None:
    """Several transactions (contract, data) in one block, in this order."""
    await lender.anvil.ask("evm_setAutomine", False)
    sent = [asyncio.create_task(lender.send(data, to)) for to, data in calls[:1]]
    for to, data in calls[1:]:
        await until_pending(lender, len(sent))
        sent.append(asyncio.create_task(lender.send(data, to)))
    await until_pending(lender, len(sent))
    await lender.anvil.mine()
    receipts = await asyncio.gather(*sent)
    assert len({receipt["blockNumber"] for receipt in receipts}) == 1
    assert [int(str(receipt["transactionIndex"]), 16) for receipt in receipts] == list(range(len(calls)))
    await lender.anvil.ask("evm_setAutomine", True)


async def until_pending(lender: Lender, count: int) -> None:
    while int((await lender.anvil.ask("txpool_status"))["pending"], 16) < count:
        await asyncio.sleep(0.01)


async def test_events_come_in_ledger_order_with_all_they_say(lender: Lender) -> None:
    await lender.send(store(1, "a", 5))
    await one_block(lender, (lender.contract, store(2, "b")), (lender.contract, store_many([1, 2, 1], "c")))
    await lender.send(store(1, "d"))
    await lender.anvil.mine(FINALITY)
    found = events_of(await read(await lender.events()))
    assert [event.dossier for event in found] == [loan(n) for n in (1, 2, 1, 2, 1, 1)]
    assert [event.log for event in found] == [0, 0, 1, 2, 3, 0]
    assert [event.place for event in found] == sorted(event.place for event in found)
    first = found[0]
    block = await lender.anvil.ask("eth_getBlockByNumber", hex(first.height), False)
    assert (hexed(first.block_hash), first.digest, first.time) == (block["hash"], digest("a"), 5)
    assert first.emitter == f"eip155:{lender.anvil.chain_id}:{hexed(lender.contract)}"
    assert first.kind == TOPIC


async def test_what_is_not_final_is_not_given(lender: Lender) -> None:
    await lender.send(store(1, "a"))
    events = await lender.events()
    assert events_of(await read(events)) == []
    await lender.anvil.mine(FINALITY - 1)
    assert events_of(await read(events)) == []
    await lender.anvil.mine(1)
    assert len(events_of(await read(events))) == 1


async def test_reorganisation_above_the_final_block_leaves_no_trace(lender: Lender) -> None:
    await lender.send(store(1, "kept"))
    await lender.anvil.mine(FINALITY)
    events = await lender.events()
    before = await read(events)
    await lender.send(store(1, "replaced"))
    await lender.anvil.ask("anvil_reorg", 1, [])
    await lender.send(store(1, "instead"))
    await lender.anvil.mine(FINALITY)
    found = events_of(before) + events_of(await read(events, before[-1].upto))
    assert [event.digest for event in found] == [digest("kept"), digest("instead")]


async def test_final_block_that_is_replaced_stops_projecting(lender: Lender) -> None:
    events = await lender.events()
    await lender.send(store(1, "a"))
    await lender.anvil.mine(FINALITY)
    upto = (await read(events))[-1].upto
    await lender.anvil.ask("anvil_reorg", FINALITY + 1, [])
    await lender.anvil.mine(FINALITY + 1)
    with pytest.raises(Conflict, match=f"replaced block {upto.height}, which was final"):
        await read(events, upto)
    # in the middle of a feed too
    async with aclosing(events.stretches(NOTHING)) as feed:
        await anext(feed)
        await lender.anvil.ask("anvil_reorg", FINALITY + 1, [])
        await lender.anvil.mine(FINALITY + 1)
        with pytest.raises(Conflict, match="which was final"):
            await anext(feed)


async def test_wrong_emitter_and_wrong_event_are_named_and_not_projected(
    lender: Lender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = await create(lender.anvil)
    await lender.send(store(1, "alone"), other)
    await one_block(
        lender,
        (other, store(1, "theirs")),
        (lender.contract, note(1, "another event")),
        (lender.contract, store(1, "ours")),
    )
    await lender.anvil.mine(FINALITY)
    found = await read(await lender.events())
    assert [event.digest for event in events_of(found)] == [digest("ours")]
    assert events_of(found)[0].log == 2
    assert refusals_of(found) == []
    (said,) = [one.getMessage() for one in caplog.records if "not a mapped contract" in one.getMessage()]
    assert f"log 0 of {hexed(other)} ({hexed(TOPIC)}) and 1 more" in said


async def test_failed_transaction_has_no_events(lender: Lender) -> None:
    receipt = await lender.send(store_and_fail(1, "a"))
    assert receipt["status"] == "0x0"
    await one_block(lender, (lender.contract, store_and_fail(1, "b")), (lender.contract, store(1, "c")))
    await lender.anvil.mine(FINALITY)
    assert [event.digest for event in events_of(await read(await lender.events()))] == [digest("c")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no encoding"),
        (bytes(63), "no encoding"),
        (bytes(96), "not the canonical encoding"),
        (bytes(32) + b"\x01" + bytes(31), "no encoding"),
        (bytes(32) + bytes(24) + b"\xff" * 8, "time: is 18446744073709551615"),
        (bytes(20_000), "at most 16384"),
    ],
)
async def test_malformed_data_is_refused_by_name_and_the_rest_goes_on(lender: Lender, data: bytes, told: str) -> None:
    await lender.send(store_raw(1, data))
    await lender.send(store(1, "after"))
    await lender.anvil.mine(FINALITY)
    found = await read(await lender.events())
    assert [event.digest for event in events_of(found)] == [digest("after")]
    (refused,) = refusals_of(found)
    assert refused.startswith("event in block 2, log 0: event: ")
    assert told in refused


async def test_wrong_marks_of_indexed_fields_stop_projecting_with_a_line_that_says_so(lender: Lender) -> None:
    await lender.send(store(1, "a"))
    await lender.anvil.mine(FINALITY)
    unmarked = table(lender.contract, event="RecordStored(bytes32 loan, bytes32 digest, uint64 time)")
    with pytest.raises(
        Malformed, match=r"projection\[0\]\.event: RecordStored has 1 indexed fields in the contract, 0"
    ):
        await read(await lender.events(unmarked))


async def test_node_of_another_chain_is_refused_by_name(lender: Lender) -> None:
    with pytest.raises(Unavailable, match=r"chain 31337.*1337"):
        await read(await lender.events(chain_id=1337))


async def test_events_below_from_block_do_not_count(lender: Lender) -> None:
    for text in "abc":
        await lender.send(store(1, text))
    await lender.anvil.mine(FINALITY)
    found = events_of(await read(await lender.events(table(lender.contract, from_block=4))))
    assert [event.digest for event in found] == [digest("c")]


async def test_events_of_several_contracts_keep_one_order(lender: Lender) -> None:
    other = await create(lender.anvil)
    await one_block(
        lender, (other, store(1, "a")), (lender.contract, note(2, "b")), (lender.contract, store(1, "c"))
    )  # fmt: skip
    await lender.send(store(1, "d"), other)
    await lender.anvil.mine(FINALITY)
    noted = {
        "address": hexed(lender.contract),
        "event": "Noted(bytes32 indexed loan, string text)",
        "digest": "loan",
        "dossier": "text",
        "from_block": 1,
    }
    found = events_of(await read(await lender.events(table(other), noted, table(lender.contract))))
    assert [event.digest for event in found] == [digest("a"), loan(2), digest("c"), digest("d")]
    assert found[1].dossier == digest("b")
    block = await lender.anvil.ask("eth_getBlockByNumber", hex(found[1].height), False)
    assert found[1].time == int(block["timestamp"], 16)


async def test_long_chain_is_read_in_stretches_without_gaps(lender: Lender) -> None:
    await lender.send(store(1, "a"))
    await lender.anvil.mine(2 * RANGE_BLOCKS)
    await lender.send(store(1, "b"))
    await lender.anvil.mine(FINALITY)
    found = await read(await lender.events())
    assert [event.digest for event in events_of(found)] == [digest("a"), digest("b")]
    assert [stretch.upto.height for stretch in found] == [RANGE_BLOCKS, 2 * RANGE_BLOCKS, 2 * RANGE_BLOCKS + 3]
    again = await read(await lender.events(), found[1].upto)
    assert events_of(again) == events_of(found[2:]) != []


async def test_stretch_ends_with_the_block_that_fills_it(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EVENTS_MAX > 1
    monkeypatch.setattr("adapters.evm.projecting.EVENTS_MAX", 2)
    for numbers in ([1, 2, 3], [1], [2]):
        await lender.send(store_many(numbers, "x"))
    await lender.anvil.mine(FINALITY)
    found = await read(await lender.events())
    assert [(len(stretch.events), stretch.upto.height) for stretch in found] == [(3, 2), (2, 4)]


async def test_sealed_chain_is_read_by_the_hashes_that_its_nodes_show(lender: Lender) -> None:
    """QBFT: a block's hash is that of its header without seals, and the next header names it."""
    await lender.send(store(1, "a"))
    await lender.send(store_many([1, 2], "b"))
    await lender.anvil.mine(FINALITY)
    plain = events_of(await read(await lender.events()))
    sealer = Sealer(lender.anvil)
    await sealer.follow()
    async with lying(lender.anvil.url) as liar:
        liar.alter, liar.rewrite = sealer.alter, sealer.unseal
        sealed = await open_events(
            lender.settings(endpoints=[liar.url]), [table(lender.contract)], qbft=True
        )  # fmt: skip
        found = events_of(await read(sealed))
        await sealed.close()
    assert [replace(one, block_hash=bytes(32)) for one in found] == [
        replace(one, block_hash=bytes(32)) for one in plain
    ]
    assert {hexed(one.block_hash) for one in found} == {sealer._names[hexed(one.block_hash)] for one in plain}


async def test_quorum_of_endpoints_says_what_is_final(lender: Lender) -> None:
    await lender.send(store(1, "a"))
    await lender.anvil.mine(FINALITY)
    url = lender.anvil.url
    both = await lender.events(endpoints=[url, url.replace("127.0.0.1", "localhost")], quorum=2)
    assert len(events_of(await read(both))) == 1
    alone = await lender.events(endpoints=[url, "http://127.0.0.1:1"], quorum=2)
    with pytest.raises(Unavailable):
        await read(alone, Place(height=1, block_hash=b""))
