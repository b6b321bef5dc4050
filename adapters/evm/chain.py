"""One chain as our contract's readers see it: heads, headers that hash to what they claim, events of one contract, views."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from adapters.evm.abi import Interface
from adapters.evm.config import HEIGHT_MAX, EvmConfig
from adapters.evm.endpoints import Endpoints
from adapters.evm.events import decode
from adapters.evm.header import encode_header, parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.rpc import Call, RpcError
from adapters.evm.values import ADDRESS_BYTES, array, hash32, hexed, mapping, octets, quantity
from relay.core.errors import Malformed, Unavailable, Unverified
from relay.ports.ledgers import LedgerHead

TRIES: Final = 8
"""How often a question is asked again whose answers do not fit together: a block may have left the chain in between."""
PAUSE_S: Final = 0.05
TOPICS_MAX: Final = 4
LOG_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a block's header says; its bytes hash to `hash`."""

    height: int
    hash: bytes
    parent: bytes
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of our contract. `fact` as docs/spec/ledger-evm.md lists it."""

    fact: dict[str, Any]
    height: int
    block_hash: bytes
    tx_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An event and its block's time, ms since 1970 UTC."""

    event: Event
    time_ms: int


def read_header(value: object, height: int | None = None, *, qbft: bool = False) -> Header:
    """A block from JSON-RPC whose fields hash to its hash (with `qbft`: without seals and round). Raises `Unavailable`."""
    block = mapping(value, "a block")
    found = Header(
        height=quantity(block.get("number"), "a block's number"),
        hash=hash32(block.get("hash"), "a block's hash"),
        parent=hash32(block.get("parentHash"), "a block's parent"),
        time_ms=quantity(block.get("timestamp"), "a block's time") * 1000,
    )
    if found.height > HEIGHT_MAX or (height is not None and found.height != height):
        raise Unavailable(f"the node shows block {found.height} where block {height} was asked for")
    if (found.height or not qbft) and _hash(header_bytes(block), qbft) != found.hash:
        raise Unavailable(f"the node shows a block {found.height} whose fields do not hash to its hash")
    return found


def header_bytes(block: object) -> bytes:
    """The header's RLP. Raises `Unavailable` where a field is missing or of no use."""
    try:
        return encode_header(mapping(block, "a block"))
    except (Malformed, Unverified) as error:
        raise Unavailable(f"the node's block cannot be read: {error}") from None


def _hash(raw: bytes, qbft: bool) -> bytes:
    if not qbft:
        return keccak256(raw)
    from adapters.evm.seals import chain_hash

    try:
        return chain_hash(parse_header(raw))
    except Malformed as error:
        raise Unavailable(f"the node's block has no QBFT or IBFT 2.0 header: {error}; is the family evm?") from None


class Chain:
    """Reads one contract on one chain. `qbft`: blocks are sealed by QBFT or IBFT 2.0, and hashed without their seals."""

    def __init__(self, config: EvmConfig, interface: Interface, *, qbft: bool = False) -> None:
        self.config = config
        self.interface = interface
        self.qbft = qbft
        self.endpoints = Endpoints(config.endpoints, config.chain_id, config.quorum)
        self._code_checked = False

    async def ready(self) -> None:
        """The code at the contract's address is ours. Raises `Unavailable` saying what else is there."""
        if self._code_checked:
            return
        code = octets(await self._call("eth_getCode", hexed(self.config.contract), "latest"), "a contract's code")
        address = hexed(self.config.contract)
        if not code:
            raise Unavailable(
                f"there is no contract at {address} on {self.config.ledger}: deploy it or correct ledger.contract"
            )
        if code != self.interface.runtime:
            raise Unavailable(f"the contract at {address} is not {self.interface.name}: correct ledger.contract")
        self._code_checked = True

    async def _call(self, method: str, *params: object) -> object:
        try:
            return await self.endpoints.call(method, *params)
        except RpcError as error:
            raise Unavailable(str(error)) from None

    async def newest(self) -> Header:
        """The newest block."""
        return read_header(await self._call("eth_getBlockByNumber", "latest", False), qbft=self.qbft)

    async def at(self, height: int) -> Header | None:
        """The block of that height, None when there is none."""
        value = await self._call("eth_getBlockByNumber", hex(height), False)
        return None if value is None else read_header(value, height, qbft=self.qbft)

    async def final_height(self, height: int) -> int:
        """The highest final height as the nodes see it now, at most `height`, the newest."""
        finality = self.config.finality
        if isinstance(finality, int):
            # of several nodes, no single one can make the chain look longer than it is
            newest = min(height, await self.endpoints.tagged_height("latest")) if self.endpoints.several else height
            return max(0, newest - finality)
        return min(height, await self.endpoints.tagged_height(finality))

    async def head(self) -> LedgerHead:
        """Newest and final height; with several endpoints the final block is one that a quorum shows."""
        await self.ready()
        newest = await self.newest()
        final = await self.final_height(newest.height)
        if final and self.endpoints.several:
            block = newest if final == newest.height else await self.at(final)
            if block is None:
                raise Unavailable(f"the node does not show block {final}, which is final")
            await self.endpoints.agree(final, block.hash)
        return LedgerHead(height=newest.height, block_hash=newest.hash, final_height=final)

    async def view(self, function: str, *arguments: object) -> tuple[Any, ...]:
        """A view of the contract, at the newest block. Raises `Unavailable`."""
        await self.ready()
        call = {"to": hexed(self.config.contract), "data": hexed(self.interface.encode(function, *arguments))}
        return self.interface.decode(function, octets(await self._call("eth_call", call, "latest"), "a view's answer"))

    def log_filter(self, low: int, high: int, topics: Sequence[bytes | None]) -> dict[str, object]:
        """The filter of `eth_getLogs` for our contract's events in [low, high]."""
        return {
            "fromBlock": hex(low),
            "toBlock": hex(high),
            "address": hexed(self.config.contract),
            "topics": [None if topic is None else hexed(topic) for topic in topics],
        }

    def read_event(self, value: object) -> Event | None:
        """A log of ours; None for one of another contract or another event. Raises `Unavailable` for what is no log."""
        entry = mapping(value, "a log")
        if octets(entry.get("address"), "a log's address", ADDRESS_BYTES) != self.config.contract:
            return None
        if entry.get("removed") is True:
            return None
        topics = [hash32(topic, "a topic") for topic in array(entry.get("topics"), "a log's topics")[: TOPICS_MAX + 1]]
        data = octets(entry.get("data"), "a log's data")
        if len(data) > LOG_BYTES_MAX:
            return None
        try:
            fact = decode(self.config.contract, topics, data)
        except (Malformed, Unverified):
            return None
        return Event(
            fact=dict(fact),
            height=quantity(entry.get("blockNumber"), "a log's block"),
            block_hash=hash32(entry.get("blockHash"), "a log's block"),
            tx_id=hash32(entry.get("transactionHash"), "a log's transaction"),
        )

    async def range(self, low: int, high: int, topics: Sequence[bytes | None]) -> tuple[list[Header], list[Event]]:
        """Headers [low, high] that follow each other, and the events in exactly these blocks, in order. Raises `Unavailable`.

        A refusal is asked again like a missing block: while a node takes a block in, it may show what the block did, and refuse
        the block's logs as out of range.
        """
        reason = "do not fit together"
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            calls: list[Call] = [("eth_getBlockByNumber", (hex(height), False)) for height in range(low, high + 1)]
            if high >= self.config.start_height:
                calls.append(("eth_getLogs", (self.log_filter(low, high, topics),)))
            answers = await self.endpoints.batch(calls)
            refusals = [answer for answer in answers if isinstance(answer, RpcError)]
            if refusals or any(answer is None for answer in answers):
                reason = str(refusals[0]) if refusals else "are not all there"
                continue
            blocks, logs = answers[: high + 1 - low], answers[high + 1 - low :]
            headers = [read_header(block, low + i, qbft=self.qbft) for i, block in enumerate(blocks)]
            events = [e for one in logs for e in map(self.read_event, array(one, "logs")) if e is not None]
            if all(b.parent == a.hash for a, b in pairwise(headers)) and _fit(headers, events):
                return headers, events
            reason = "do not fit together"
        raise Unavailable(f"the node's blocks {low} to {high} and their logs: {reason}")

    async def placed(self, height: int, topics: Sequence[bytes | None], **wanted: object) -> Placed | None:
        """The first event in a block whose fact has these members; None when the block has none (any more)."""
        (header,), events = await self.range(height, height, topics)
        for event in events:
            if all(event.fact.get(name) == value for name, value in wanted.items()):
                return Placed(event=event, time_ms=header.time_ms)
        return None

    async def entry(
        self, view: str, key: Sequence[object], topics: Sequence[bytes | None], **wanted: object
    ) -> Placed | None:
        """What the contract's state has under a key, as the event that put it there; `view` gives (…, block, exists).

        None when the state has nothing. Raises `Unavailable` when state and events do not fit together.
        """
        for _ in range(TRIES):
            _, block, exists = await self.view(view, *key)
            if not exists:
                return None
            placed = await self.placed(block, topics, **wanted)
            if placed is not None:
                return placed
            await asyncio.sleep(PAUSE_S)
        raise Unavailable(f"{self.interface.name}.{view} names a block without the event; are the endpoints in step?")

    async def stands(self, height: int, block_hash: bytes) -> bool:
        """Whether the chain has this block at this height now."""
        block = await self.at(height)
        return block is not None and block.hash == block_hash

    async def close(self) -> None:
        """Give up connections."""
        await self.endpoints.close()


def _fit(headers: Sequence[Header], events: Sequence[Event]) -> bool:
    """Every event stands in one of these very blocks."""
    low = headers[0].height
    return all(
        0 <= event.height - low < len(headers) and headers[event.height - low].hash == event.block_hash
        for event in events
    )
