"""The court's own mirror of a lender's log, and its cosignature as a witness.

Nothing is believed because a relay said so: the checkpoint must carry the log's signature, extend the last one, and stand
in a final block of the lender's ledger; every package is checked against it before it is stored; and the cosignature is
made only when all entries are on disk and the root is recomputed, and given only after the commit that counts them (store, then sign,
then answer).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign, parse_checkpoint
from relay.core.checks import Verifiers, check_anchor, check_log_signature
from relay.core.errors import Conflict, Denied, Malformed, Unverified
from relay.core.merkle import verify_consistency
from relay.core.note import Note, VerifierKey, format_note, parse_note
from relay.core.package import Package
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, LogFiles, Signer
from relay.ports.court import CourtStore, HeldCheckpoint
from relay.ports.forwarding import Announcement, CourtState, MirrorLog
from relay.services.mirroring import PackageIntake
from relay.telemetry.counting import proofs_of

log = logging.getLogger(__name__)


class CourtMirror:
    """Serves `Mirror` for every pinned origin."""

    def __init__(
        self,
        store: CourtStore,
        trust: TrustRoots,
        verifiers: Verifiers,
        witness_key: VerifierKey,
        witness: Signer,
        clock: Clock,
    ) -> None:
        self._store = store
        self._trust = trust
        self._verifiers = verifiers
        self._witness_key = witness_key
        self._witness = witness
        self._clock = clock
        self._locks: dict[str, asyncio.Lock] = {}
        self.cosigned = asyncio.Event()

    async def latest(self, origin: str) -> CourtState:
        """What is held of a pinned origin."""
        self._check_pinned(origin)
        held = await self._store.latest(origin)
        mirror = await self._store.log(origin)
        if held is None:
            return CourtState(size=0, next_index=mirror.size, cosigned=b"")
        return CourtState(size=held.size, next_index=mirror.size, cosigned=held.cosigned)

    async def add_checkpoint(self, announced: Announcement) -> CourtState:
        """Take in a checkpoint that extends the last. Raises `Conflict` (stale old size), `Unverified`, `NotFound`."""
        checkpoint, _ = parse_checkpoint(announced.checkpoint)
        self._check_pinned(checkpoint.origin)
        async with self._lock(checkpoint.origin):
            last = await self._store.latest(checkpoint.origin)
            if last is None or (last.size, last.root) != (checkpoint.size, checkpoint.root):
                held = self._checked(announced, last)
                await self._store.add_checkpoint(held, announced.old_size)
                if (await self._store.log(checkpoint.origin)).size >= checkpoint.size:
                    await self._cosign(held)
            return await self.latest(checkpoint.origin)

    def _checked(self, announced: Announcement, last: HeldCheckpoint | None) -> HeldCheckpoint:
        """The checkpoint extends the last one, stands on the lender's ledger, and was signed with a key that counted then."""
        checkpoint, _ = parse_checkpoint(announced.checkpoint)
        with proofs_of(checkpoint.origin):
            self._check_extends(checkpoint, last, announced.old_size, announced.consistency)
            fact = check_anchor(announced.anchor, checkpoint, self._trust, self._verifiers)
            check_log_signature(announced.checkpoint, self._trust, fact.time_ms)
        return HeldCheckpoint(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root,
            note=announced.checkpoint,
            anchor=announced.anchor,
            anchored_ms=fact.time_ms,
            cosigned=b"",
            receipt=None,
            receipted_ms=0,
        )

    def _check_extends(
        self, checkpoint: Checkpoint, last: HeldCheckpoint | None, old_size: int, consistency: Sequence[bytes]
    ) -> None:
        size, root = (last.size, last.root) if last else (0, b"")
        if last is not None and not last.cosigned:
            raise Conflict(f"the entries up to the checkpoint of size {size} are not here yet")
        if old_size != size:
            raise Conflict(f"this court holds size {size} of {checkpoint.origin}, not {old_size}")
        if checkpoint.size <= size:
            raise Conflict(f"a checkpoint of size {checkpoint.size} does not extend size {size}")
        if last is not None:
            verify_consistency(size, checkpoint.size, list(consistency), root, checkpoint.root)
        elif consistency:
            raise Unverified("consistency", "a first checkpoint has no consistency proof")

    async def add_entries(
        self, origin: str, size: int, groups: AsyncIterator[Sequence[Package]], announced: Announcement | None = None
    ) -> AsyncIterator[CourtState]:
        """Yield the state after each durable group; the last one carries the cosigned note.

        An `announced` checkpoint whose first group holds all its entries is stored with them and its cosignature in one
        transaction; one with more is stored first, as by `add_checkpoint`.
        """
        self._check_pinned(origin)
        async with self._lock(origin):
            last = await self._store.latest(origin)
            held = self._target(origin, size, last, announced)
            fresh = held is not last
            mirror = await self._store.log(origin)
            cosigned = held.cosigned

            async def append(entries: Sequence[bytes]) -> None:
                nonlocal fresh, cosigned
                if fresh and mirror.size + len(entries) >= size:
                    cosigned = await self._take_whole(held, last, mirror, entries)
                elif fresh:
                    await self._store.add_checkpoint(held, last.size if last else 0)
                    await mirror.append(entries)
                else:
                    await mirror.append(entries)
                fresh = False

            intake = PackageIntake(mirror, Checkpoint(origin=origin, size=size, root=held.root), append)
            if not intake.done:
                async for group in groups:
                    with proofs_of(origin):
                        next_index = await intake.take(group)
                    if intake.done:
                        break
                    yield CourtState(size=size, next_index=next_index, cosigned=b"")
            intake.check_done()
            yield CourtState(size=size, next_index=mirror.size, cosigned=cosigned or await self._cosign(held))

    def _target(
        self, origin: str, size: int, last: HeldCheckpoint | None, announced: Announcement | None
    ) -> HeldCheckpoint:
        """The checkpoint that the entries lead up to: the last one taken in, or the one announced with them, which is checked here."""
        if announced is not None:
            checkpoint, _ = parse_checkpoint(announced.checkpoint)
            if (checkpoint.origin, checkpoint.size) != (origin, size):
                raise Malformed("entries", "announcement", f"is not of {origin} at size {size}")
            if last is None or (last.size, last.root) != (size, checkpoint.root):
                return self._checked(announced, last)
        if last is None or last.size != size:
            raise Conflict(f"the checkpoint of size {size} is not the one announced last")
        return last

    async def _take_whole(
        self, held: HeldCheckpoint, last: HeldCheckpoint | None, mirror: MirrorLog, entries: Sequence[bytes]
    ) -> bytes:
        """Entries on disk, root rebuilt, signed; then one commit counts it all; then the answer."""

        def cosign_held() -> bytes:
            return self._signed(held, mirror.files)

        cosigned = await self._store.take_whole(held, last.size if last else 0, entries, cosign_held)
        self._tell(held)
        return cosigned

    async def _cosign(self, held: HeldCheckpoint) -> bytes:
        """All entries are durable: sign with the time of now, keep the note, wake the receipt reader."""
        mirror = await self._store.log(held.origin)
        cosigned = await asyncio.to_thread(self._signed, held, mirror.files)
        await self._store.save_cosigned(held.origin, held.size, cosigned)
        self._tell(held)
        return cosigned

    def _signed(self, held: HeldCheckpoint, files: LogFiles) -> bytes:
        """The note with this court's cosignature. Raises `Unverified` when the entries do not give its root."""
        if files.root(held.size) != held.root:
            raise Unverified("root", f"the entries up to {held.size} do not have the checkpoint's root")
        note = parse_note(held.note)
        text = checkpoint_text(Checkpoint(origin=held.origin, size=held.size, root=held.root))
        signature = cosign(text, self._witness_key, self._witness.sign, self._clock.now_ms() // 1000)
        log_signatures = tuple(s for s in note.signatures if s.name == held.origin)
        return format_note(Note(text=note.text, signatures=(*log_signatures, signature)))

    def _tell(self, held: HeldCheckpoint) -> None:
        self.cosigned.set()
        log.info("cosigned %s at size %d", held.origin, held.size)

    def _check_pinned(self, origin: str) -> None:
        try:
            self._trust.log(origin)
        except Unverified:
            raise Denied(f"origin {origin} is not among this court's trust roots") from None

    def _lock(self, origin: str) -> asyncio.Lock:
        return self._locks.setdefault(origin, asyncio.Lock())
