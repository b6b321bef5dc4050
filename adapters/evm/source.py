"""A lender's chain behind the port: anchors are events of the contract AnchorLog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from adapters.evm.abi import anchor_log_interface
from adapters.evm.chain import Event, Placed
from adapters.evm.events import TOPICS
from adapters.evm.feed import WATCH_S, Feed
from adapters.evm.keccak import keccak256
from adapters.evm.opening import Opened, check_hash, check_name, check_size, open_ledger
from relay.core.checkpoint import Checkpoint, parse_origin
from relay.core.errors import Conflict, Malformed, NotFound
from relay.core.fields import IDENTIFIER
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import TREE_SIZE_MAX
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead

_TOPIC = TOPICS["Anchored"]


class EvmSource:
    """Implements relay.ports.AnchorSource."""

    def __init__(self, opened: Opened, *, watch_s: float = WATCH_S) -> None:
        self._opened = opened
        self._chain = opened.chain
        self._watch_s = watch_s

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._opened.config.ledger

    async def head(self) -> LedgerHead:
        """See the port."""
        return await self._chain.head()

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        """See the port."""
        async with aclosing(Feed(self._chain, _TOPIC, start, watch_s=self._watch_s).blocks()) as feed:
            async for block in feed:
                header = block.header
                yield AnchorBlock(
                    height=header.height,
                    block_hash=header.hash,
                    parent_hash=header.parent,
                    time_ms=header.time_ms,
                    anchors=tuple(
                        self._anchor(event, header.time_ms)
                        for event in block.events
                        if _is_origin(event.fact["origin"])
                    ),
                    final_height=block.final_height,
                )

    def prompt(self) -> None:
        """See relay.ports.ledgers.Prompted."""
        self._chain.endpoints.ring()

    async def find(self, origin: str, size: int) -> Anchor | None:
        """See the port."""
        placed = await self._placed(origin, size)
        return None if placed is None else self._anchor(placed.event, placed.time_ms)

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """See the port."""
        if len(anchor.tx_id) != 32:
            raise NotFound(f"{self.ledger} has no transaction with an id of {len(anchor.tx_id)} bytes")

        def wanted(fact: Mapping[str, Any]) -> bool:
            facts = (fact["type"], fact.get("origin"), fact.get("size"), fact.get("root"))
            return facts == ("anchor", anchor.origin, anchor.size, anchor.root.hex())

        return await self._opened.prover.prove(anchor.tx_id, wanted)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """See the port; also `Denied` for an origin that belongs to another account, `Malformed` for what no contract takes."""
        origin, root = check_name(parse_origin(checkpoint.origin), "origin"), check_hash(checkpoint.root, "root")
        size = check_size(checkpoint.size, "size", 1)

        async def find() -> Placed | None:
            placed = await self._placed(origin, size)
            if placed is not None and placed.event.fact["root"] != root.hex():
                raise Conflict(f"another root of {origin} at size {size} stands on {self.ledger} already")
            return placed

        data = self._chain.interface.encode("anchor", origin, size, root)
        placed = await self._opened.sender.write(origin, find, data)
        return self._anchor(placed.event, placed.time_ms)

    async def close(self) -> None:
        """See the port."""
        await self._opened.close()

    async def _placed(self, origin: str, size: int) -> Placed | None:
        if not _is_origin(origin) or not 1 <= size <= TREE_SIZE_MAX:
            return None
        topics = (_TOPIC, keccak256(origin.encode()))
        return await self._chain.entry("anchored", (origin, size), topics, origin=origin, size=size)

    def _anchor(self, event: Event, time_ms: int) -> Anchor:
        return Anchor(
            ledger=self.ledger,
            origin=str(event.fact["origin"]),
            size=int(event.fact["size"]),
            root=bytes.fromhex(event.fact["root"]),
            height=event.height,
            block_hash=event.block_hash,
            tx_id=event.tx_id,
            time_ms=time_ms,
        )


def _is_origin(text: str) -> bool:
    """The contract takes names that no checkpoint can bear, from anybody; they must not reach those who read checkpoints."""
    try:
        return IDENTIFIER.fullmatch(parse_origin(text)) is not None
    except Malformed:
        return False


async def open_source(config: Mapping[str, object], *, qbft: bool = False) -> EvmSource:
    """Connect as a reader of anchors; with `account` also as a writer. Keys: see docs/evm.md. Raises `Malformed`."""
    return EvmSource(await open_ledger(config, anchor_log_interface(), qbft=qbft))
