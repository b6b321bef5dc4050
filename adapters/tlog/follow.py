"""One look at a log: does its checkpoint extend what was seen, and have enough witnesses cosigned it (docs/spec/ledger-tlog.md).

Two things must not be confused. A file that is missing, cut off or changed says nothing about the log: anybody on the way may have
done it, and the next look may show another. A signature of the log's key under a tree that does not extend the one it signed
before is a contradiction, and is kept for good.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.tlog.config import TlogConfig
from adapters.tlog.fetch import Fetch
from adapters.tlog.journal import Contradiction, Journal
from adapters.tlog.proof import find_quorum
from adapters.tlog.tree import LogTiles, Tree
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.errors import Malformed, NotFound, Unavailable, Unverified
from relay.core.exhibit import fork_piece
from relay.core.limits import FUTURE_SKEW_S, NOTE_BYTES_MAX
from relay.core.note import Note, verify
from relay.telemetry.events import LOG_CONTRADICTS, LOG_COSIGNED, log_event

log = logging.getLogger(__name__)

CHECKPOINT: Final = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint that the log's key has signed, with its bytes."""

    checkpoint: Checkpoint
    note: Note
    data: bytes


class Follower:
    """Brings the journal up to date. One look at a time: the caller sees to it."""

    def __init__(self, config: TlogConfig, journal: Journal, tiles: LogTiles, now_s: Callable[[], int]) -> None:
        self._config = config
        self._journal = journal
        self._tiles = tiles
        self._now_s = now_s
        self._newest: Signed | None = None
        """The largest that the log has signed and that extends the journal, with enough cosignatures or not."""

    async def look(self, fetch: Fetch) -> None:
        """Take in the log's checkpoint. Raises `Unavailable`; a contradiction is put into the journal."""
        if self._journal.contradiction is not None:
            return
        signed = await self._read(fetch)
        if not signed.checkpoint.size and not self._known():
            return  # a log before its first entry
        if all(signed.note.text != known.note.text for known in self._known()):
            contradiction = await self._compare(signed)
            if contradiction is not None:
                log_event(log, LOG_CONTRADICTS, reason=contradiction.reason)
                await self._journal.contradict(contradiction)
                return
        await self._take(signed)

    async def _read(self, fetch: Fetch) -> Signed:
        """1. The checkpoint is a note of this log, signed by its key."""
        try:
            data = await fetch.get(CHECKPOINT, NOTE_BYTES_MAX)
            checkpoint, note = parse_checkpoint(data)
            if checkpoint.origin != self._config.origin:
                raise Unavailable(f"the log at {self._config.url} is {checkpoint.origin}, not {self._config.origin}")
            verify(note, [self._config.log_key])
        except (Malformed, NotFound, Unverified) as error:
            raise Unavailable(f"the log at {self._config.url} shows no checkpoint that can be used: {error}") from None
        return Signed(checkpoint=checkpoint, note=note, data=data)

    def _known(self) -> list[Signed]:
        """What the log has signed so far: the last one of the journal, and a newer one that waits for cosignatures."""
        known = []
        last = self._journal.last
        if last is not None:
            known.append(Signed(checkpoint=last.checkpoint, note=parse_checkpoint(last.note)[1], data=last.note))
        if self._newest is not None and (last is None or self._newest.checkpoint.size > last.checkpoint.size):
            known.append(self._newest)
        return known

    async def _compare(self, signed: Signed) -> Contradiction | None:
        """2. The tree of the larger begins with the tree of the smaller, whichever of them came first. Raises `Unavailable`."""
        own: Tree | None = None
        for known in self._known():
            smaller, larger = sorted((known, signed), key=lambda one: one.checkpoint.size)
            size = smaller.checkpoint.size
            if size == larger.checkpoint.size:
                if larger.checkpoint.root != smaller.checkpoint.root:
                    return _contradiction(known, signed, b"")
                continue
            tree = own if own is not None and larger is signed else await self._tiles.at(larger.checkpoint)
            own = tree if larger is signed else own
            found = await tree.root_at(size)
            if found != smaller.checkpoint.root:
                fork = fork_piece(found, await tree.consistency_from(size)) if size else b""
                return _contradiction(known, signed, fork)
        newest = self._known()[-1:]
        if newest and signed.checkpoint.size < newest[0].checkpoint.size:
            raise Unavailable(
                f"the log at {self._config.url} shows size {signed.checkpoint.size}, it has shown {newest[0].checkpoint.size}:"
                " an old copy"
            )
        if own is None:
            await self._tiles.at(signed.checkpoint)  # the first one: its tiles must be there and have its root
        self._newest = signed
        return None

    async def _take(self, signed: Signed) -> None:
        """3. The log and enough witnesses have signed: it is the next in the row."""
        last = self._journal.last
        if last is not None and last.checkpoint.size >= signed.checkpoint.size:
            return
        try:
            quorum = find_quorum(
                signed.note,
                [self._config.log_key],
                self._config.witnesses,
                self._config.threshold,
                latest_s=self._now_s() + FUTURE_SKEW_S,
            )
        except Unverified as error:
            raise Unavailable(f"the log at {self._config.url} shows no checkpoint that can be used: {error}") from None
        if quorum is None:
            raise Unavailable(
                f"the checkpoint of {signed.checkpoint.origin} at size {signed.checkpoint.size} has not"
                f" {self._config.threshold - 1} cosignatures of pinned witnesses yet"
            )
        await self._journal.append(signed.checkpoint, signed.data, quorum.time_s)
        log_event(log, LOG_COSIGNED, origin=signed.checkpoint.origin, size=signed.checkpoint.size)


def _contradiction(earlier: Signed, later: Signed, fork: bytes) -> Contradiction:
    """Both notes, named."""
    a, b = earlier.checkpoint, later.checkpoint
    reason = (
        f"the log {a.origin} has signed two trees that do not extend each other: size {a.size} with root {a.root.hex()},"
        f" and size {b.size} with root {b.root.hex()}"
    )
    return Contradiction(reason=reason, earlier=earlier.data, later=later.data, fork=fork)
