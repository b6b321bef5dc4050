"""What relay.ports.ledgers promises, as tests that any adapter runs by inheriting: a lender's ledger and a court's ledger.

A family's test module gives a fixture `bench` (an object like `tests.ledgers.bench.Bench`) and two classes that inherit from these.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Denied, NotFound, Unverified


class SourceContract:
    """Obligations of an AnchorSource."""

    async def test_anchor_is_found_and_proven(self, bench: Any) -> None:
        checkpoint = bench.checkpoint(3)
        anchor = await bench.source.anchor(checkpoint)
        assert (anchor.origin, anchor.size, anchor.root) == (checkpoint.origin, 3, checkpoint.root)
        assert await bench.source.find(checkpoint.origin, 3) == anchor
        fact = bench.proven(await bench.source.prove(anchor), bench.lender_root)
        assert fact.fact["root"] == checkpoint.root.hex()
        assert (fact.height, fact.tx_id, fact.time_ms) == (anchor.height, anchor.tx_id, anchor.time_ms)

    async def test_same_anchor_again_is_the_first_one(self, bench: Any) -> None:
        first = await bench.source.anchor(bench.checkpoint(3))
        head = await bench.source.head()
        for _ in range(3):
            assert await bench.source.anchor(bench.checkpoint(3)) == first
        assert await bench.source.head() == head

    async def test_other_root_at_an_anchored_size_is_a_conflict(self, bench: Any) -> None:
        await bench.source.anchor(bench.checkpoint(3))
        with pytest.raises(Conflict):
            await bench.source.anchor(Checkpoint(origin=bench.origin, size=3, root=bytes(32)))

    async def test_smaller_size_is_a_conflict(self, bench: Any) -> None:
        await bench.source.anchor(bench.checkpoint(5))
        with pytest.raises(Conflict):
            await bench.source.anchor(bench.checkpoint(4))

    async def test_what_was_never_anchored_is_not_found(self, bench: Any) -> None:
        assert await bench.source.find(bench.origin, 9) is None
        anchor = await bench.source.anchor(bench.checkpoint(2))
        with pytest.raises(NotFound):
            await bench.source.prove(bench.with_tx(anchor, bytes(32)))

    async def test_blocks_come_in_order_without_gaps_from_any_start(self, bench: Any) -> None:
        for size in (1, 2, 3):
            await bench.source.anchor(bench.checkpoint(size))
        head = await bench.source.head()
        for start in (1, 2):
            seen = []
            async for block in bench.source.blocks(start):
                seen.append(block)
                if block.height == head.height:
                    break
            assert [b.height for b in seen] == list(range(start, head.height + 1))
            assert all(b.parent_hash == a.block_hash for a, b in pairwise(seen))
        assert [a.size for b in seen for a in b.anchors][-1] == 3

    async def test_live_feed_shows_what_comes_later(self, bench: Any) -> None:
        async def first_of_size(size: int) -> Any:
            async for block in bench.source.blocks(1):
                for anchor in block.anchors:
                    if anchor.size == size:
                        return anchor
            return None

        waiting = asyncio.create_task(first_of_size(7))
        anchor = await bench.source.anchor(bench.checkpoint(7))
        assert await waiting == anchor


class CourtContract:
    """Obligations of a CourtRegistry."""

    async def test_checkpoint_is_accepted_found_and_proven(self, bench: Any) -> None:
        assert await bench.court.latest(bench.origin) is None
        receipt = await bench.court.submit(await bench.submission(3))
        assert await bench.court.latest(bench.origin) == receipt
        assert await bench.court.find(bench.origin, 3, bench.checkpoint(3).root) == receipt
        assert await bench.court.find(bench.origin, 3, bytes(32)) is None
        fact = bench.proven(await bench.court.prove(receipt.tx_id), bench.court_root)
        assert fact.fact["type"] == "checkpoint"
        assert fact.time_ms == receipt.time_ms

    async def test_same_checkpoint_again_is_the_first_receipt_whatever_the_attempt(self, bench: Any) -> None:
        first = await bench.court.submit(await bench.submission(3))
        for attempt in (1, 2, 9):
            assert await bench.court.submit(await bench.submission(3, attempt=attempt)) == first

    async def test_extension_is_accepted(self, bench: Any) -> None:
        await bench.court.submit(await bench.submission(3))
        receipt = await bench.court.submit(await bench.submission(8, old_size=3))
        assert receipt.size == 8

    async def test_stale_old_size_is_a_conflict(self, bench: Any) -> None:
        await bench.court.submit(await bench.submission(3))
        with pytest.raises(Conflict):
            await bench.court.submit(await bench.submission(8, old_size=0))
        with pytest.raises(Conflict):
            await bench.court.submit(await bench.submission(8, old_size=5))

    async def test_forked_history_is_refused(self, bench: Any) -> None:
        await bench.court.submit(await bench.submission(3))
        with pytest.raises(Unverified, match="consistency"):
            await bench.court.submit(await bench.submission(8, old_size=3, fork=True))
        assert (await bench.court.latest(bench.origin)).size == 3

    async def test_missing_or_damaged_consistency_is_refused(self, bench: Any) -> None:
        await bench.court.submit(await bench.submission(3))
        good = await bench.submission(8, old_size=3)
        for hashes in (
            (),
            good.consistency[:-1],
            (*good.consistency, bytes(32)),
            tuple(bytes(32) for _ in good.consistency),
        ):
            with pytest.raises(Unverified):
                await bench.court.submit(bench.replaced(good, consistency=hashes))

    async def test_signature_of_another_log_key_is_refused(self, bench: Any) -> None:
        with pytest.raises(Unverified):
            await bench.court.submit(await bench.submission(3, log_key=bench.stranger))

    async def test_missing_witness_is_refused(self, bench: Any) -> None:
        with pytest.raises(Unverified, match="cosignature"):
            await bench.court.submit(await bench.submission(3, cosigned=False))

    async def test_cosignature_of_a_stranger_is_refused(self, bench: Any) -> None:
        with pytest.raises(Unverified):
            await bench.court.submit(await bench.submission(3, witness=bench.stranger))

    async def test_anchor_of_another_checkpoint_is_refused(self, bench: Any) -> None:
        other = await bench.submission(2)
        with pytest.raises(Unverified):
            await bench.court.submit(bench.replaced(await bench.submission(3), anchor=other.anchor))

    async def test_origin_that_is_not_registered_is_denied(self, bench: Any) -> None:
        with pytest.raises(Denied):
            await bench.court.submit(await bench.submission(3, origin="other.example/log"))

    async def test_grant_is_registered_and_revoked_once(self, bench: Any) -> None:
        digest = bytes(range(32))
        assert (await bench.court.grant_state(bench.lender, digest)).registered_ms == 0
        first = await bench.court.record_grant(bench.statement("register", digest))
        assert await bench.court.record_grant(bench.statement("register", digest)) == first
        state = await bench.court.grant_state(bench.lender, digest)
        assert (state.registered_ms > 0, state.revoked_ms, state.registration) == (True, 0, first)
        revoked = await bench.court.record_grant(bench.statement("revoke", digest))
        assert await bench.court.record_grant(bench.statement("revoke", digest)) == revoked
        assert (await bench.court.grant_state(bench.lender, digest)).revoked_ms > 0

    async def test_revoking_what_was_never_registered_is_a_conflict(self, bench: Any) -> None:
        with pytest.raises(Conflict):
            await bench.court.record_grant(bench.statement("revoke", bytes(32)))

    async def test_statement_with_a_strangers_signature_is_refused(self, bench: Any) -> None:
        with pytest.raises(Unverified):
            await bench.court.record_grant(bench.statement("register", bytes(32), key=bench.stranger))

    async def test_one_lender_says_nothing_of_anothers_grant(self, bench: Any) -> None:
        digest = bytes(range(32))
        await bench.court.record_grant(bench.statement("register", digest))
        other = "spiffe://courtrelay.example/custodian/other"
        assert (await bench.court.grant_state(other, digest)).registered_ms == 0
        with pytest.raises(Denied):
            await bench.court.record_grant(bench.statement("revoke", digest, iss=other))

    async def test_custody_heads_must_extend(self, bench: Any) -> None:
        tx = await bench.gateway.append_custody_head(bench.custody_note(2), 0, ())
        assert await bench.gateway.append_custody_head(bench.custody_note(2), 0, ()) == tx
        with pytest.raises(Conflict):
            await bench.gateway.append_custody_head(bench.custody_note(5), 0, ())
        await bench.gateway.append_custody_head(bench.custody_note(5), 2, bench.custody_consistency(2, 5))
        assert (await bench.court.latest(bench.custody_origin)).size == 5

    async def test_unknown_transaction_is_not_found(self, bench: Any) -> None:
        with pytest.raises(NotFound):
            await bench.court.prove(bytes(32))

    async def test_everything_stands_after_a_restart(self, bench: Any) -> None:
        receipt = await bench.court.submit(await bench.submission(3))
        digest = bytes(range(32))
        tx = await bench.court.record_grant(bench.statement("register", digest))
        await bench.restart()
        assert await bench.court.latest(bench.origin) == receipt
        assert await bench.court.submit(await bench.submission(3, attempt=4)) == receipt
        assert await bench.court.record_grant(bench.statement("register", digest)) == tx
        assert (await bench.court.submit(await bench.submission(8, old_size=3))).size == 8
