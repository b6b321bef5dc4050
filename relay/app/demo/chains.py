"""What the story does to EVM chains, and what only their owners could forge."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from adapters.evm.attestation import attestation_text, attester_key, join_attestation
from adapters.evm.devchain import CONTRACT
from adapters.evm.events import TOPICS
from adapters.evm.header import parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.node import read_node_config
from adapters.evm.proof import ATTESTED, build_proof
from adapters.evm.rlp import encode, scalar
from adapters.evm.rpc import HttpRpc
from adapters.evm.trie import Trie
from adapters.evm.values import quantity
from relay.app.runtime import SystemClock
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof
from relay.core.note import sign_note
from relay.setup.signers import open_signer

THRESHOLD: Final = 3
_WORD: Final = 32


async def reorganise(home: Path) -> list[str]:
    """The lender's chain drops as many of its newest blocks as are not final, and builds others in their place; what became of them."""
    config = read_node_config(home / "lender-ledger" / "config.toml")
    if config.dev is None or not isinstance(config.chain.finality, int):
        raise Malformed("demo", "", "only a chain for development can be made to reorganise")
    depth = config.chain.finality
    rpc = HttpRpc(config.dev.url, config.chain.chain_id)
    try:
        async with _standing_still(rpc, config.dev.block_time_s):
            height = quantity(await rpc.call("eth_blockNumber"), "a height")
            before = await _blocks(rpc, height - depth + 1, height)
            await rpc.call("anvil_reorg", depth, [])
            after = await _blocks(rpc, height - depth + 1, height)
    finally:
        await rpc.close()
    changed = sum(old["hash"] != new["hash"] for old, new in zip(before, after, strict=True))
    lost = sum(len(block["transactions"]) for block in before)
    return [f"{changed} blocks up to height {height} were replaced; {lost} transactions are on no chain any more"]


@asynccontextmanager
async def _standing_still(rpc: HttpRpc, block_time_s: int) -> AsyncIterator[None]:
    """No block is made meanwhile by the clock; those that are asked about are those that are replaced."""
    if block_time_s:
        await rpc.call("evm_setIntervalMining", 0)
    try:
        yield
    finally:
        if block_time_s:
            await rpc.call("evm_setIntervalMining", block_time_s)


async def _blocks(rpc: HttpRpc, first: int, last: int) -> list[dict[str, Any]]:
    blocks = [await rpc.call("eth_getBlockByNumber", hex(number), False) for number in range(first, last + 1)]
    return [block for block in blocks if isinstance(block, dict)]


def forge_anchor(folder: Path, checkpoint: Checkpoint) -> LedgerProof:
    """A block that the chain never had, with an anchor of this checkpoint, attested with all attesters' stolen keys."""
    config = read_node_config(folder / "config.toml")
    chain, contract = config.chain, bytes.fromhex(CONTRACT.removeprefix("0x"))
    receipt = _receipt(contract, checkpoint)
    transaction = b"\x02" + encode(
        [scalar(chain.chain_id), b"", b"", b"", b"", contract, b"", b"", [], b"", secrets.token_bytes(31), b"\x01"]
    )
    now_s = SystemClock().now_ms() // 1000
    header = parse_header(_header(Trie.of_list([transaction]).root, Trie.of_list([receipt]).root, now_s))
    text = attestation_text(chain.ledger, chain.chain_id, header.height, header.time_ms, header.hash)
    signatures = []
    for name in sorted(config.attesters)[:THRESHOLD]:
        signer = open_signer(config.attesters[name])
        signatures.append(sign_note(text, attester_key(chain.ledger, name, signer.public_key), signer.sign))
    body = build_proof(
        header=header.raw,
        index=0,
        log=0,
        receipts=[receipt],
        transactions=[transaction],
        attestation=join_attestation(text, signatures),
    )
    return LedgerProof(kind=ATTESTED, ledger=chain.ledger, body=body)


def _receipt(contract: bytes, checkpoint: Checkpoint) -> bytes:
    origin = checkpoint.origin.encode()
    padded = origin.ljust(-(-len(origin) // _WORD) * _WORD, b"\0")
    words = [3 * _WORD, checkpoint.size, int.from_bytes(checkpoint.root, "big"), len(origin)]
    data = b"".join(word.to_bytes(_WORD, "big") for word in words) + padded
    topics = [TOPICS["Anchored"], keccak256(origin), secrets.token_bytes(20).rjust(_WORD, b"\0")]
    return b"\x02" + encode([b"\x01", scalar(100_000), bytes(256), [[contract, topics, data]]])


def _header(transactions: bytes, receipts: bytes, time_s: int) -> bytes:
    hashes = [secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(20), secrets.token_bytes(32)]
    numbers = [scalar(n) for n in (0, 1_000_000, 30_000_000, 100_000, time_s)]
    return encode([*hashes, transactions, receipts, bytes(256), *numbers, b"", bytes(32), bytes(8), scalar(7)])
