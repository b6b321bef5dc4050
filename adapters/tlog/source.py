"""A tiled log behind the port: its checkpoints are looked at on an interval, checked, put into the journal, and read from there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final

from adapters.tlog.config import TlogConfig, read_config
from adapters.tlog.fetch import Fetch, open_fetch
from adapters.tlog.follow import Follower
from adapters.tlog.journal import Contradiction, Journal, Seen
from adapters.tlog.proof import KIND, block_hash, build_proof, find_quorum, tx_id
from adapters.tlog.tree import LogTiles
from relay.core.bundle import ledger_proof_bytes
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.errors import Conflict, Contradicted, Denied, NotFound, Unavailable
from relay.core.exhibit import FORK
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import TIME_S_MAX
from relay.core.note import parse_note
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead

ROWS_READ: Final = 256
NO_BLOCK: Final = bytes(32)


class TlogSource:
    """Implements relay.ports.AnchorSource. Every block is final: only what a quorum has cosigned becomes one."""

    def __init__(self, config: TlogConfig, journal: Journal, fetch: Fetch, now_s: Callable[[], int]) -> None:
        self._config = config
        self._journal = journal
        self._fetch = fetch
        self._follower = Follower(config, journal, LogTiles(fetch), now_s)
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._failure: str | None = None
        self._grown = asyncio.Event()
        self._closed = False

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._config.ledger

    async def head(self) -> LedgerHead:
        """See the port. Raises `Contradicted` once the log has signed what cannot be true beside what it signed before."""
        await self._look()
        last = self._journal.last
        hashed = b"" if last is None else block_hash(last.text)
        return LedgerHead(height=self._journal.height, block_hash=hashed, final_height=self._journal.height)

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        """See the port. Raises `Contradicted` after the blocks that came before the contradiction."""
        self._check_open()
        height = max(1, start)
        before = await self._journal.rows(height - 1, 1) if height > 1 else []
        parent = block_hash(before[0].text) if before and before[0].height == height - 1 else NO_BLOCK
        while True:
            self._check_open()
            for seen in await self._journal.rows(height, ROWS_READ):
                yield self._block(seen, parent)
                height, parent = seen.height + 1, block_hash(seen.text)
            if self._journal.height >= height:
                continue
            self._grown.clear()
            await self._look()
            if self._journal.height < height:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._config.poll_s):
                        await self._grown.wait()

    async def find(self, origin: str, size: int) -> Anchor | None:
        """See the port."""
        self._check_open()
        if origin != self._config.origin:
            return None
        seen = await self._journal.of_size(size)
        if seen is None:
            await self._look()
            seen = await self._journal.of_size(size)
        return None if seen is None else self._anchor(seen)

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """See the port. What was cosigned stays provable, whatever the log does later."""
        self._check_open()
        seen = await self._journal.of_size(anchor.size)
        if seen is None or tx_id(seen.text) != anchor.tx_id:
            raise NotFound("no such checkpoint of this log was seen with a quorum of cosignatures")
        return self._proof(seen)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """See the port. Nothing is written: publishing is the log's own doing. Raises `Denied` while it has not, `Conflict`."""
        self._check_open()
        if checkpoint.origin != self._config.origin:
            raise Denied(f"{self.ledger} is the log {self._config.origin}, not {checkpoint.origin}")
        found = await self.find(checkpoint.origin, checkpoint.size)
        if found is not None and found.root == checkpoint.root:
            return found
        if found is not None:
            raise Conflict(f"the log {checkpoint.origin} has another root at size {checkpoint.size}")
        last = self._journal.last
        if last is not None and checkpoint.size < last.checkpoint.size:
            raise Conflict(f"the log {checkpoint.origin} is at size {last.checkpoint.size} already")
        raise Denied(
            f"the log {checkpoint.origin} publishes its checkpoints itself; the one of size {checkpoint.size} is not there"
            f" yet with {self._config.threshold - 1} cosignatures"
        )

    def prompt(self) -> None:
        """See relay.ports.ledgers.Prompted."""
        self._looked_at = float("-inf")
        self._grown.set()

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        self._grown.set()
        looking, self._looking = self._looking, None
        if looking is not None and not looking.done():
            looking.cancel()
            await asyncio.wait({looking})
        await self._fetch.close()
        await self._journal.close()

    async def _look(self) -> None:
        """See that the journal is not older than `poll_s`, once for all who ask. Raises `Unavailable`, `Contradicted`."""
        self._check_open()
        if self._looking is None or self._looking.done():
            if time.monotonic() - self._looked_at < self._config.poll_s:
                return await self._raise_failure()
            self._looking = asyncio.create_task(self._follow(), name=f"look at {self._config.origin}")
        looking = self._looking
        await asyncio.wait({looking})  # whoever asked may go; a look that has begun ends, but by `close`
        self._check_open()
        looking.result()
        return await self._raise_failure()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self.ledger} was closed here")

    async def _follow(self) -> None:
        height = self._journal.height
        self._failure = None
        try:
            await self._follower.look(self._fetch)
        except Unavailable as error:
            self._failure = str(error)
        self._looked_at = time.monotonic()
        if self._journal.height != height:
            self._grown.set()

    async def _raise_failure(self) -> None:
        found = self._journal.contradiction
        if found is not None:
            raise Contradicted("log", found.reason, await self._pieces(found))
        if self._failure is not None:
            raise Unavailable(self._failure)

    async def _pieces(self, found: Contradiction) -> dict[str, bytes]:
        """An exhibit: what the log signed later, and the proof of what it had signed before with its witnesses."""
        earlier, later = (parse_checkpoint(note)[0] for note in (found.earlier, found.later))
        pieces = {"checkpoint": found.later, "earlier": found.earlier}
        anchored = await self._journal.of_size(later.size)
        if (
            anchored is None
        ):  # no block of the later one's size: then the fork shows what the two have to do with each other
            anchored = await self._journal.of_size(earlier.size)
            pieces |= {FORK: found.fork} if found.fork else {}
        if anchored is not None:
            pieces["anchor"] = ledger_proof_bytes(self._proof(anchored))
        return pieces

    def _proof(self, seen: Seen) -> LedgerProof:
        config = self._config
        quorum = find_quorum(
            parse_note(seen.note), [config.log_key], config.witnesses, config.threshold, latest_s=TIME_S_MAX
        )
        if quorum is None:
            raise NotFound(
                f"the checkpoint of size {seen.checkpoint.size} was seen with fewer cosignatures than are needed now"
            )
        return LedgerProof(kind=KIND, ledger=self.ledger, body=build_proof(quorum))

    def _anchor(self, seen: Seen) -> Anchor:
        return Anchor(
            ledger=self.ledger,
            origin=seen.checkpoint.origin,
            size=seen.checkpoint.size,
            root=seen.checkpoint.root,
            height=seen.height,
            block_hash=block_hash(seen.text),
            tx_id=tx_id(seen.text),
            time_ms=seen.time_s * 1000,
        )

    def _block(self, seen: Seen, parent: bytes) -> AnchorBlock:
        return AnchorBlock(
            height=seen.height,
            block_hash=block_hash(seen.text),
            parent_hash=parent,
            time_ms=seen.time_s * 1000,
            anchors=(self._anchor(seen),),
            final_height=seen.height,
        )


async def open_source(config: Mapping[str, object]) -> TlogSource:
    """Open a log as a source of anchors (docs/operate/reference.md). Raises `Malformed`, `Conflict` (its data folder is in use)."""
    read = read_config(config)
    fetch = open_fetch(read.url, read.tls)
    try:
        journal = await Journal.open(read.data, read.ledger, read.origin)
    except BaseException:
        await fetch.close()
        raise
    return TlogSource(read, journal, fetch, lambda: int(time.time()))
