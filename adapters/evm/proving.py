"""Proofs from a node's answers: nothing is taken from it that does not hash to the block's own roots, and to its hash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.evm.attesters import Attesters
from adapters.evm.blocks import block_receipts, encoded_receipts
from adapters.evm.chain import Chain, Header, header_bytes, read_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import build_proof
from adapters.evm.receipts import encode_transaction
from adapters.evm.rpc import RpcError
from adapters.evm.trie import Trie
from adapters.evm.values import array, hash32, hexed, mapping, quantity
from relay.core.errors import Malformed, NotFound, Unavailable
from relay.core.ledgerproof import LedgerProof, LedgerProofVerifier
from relay.core.trust import LedgerRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A whole block as a node shows it."""

    header: Header
    raw: bytes
    json: Mapping[str, object]
    receipts: list[object]


class Prover:
    """Makes proofs of one kind for one ledger. `root` and `verify`: what is pinned, to check what is made; None checks nothing more."""

    def __init__(
        self,
        chain: Chain,
        kind: str,
        attesters: Attesters | None,
        root: LedgerRoot | None,
        verify: LedgerProofVerifier,
    ) -> None:
        self._chain = chain
        self._kind = kind
        self._attesters = attesters
        self._root = root
        self._verify = verify

    async def prove(self, tx_id: bytes, wanted: Callable[[Mapping[str, Any]], bool]) -> LedgerProof:
        """The proof of the first event of our contract in that transaction that is wanted.

        Raises `NotFound` when there is none in a final block, `Unavailable` when nodes or attesters do not give what a proof needs.
        """
        await self._chain.ready()
        receipt = await self._receipt(tx_id)
        height = quantity(receipt.get("blockNumber"), "a receipt's block")
        block_hash = hash32(receipt.get("blockHash"), "a receipt's block")
        index = quantity(receipt.get("transactionIndex"), "a receipt's index")
        place = self._log_index(receipt, wanted)
        final = (await self._chain.head()).final_height
        if not 0 < height <= final:
            raise NotFound(f"transaction {hexed(tx_id)} is in block {height} and not final: final is {final}")
        if self._chain.endpoints.several:
            await self._chain.endpoints.agree(height, block_hash)
        block = await self._block(height, block_hash)
        body = await asyncio.to_thread(_body, block, tx_id, index, place)
        attestation = ""
        if self._attesters is not None:
            attestation = await self._attesters.attest(height, block.header.time_ms, block_hash)
        proof = LedgerProof(kind=self._kind, ledger=self._chain.config.ledger, body=body(attestation))
        if self._root is not None:
            await asyncio.to_thread(self._verify, proof, self._root)
        return proof

    async def _receipt(self, tx_id: bytes) -> Mapping[str, object]:
        try:
            value = await self._chain.endpoints.call("eth_getTransactionReceipt", hexed(tx_id))
        except RpcError as error:
            raise Unavailable(str(error)) from None
        if value is None or mapping(value, "a receipt").get("blockNumber") is None:
            raise NotFound(f"{self._chain.config.ledger} shows no transaction {hexed(tx_id)} in a block")
        return mapping(value, "a receipt")

    def _log_index(self, receipt: Mapping[str, object], wanted: Callable[[Mapping[str, Any]], bool]) -> int:
        if receipt.get("status") == "0x1":
            for place, entry in enumerate(array(receipt.get("logs"), "a receipt's logs")):
                event = self._chain.read_event(entry)
                if event is not None and wanted(event.fact):
                    return place
        raise NotFound(
            f"transaction {receipt.get('transactionHash')} wrote nothing of this kind to {self._chain.interface.name}"
        )

    async def _block(self, height: int, block_hash: bytes) -> _Block:
        """The block with all its transactions and receipts."""
        endpoints = self._chain.endpoints
        block, receipts = await endpoints.batch(
            [("eth_getBlockByHash", (hexed(block_hash), True)), ("eth_getBlockReceipts", (hexed(block_hash),))]
        )
        if isinstance(block, RpcError):
            raise Unavailable(str(block))
        if block is None:
            raise NotFound(f"block {height} has left the chain of {self._chain.config.ledger}")
        fields = mapping(block, "a block")
        transactions = array(fields.get("transactions"), "a block's transactions")
        header = read_header(block, height, qbft=self._chain.qbft)
        if header.hash != block_hash:
            raise Unavailable(f"the node shows another block {height} than it was asked for")
        ids = [hash32(mapping(tx, "a transaction").get("hash"), "a transaction's id") for tx in transactions]
        found = await block_receipts(endpoints, receipts, ids)
        return _Block(header=header, raw=header_bytes(block), json=fields, receipts=found)


def _body(block: _Block, tx_id: bytes, index: int, place: int) -> Callable[[str], bytes]:
    """Checks everything against the header, and gives what makes the proof's body of an attestation. Raises `Unavailable`."""
    root = hash32(block.json.get("receiptsRoot"), "receiptsRoot")
    receipts = encoded_receipts(block.receipts, root, block.header.height)
    try:
        transactions = [
            encode_transaction(mapping(one, "a transaction"))
            for one in array(block.json.get("transactions"), "a block's transactions")
        ]
    except Malformed as error:
        raise Unavailable(f"the node's block {block.header.height} cannot be read: {error}") from None
    if Trie.of_list(transactions).root != hash32(block.json.get("transactionsRoot"), "transactionsRoot"):
        raise Unavailable(f"what the node shows of block {block.header.height} does not hash to its transactionsRoot")
    if index >= len(transactions) or keccak256(transactions[index]) != tx_id:
        raise Unavailable(
            f"transaction {hexed(tx_id)} does not stand where the node says in block {block.header.height}"
        )

    def body(attestation: str) -> bytes:
        return build_proof(
            header=block.raw, index=index, log=place, receipts=receipts, transactions=transactions, attestation=attestation
        )  # fmt: skip

    return body
