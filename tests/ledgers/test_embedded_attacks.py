"""A node of the embedded family among cheats and accidents: races, wrong ledgers, forged sources, impossible numbers, finality."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.embedded.adapter import open_court, open_source
from adapters.embedded.blocks import NO_BLOCK, Header, encode_tx, validator_key
from adapters.embedded.proof import build_proof
from relay.config.roles import read_court, read_custodian, read_relay
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Denied, Malformed, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.merkle import MemoryTree, leaf_hash
from relay.core.note import Note, format_note, sign_note
from relay.ports.ledgers import AnchorBlock, Receipt
from tests.ledgers.bench import NOW_MS, Bench, open_bench
from tests.support.frozen import settle


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


async def chain(bench: Bench) -> list[AnchorBlock]:
    """Every block of the lender's ledger so far."""
    head = await bench.source.head()
    blocks: list[AnchorBlock] = []
    if head.height:
        async for block in bench.source.blocks(1):
            blocks.append(block)
            if block.height == head.height:
                break
    return blocks


def forged(bench: Bench, checkpoint: Checkpoint, **fact: object) -> LedgerProof:
    """A proof of an anchor that never was, signed by one stranger in the names of the lender's validators."""
    facts = {"type": "anchor", "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    tx = encode_tx({**facts, "sender": bench.lender, **fact})
    root = MemoryTree([leaf_hash(tx)]).root()
    ledger = bench.lender_root.ledger
    header = Header(ledger=ledger, height=1, time_ms=NOW_MS, previous=NO_BLOCK, tx_root=root, tx_count=1)
    text = header.text()
    keys = [validator_key(ledger, v.name, v.public_key) for v in bench.lender_root.validators[:3]]
    note = format_note(Note(text=text, signatures=tuple(sign_note(text, k, bench.stranger.sign) for k in keys)))
    return LedgerProof(kind="quorum", ledger=ledger, body=build_proof(note, tx, 0, []))


async def test_source_proof_signed_by_strangers_is_refused(bench: Bench) -> None:
    good = await bench.submission(3)
    with pytest.raises(Unverified, match="does not hold"):
        await bench.court.submit(bench.replaced(good, anchor=forged(bench, bench.checkpoint(3))))
    assert await bench.court.latest(bench.origin) is None
    assert (await bench.court.submit(good)).size == 3


async def test_source_proof_of_another_kind_of_fact_is_refused(bench: Bench) -> None:
    """A real quorum's proof, but of something else than an anchor of this checkpoint."""
    receipt = await bench.court.submit(await bench.submission(3))
    own = await bench.court.prove(receipt.tx_id)
    good = await bench.submission(8, old_size=3)
    for proof in (own, replace(own, ledger=bench.lender_root.ledger), replace(good.anchor, kind="other")):
        with pytest.raises(Unverified):
            await bench.court.submit(bench.replaced(good, anchor=proof))
    for body in (b"", b"{}", good.anchor.body[:-1]):
        with pytest.raises((Malformed, Unverified)):
            await bench.court.submit(bench.replaced(good, anchor=replace(good.anchor, body=body)))


async def test_many_writers_of_one_anchor_make_one_transaction(bench: Bench) -> None:
    made = await asyncio.gather(*(bench.source.anchor(bench.checkpoint(3)) for _ in range(40)))
    assert set(made) == {made[0]}
    assert [a for block in await chain(bench) for a in block.anchors] == [made[0]]


async def test_rivals_at_one_size_leave_exactly_one(bench: Bench) -> None:
    """Different roots of one size at the same time; neighbours in the block come to no harm."""
    rivals = [Checkpoint(origin=bench.origin, size=3, root=bytes([n]) * 32) for n in range(8)]
    others = [Checkpoint(origin=f"other-{n}.example/log", size=1, root=bytes([n]) * 32) for n in range(8)]
    outcomes = await asyncio.gather(
        *(bench.source.anchor(c) for pair in zip(rivals, others, strict=True) for c in pair), return_exceptions=True
    )
    won = [o for o in outcomes[::2] if not isinstance(o, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes[::2]) == len(rivals) - 1
    assert not any(isinstance(o, BaseException) for o in outcomes[1::2])
    assert await bench.source.find(bench.origin, 3) == won[0]


async def test_racing_attempts_of_one_submission_get_one_receipt(bench: Bench) -> None:
    """Another attempt number is another transaction body, but never a second acceptance."""
    good = await bench.submission(3)
    receipts = await asyncio.gather(*(bench.court.submit(bench.replaced(good, attempt=n)) for n in range(1, 21)))
    assert set(receipts) == {receipts[0]}


async def test_chain_goes_on_after_a_restart(bench: Bench) -> None:
    for size in (1, 2, 3):
        await bench.source.anchor(bench.checkpoint(size))
    before, head = await chain(bench), await bench.source.head()
    proof = await bench.source.prove(before[0].anchors[0])
    await bench.restart()
    assert (await bench.source.head(), await chain(bench)) == (head, before)
    assert await bench.source.anchor(bench.checkpoint(1)) == before[0].anchors[0]
    assert await bench.source.prove(before[0].anchors[0]) == proof
    await bench.source.anchor(bench.checkpoint(4))
    after = await chain(bench)
    assert after[:3] == before
    assert all(b.parent_hash == a.block_hash for a, b in pairwise(after))


@pytest.mark.parametrize("number", [2**53, 2**63 - 1, 2**63, 2**64 - 1])
async def test_number_that_no_transaction_can_carry_ends_nothing(bench: Bench, number: int) -> None:
    """One caller's nonsense is that caller's error; the node serves the next."""
    good = await bench.submission(3)
    for change in ({"attempt": number}, {"old_size": number}):
        with pytest.raises((Malformed, Conflict)):
            await bench.court.submit(bench.replaced(good, **change))
    with pytest.raises((Malformed, Conflict)):
        await bench.gateway.append_custody_head(bench.custody_note(2), number, ())
    with pytest.raises(Malformed):
        await bench.source.anchor(replace(bench.checkpoint(3), size=number))
    assert await bench.source.find(bench.origin, number) is None
    assert (await bench.court.submit(good)).size == 3


async def test_more_consistency_hashes_than_any_tree_has_are_malformed(bench: Bench) -> None:
    good = await bench.submission(3)
    for hashes in ((bytes(32),) * 64, (bytes(31),)):
        with pytest.raises(Malformed):
            await bench.court.submit(bench.replaced(good, consistency=hashes))


async def test_each_ledger_takes_only_what_belongs_on_it(bench: Bench) -> None:
    """An anchor on the court's ledger and a checkpoint on the lender's are refused, whoever has a certificate."""
    court = dict(read_relay(bench.home / "relay/config.toml").court_ledger.settings)
    lender = dict(read_custodian(bench.home / "custodian/config.toml").ledger.settings)
    place = {name: court[name] for name in ("address", "ledger")}
    anchors_at_court = await open_source({**lender, **place})
    place = {name: lender[name] for name in ("address", "ledger")}
    submits_at_lender = await open_court({**court, **place})
    try:
        with pytest.raises(Denied):
            await anchors_at_court.anchor(bench.checkpoint(3))
        with pytest.raises(Denied):
            await submits_at_lender.submit(await bench.submission(3))
        with pytest.raises(Denied):
            await submits_at_lender.record_grant(bench.statement("register", bytes(32)))
    finally:
        await anchors_at_court.close()
        await submits_at_lender.close()


async def test_court_gateway_may_read_but_not_submit(bench: Bench) -> None:
    settings = dict(read_court(bench.home / "court/config.toml").court_ledger.settings)
    gateway = await open_court(settings)
    try:
        with pytest.raises(Denied):
            await gateway.submit(await bench.submission(3))
        assert await gateway.latest(bench.origin) is None
    finally:
        await gateway.close()


def set_depth(home: Path, depth: int) -> None:
    """Both nodes count a block as final only under so many others."""
    for role in ("lender-ledger", "court-ledger"):
        path = home / role / "config.toml"
        path.write_text(f"final_depth = {depth}\n" + path.read_text())


async def test_receipt_of_a_deep_ledger_stands_in_a_final_block(bench: Bench) -> None:
    """`submit` promises a final block: what it returns can be proven at once, however deep finality lies."""
    await bench.stop()
    set_depth(bench.home, 3)
    await bench.start()
    for size, old in ((2, 0), (3, 2), (8, 3)):
        submission = await bench.submission(size, old_size=old)
        receipt: Receipt = await bench.court.submit(submission)
        assert bench.proven(await bench.court.prove(receipt.tx_id), bench.court_root).fact["size"] == size
    tx = await bench.court.record_grant(bench.statement("register", bytes(32)))
    assert bench.proven(await bench.court.prove(tx), bench.court_root).fact["type"] == "grant"


async def test_deep_ledger_that_stopped_half_way_makes_its_last_write_final(bench: Bench) -> None:
    """A block whose followers a crash prevented gets them at the next start, not with the next write."""
    anchor = await bench.source.anchor(bench.checkpoint(3))
    await bench.stop()
    set_depth(bench.home, 2)
    await bench.start()
    head = await bench.source.head()
    assert head.final_height >= anchor.height
    assert bench.proven(await bench.source.prove(anchor), bench.lender_root).height == anchor.height


async def reachable(bench: Bench) -> bool:
    try:
        await bench.source.head()
    except Unavailable:
        return False
    return True


async def test_node_that_is_gone_is_unavailable_and_its_feed_ends_so(bench: Bench) -> None:
    await bench.source.anchor(bench.checkpoint(1))
    feed = bench.source.blocks(1)
    assert (await anext(feed)).height == 1
    waiting = asyncio.ensure_future(anext(feed))
    await bench.stop()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await bench.source.head()
    await bench.start()
    await settle(lambda: reachable(bench), "the client finds the node again")
    assert [a.size for block in await chain(bench) for a in block.anchors] == [1]
