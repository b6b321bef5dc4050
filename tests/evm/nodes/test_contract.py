"""The EVM family against the port's contract, on real chains with real attesters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.evm.abi import court_registry_interface
from adapters.evm.court import open_court
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Conflict, Malformed, NotFound, Unavailable
from tests.evm.nodes.bench import EvmBench, open_evm_bench
from tests.ledgers.contract import CourtContract, SourceContract
from tests.support.anvil import write_key


@pytest.fixture
async def bench(tmp_path: Path, needs_anvil: None) -> AsyncIterator[EvmBench]:
    async with open_evm_bench(tmp_path) as opened:
        yield opened


class TestEvmSource(SourceContract):
    """A lender's chain."""


class TestEvmCourt(CourtContract):
    """A court's chain."""


async def test_racing_attempts_of_one_submission_get_one_receipt(bench: EvmBench) -> None:
    good = await bench.submission(3)
    receipts = await asyncio.gather(*(bench.court.submit(bench.replaced(good, attempt=n)) for n in range(1, 9)))
    assert set(receipts) == {receipts[0]}


async def test_acceptance_that_is_not_final_is_no_receipt_yet_and_is_not_written_twice(bench: EvmBench) -> None:
    """As a relay finds it that died between its transaction and the finality of the block."""
    good = await bench.submission(3)
    checkpoint, _ = parse_checkpoint(good.checkpoint)
    first = await bench.court.submit(good)
    later = await open_court({**bench.court_side.settings("relay", 1), "finality": 3})
    try:
        with pytest.raises(Unavailable, match="not final yet: final is"):
            await later.find(checkpoint.origin, 3, checkpoint.root)
        assert await later.find(checkpoint.origin, 3, bytes(32)) is None
        again = asyncio.create_task(later.submit(good))
        await bench.court_side.anvil.mine(3)
        assert await again == first == await later.find(checkpoint.origin, 3, checkpoint.root)
        assert await bench.court_side.anvil.height() == first.height + 3
    finally:
        await later.close()


async def test_grant_that_another_writer_spoiled_is_a_conflict(bench: EvmBench) -> None:
    """A writer of the contract may record what no lender said: it counts for nothing, and is not silently passed over."""
    digest = bytes(range(32))
    side = bench.court_side
    call = court_registry_interface().encode("recordGrant", bench.lender, digest, False, b"no statement")
    receipt = await side.anvil.send(call, side.contract, write_key(bench.home / "relay", 1)[1].address)
    assert receipt["status"] == "0x1"
    with pytest.raises(Conflict, match="no statement of"):
        await bench.court.record_grant(bench.statement("register", digest))
    assert (await bench.court.grant_state(bench.lender, digest)).registered_ms == 0
    with pytest.raises(NotFound):
        await bench.court.prove(bytes.fromhex(receipt["transactionHash"][2:]))


async def test_revocation_that_another_writer_spoiled_still_revokes(bench: EvmBench) -> None:
    """The contract has one place for it: were it passed over, the lender could never revoke."""
    digest = bytes(range(32))
    side = bench.court_side
    await bench.court.record_grant(bench.statement("register", digest))
    call = court_registry_interface().encode("recordGrant", bench.lender, digest, True, b"no statement")
    await side.anvil.send(call, side.contract, write_key(bench.home / "relay", 1)[1].address)
    state = await bench.court.grant_state(bench.lender, digest)
    assert (state.registered_ms > 0, state.revoked_ms > 0) == (True, True)
    with pytest.raises(Conflict):
        await bench.court.record_grant(bench.statement("revoke", digest))


async def test_without_trust_roots_only_the_form_is_checked_before_sending(bench: EvmBench) -> None:
    """The contract still sees to it that a log grows; everything else is for whoever relies on the chain."""
    settings = {k: v for k, v in bench.court_side.settings("relay", 1).items() if k != "trust"}
    court = await open_court(settings)
    good = await bench.submission(3)
    with pytest.raises(Malformed):
        await court.submit(bench.replaced(good, checkpoint=b"x"))
    with pytest.raises(Malformed):
        await court.record_grant(b"x" * 9000)
    receipt = await court.submit(good)
    assert await bench.court.find(bench.origin, 3, receipt.root) == receipt
    assert bench.proven(await court.prove(receipt.tx_id), bench.court_root).tx_id == receipt.tx_id
    await court.close()


@pytest.mark.parametrize("number", [2**53, 2**63, 2**64, -1])
async def test_number_that_no_fact_can_carry_is_malformed(bench: EvmBench, number: int) -> None:
    good = await bench.submission(3)
    for change in ({"attempt": number}, {"old_size": number}):
        with pytest.raises(Malformed):
            await bench.court.submit(bench.replaced(good, **change))
    with pytest.raises(Malformed):
        await bench.gateway.append_custody_head(bench.custody_note(2), number, ())
    for hashes in ((bytes(32),) * 64, (bytes(31),)):
        with pytest.raises(Malformed):
            await bench.court.submit(bench.replaced(good, consistency=hashes))
