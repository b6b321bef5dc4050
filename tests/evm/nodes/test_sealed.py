"""Family evm-qbft over JSON-RPC: blocks are named by the hash without seals, and a proof carries the seals as they are."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from adapters.evm.abi import anchor_log_interface
from adapters.evm.opening import open_ledger
from adapters.evm.proof import verify_qbft
from adapters.evm.source import EvmSource
from adapters.evm.values import hexed
from relay.core.errors import Unavailable, Unverified
from tests.evm.nodes.lender import Lender, open_lender, point, read
from tests.evm.nodes.sealing import KEYS, Sealer, sealed_root
from tests.support.lying import Liar, lying


async def sealed_source(lender: Lender, liar: Liar) -> EvmSource:
    table = {
        "ledger": "evm:sealed-1",
        "endpoints": [liar.url],
        "chain_id": lender.anvil.chain_id,
        "contract": hexed(lender.contract),
        "finality": 0,
    }
    return EvmSource(await open_ledger(table, anchor_log_interface(), qbft=True))


async def test_sealed_chain_is_read_and_proven(tmp_path: Path, needs_anvil: None) -> None:
    async with open_lender(tmp_path) as lender, lying(lender.anvil.url) as liar:
        writer = await lender.source()
        for size in (1, 2, 3):
            await writer.anchor(point(size))
        sealer = Sealer(lender.anvil)
        await sealer.follow()
        liar.alter, liar.rewrite = sealer.alter, sealer.unseal
        source = await sealed_source(lender, liar)
        blocks = await read(source, 1, (await source.head()).height)
        assert all(b.parent_hash == a.block_hash for a, b in pairwise(blocks))
        assert [a.size for b in blocks for a in b.anchors] == [1, 2, 3]
        anchor = await source.find("lender.example/log", 2)
        assert anchor == blocks[-2].anchors[0]
        root = sealed_root("evm:sealed-1", lender.anvil, lender.contract)
        fact = verify_qbft(await source.prove(anchor), root)
        assert (fact.height, fact.block_hash, fact.tx_id) == (anchor.height, anchor.block_hash, anchor.tx_id)
        await source.close()


async def test_seals_of_too_few_make_no_proof(tmp_path: Path, needs_anvil: None) -> None:
    async with open_lender(tmp_path) as lender, lying(lender.anvil.url) as liar:
        await (await lender.source()).anchor(point(1))
        sealer = Sealer(lender.anvil, KEYS[:2])
        await sealer.follow()
        liar.alter, liar.rewrite = sealer.alter, sealer.unseal
        source = await sealed_source(lender, liar)
        anchor = await source.find("lender.example/log", 1)
        assert anchor is not None
        proof = await source.prove(anchor)
        with pytest.raises(Unverified, match="at least 3"):
            verify_qbft(proof, sealed_root("evm:sealed-1", lender.anvil, lender.contract))
        await source.close()


async def test_chain_without_seals_is_not_read_as_a_sealed_one(tmp_path: Path, needs_anvil: None) -> None:
    async with open_lender(tmp_path) as lender, lying(lender.anvil.url) as liar:
        source = await sealed_source(lender, liar)
        with pytest.raises(Unavailable, match="is the family evm"):
            await source.head()
        await source.close()
