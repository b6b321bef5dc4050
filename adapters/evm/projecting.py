"""The mapped events of a lender's chain behind the port: final blocks only, and nothing taken from a node's word.

A header hashes to its block's hash, and has a bloom filter of its logs and the root of its receipts. Where the filter says that no event
of ours is in a block, none is; every other block's receipts are read whole and must have the root. So no node can leave an event out,
put one in, or say that a failed transaction succeeded. What is final is the endpoints' word: with several, a quorum's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from adapters.evm.abi import anchor_log_interface
from adapters.evm.blocks import block_receipts, encoded_receipts, in_bloom
from adapters.evm.chain import PAUSE_S, TRIES, Chain, Header, read_header
from adapters.evm.config import read_config
from adapters.evm.declaration import Misdeclared
from adapters.evm.feed import WATCH_S, Bell
from adapters.evm.mapping import EventMapping, read_mappings
from adapters.evm.opening import check_installed
from adapters.evm.receipts import BLOOM_BYTES, Log, parse_receipt
from adapters.evm.rpc import Call, RpcError
from adapters.evm.values import array, hash32, hexed, mapping, octets
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.core.projection import LedgerEvent
from relay.ports.projection import EventSource, Place, Refusal, Stretch
from relay.telemetry.events import EVENT_NOT_MAPPED, log_event

log = logging.getLogger(__name__)

RANGE_BLOCKS: Final = 64
"""Asked for at once, each with the ids of its transactions: full blocks must fit into one answer."""
EVENTS_MAX: Final = 4096
"""A stretch ends with the block that brings it to so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A block whose header hashes to its hash."""

    header: Header
    bloom: bytes
    receipts_root: bytes
    ids: tuple[bytes, ...]
    """Of its transactions; as the node says."""


class EvmEvents:
    """Implements relay.ports.projection.LedgerEvents."""

    def __init__(self, chain: Chain, mappings: Sequence[EventMapping], *, watch_s: float = WATCH_S) -> None:
        self._chain = chain
        self._mappings = tuple(mappings)
        self._by_event = {(one.address, one.event.topic): one for one in mappings}
        self._watch_s = watch_s

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._chain.config.ledger

    @property
    def sources(self) -> Sequence[EventSource]:
        """See the port."""
        return [one.source for one in self._mappings]

    async def final_height(self) -> int:
        """See the port."""
        return await self._chain.final_height((await self._chain.newest()).height)

    async def stretches(self, after: Place) -> AsyncGenerator[Stretch, None]:
        """See the port."""
        if after.height:
            await self._check_stands(after)
        else:
            after = Place(height=min(one.start for one in self._mappings) - 1, block_hash=b"")
        bell = Bell(self._chain, watch_s=self._watch_s)
        rang = False
        try:
            while True:
                await bell.listen()
                came = False
                while after.height < (final := await self.final_height()):
                    stretch = await self._next(after, final)
                    yield stretch
                    after, came = stretch.upto, True
                # what one node announces, another that is read may show a moment later
                rang = await bell.wait(soon=rang and not came)
        finally:
            bell.end()

    async def _check_stands(self, place: Place) -> None:
        """Raises `Conflict`: the ledger has broken its word, and a person has to look."""
        found = await self._chain.at(place.height)
        if found is None:
            raise Unavailable(f"{self.ledger} does not show block {place.height}, up to which events are projected")
        if found.hash != place.block_hash:
            raise Conflict(f"{self.ledger} replaced block {place.height}, which was final; its events are in the log")

    async def _next(self, after: Place, final: int) -> Stretch:
        """The next final blocks, at most `RANGE_BLOCKS`."""
        blocks = await self._read(after.height + 1, min(final, after.height + RANGE_BLOCKS))
        if after.block_hash and blocks[0].header.parent != after.block_hash:
            await self._check_stands(after)
            raise Unavailable(f"the nodes of {self.ledger} do not agree on what follows block {after.height}")
        if self._chain.endpoints.several:
            await self._chain.endpoints.agree(blocks[-1].header.height, blocks[-1].header.hash)
        events: list[LedgerEvent] = []
        refused: list[Refusal] = []
        upto = blocks[-1].header
        for block in blocks:
            if self._may_hold(block):
                await self._take(block, events, refused)
            if len(events) + len(refused) >= EVENTS_MAX:
                upto = block.header
                break
        place = Place(height=upto.height, block_hash=upto.hash)
        return Stretch(upto=place, events=tuple(events), refused=tuple(refused))

    def _may_hold(self, block: _Block) -> bool:
        """Whether the header leaves open that an event of ours is in the block."""
        return any(
            one.start <= block.header.height
            and in_bloom(block.bloom, one.address)
            and in_bloom(block.bloom, one.event.topic)
            for one in self._mappings
        )

    async def _read(self, low: int, high: int) -> list[_Block]:
        """Blocks [low, high] that follow each other. Raises `Unavailable`."""
        for _ in range(TRIES):
            calls: list[Call] = [("eth_getBlockByNumber", (hex(height), False)) for height in range(low, high + 1)]
            answers = await self._chain.endpoints.batch(calls)
            for answer in answers:
                if isinstance(answer, RpcError):
                    raise Unavailable(str(answer))
            if all(answer is not None for answer in answers):
                blocks = [self._block(answer, low + i) for i, answer in enumerate(answers)]
                if all(b.header.parent == a.header.hash for a, b in pairwise(blocks)):
                    return blocks
            await asyncio.sleep(PAUSE_S)
        raise Unavailable(f"the node's blocks {low} to {high} do not follow each other")

    def _block(self, value: object, height: int) -> _Block:
        header = read_header(value, height, qbft=self._chain.qbft)
        fields = mapping(value, "a block")
        ids = array(fields.get("transactions"), "a block's transactions")
        return _Block(
            header=header,
            bloom=octets(fields.get("logsBloom"), "a block's bloom", BLOOM_BYTES),
            receipts_root=hash32(fields.get("receiptsRoot"), "receiptsRoot"),
            ids=tuple(hash32(one, "a transaction's id") for one in ids),
        )

    async def _take(self, block: _Block, events: list[LedgerEvent], refused: list[Refusal]) -> None:
        """Add what one block holds."""
        endpoints, wanted = self._chain.endpoints, hexed(block.header.hash)
        (answer,) = await endpoints.batch([("eth_getBlockReceipts", (wanted,))])
        found = await block_receipts(endpoints, answer, block.ids)
        logs = await asyncio.to_thread(_logs, found, block)
        passed: list[str] = []
        for place, (one, succeeded) in enumerate(logs):
            known = self._by_event.get((one.address, one.topics[0] if one.topics else b""))
            if known is None or block.header.height < known.start:
                topic = hexed(one.topics[0]) if one.topics else "no topic"
                passed.append(f"log {place} of {hexed(one.address)} ({topic})")
                continue
            try:
                events.append(_event(known, one, succeeded, place, block.header))
            except Misdeclared:
                raise
            except Malformed as error:
                refused.append(Refusal(height=block.header.height, log=place, reason=str(error)))
        if passed:
            log_event(log, EVENT_NOT_MAPPED, height=block.header.height, first=passed[0], more=len(passed) - 1)

    async def close(self) -> None:
        """See the port."""
        await self._chain.close()


def _logs(receipts: Sequence[object], block: _Block) -> list[tuple[Log, bool]]:
    """Every log of a block in order, and whether its transaction succeeded. Raises `Unavailable`."""
    height = block.header.height
    try:
        read = [parse_receipt(one) for one in encoded_receipts(receipts, block.receipts_root, height)]
    except Malformed as error:
        raise Unavailable(f"the node's block {height} cannot be read: {error}") from None
    return [(one, receipt.succeeded) for receipt in read for one in receipt.logs]


def _event(known: EventMapping, one: Log, succeeded: bool, place: int, header: Header) -> LedgerEvent:
    if not succeeded:
        raise Malformed("event", "transaction", "failed")
    return known.read(
        one.topics,
        one.data,
        height=header.height,
        block_hash=header.hash,
        log=place,
        time_s=header.time_ms // 1000,
    )


async def open_events(
    config: Mapping[str, object], tables: Sequence[Mapping[str, object]], *, qbft: bool = False
) -> EvmEvents:
    """Read the configuration; nodes are connected to with the first call. Keys: see docs/evm.md. Raises `Malformed`."""
    check_installed()
    read = read_config(config, attested=not qbft)
    mappings = read_mappings(tables, read.chain_id)
    for one in mappings:
        if one.address == read.contract:
            reason = "is that of the anchors: every anchor would make an entry, and every entry an anchor"
            raise Malformed("configuration", f"{one.place}.address", reason)
    return EvmEvents(Chain(read, anchor_log_interface(), qbft=qbft), mappings)
