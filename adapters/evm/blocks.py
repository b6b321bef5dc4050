"""A block's receipts as a node shows them, and what a bloom filter says of its logs. Who calls compares them with the header's root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.evm.endpoints import Endpoints
from adapters.evm.keccak import keccak256
from adapters.evm.receipts import BLOOM_BYTES, encode_receipt
from adapters.evm.rpc import RpcError
from adapters.evm.trie import Trie
from adapters.evm.values import array, hexed, mapping, quantity
from relay.core.errors import Malformed, Unavailable

RECEIPT_BATCH: Final = 200
_BLOOM_BITS: Final = 8 * BLOOM_BYTES


def in_bloom(bloom: bytes, item: bytes) -> bool:
    """Whether a log of this address or topic may be in the block; False is certain (yellow paper, section 4.3.1)."""
    hashed = keccak256(item)
    bits = (int.from_bytes(hashed[i : i + 2], "big") % _BLOOM_BITS for i in (0, 2, 4))
    return all(bloom[BLOOM_BYTES - 1 - bit // 8] >> bit % 8 & 1 for bit in bits)


async def block_receipts(endpoints: Endpoints, receipts: object, ids: Sequence[bytes]) -> list[object]:
    """The answer to `eth_getBlockReceipts`; from a node without that method, each by its transaction. Raises `Unavailable`."""
    if not isinstance(receipts, RpcError) and receipts is not None:
        return array(receipts, "a block's receipts")
    found: list[object] = []
    for start in range(0, len(ids), RECEIPT_BATCH):
        calls = [("eth_getTransactionReceipt", (hexed(tx),)) for tx in ids[start : start + RECEIPT_BATCH]]
        found += await endpoints.batch(calls)
    for receipt in found:
        if isinstance(receipt, RpcError):
            raise Unavailable(str(receipt))
    return found


def encoded_receipts(receipts: Sequence[object], root: bytes, height: int) -> list[bytes]:
    """As the receipts trie has them, in order; together they have the header's root. Raises `Unavailable`."""
    ordered = sorted(receipts, key=lambda one: quantity(mapping(one, "a receipt").get("transactionIndex"), "an index"))
    try:
        encoded = [encode_receipt(mapping(one, "a receipt")) for one in ordered]
    except Malformed as error:
        raise Unavailable(f"the node's block {height} cannot be read: {error}") from None
    if Trie.of_list(encoded).root != root:
        raise Unavailable(f"what the node shows of block {height} does not hash to its receiptsRoot")
    return encoded
