"""A witness after C2SP tlog-witness: cosigns a checkpoint that extends the last one it cosigned of that log.

Not the court's mirror: that one cosigns what it holds all entries of, once it is anchored. The two have different names and keys,
because a cosignature says what its key stands for (C2SP tlog-mirror, "add-checkpoint"). Where the mirror has the entries, the witness
looks there too: a log that shows the two of them different trees is found out here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from relay.core.addcheckpoint import AddCheckpoint, parse_add_checkpoint
from relay.core.checkpoint import Checkpoint, cosign, parse_checkpoint
from relay.core.errors import Conflict, Denied, Malformed, NotFound, Unavailable, Unverified
from relay.core.merkle import verify_consistency
from relay.core.note import Note, Signature, VerifierKey, format_note, signature_line, verify
from relay.core.pinned import TrustedKey
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, Signer
from relay.ports.witness import Witnessed, WitnessStore
from relay.telemetry.events import MIRROR_SHOWN_OTHERWISE, TWO_ROOTS_SIGNED, WITNESSED, log_event

log = logging.getLogger(__name__)

MirroredRoot = Callable[[str, int], Awaitable[bytes | None]]
"""The root of an origin's first entries as the mirror has them; None when it does not hold so many."""


class OtherSize(Conflict):
    """The caller's old size is not that of the checkpoint cosigned last, which is `size`."""

    def __init__(self, reason: str, size: int) -> None:
        super().__init__(reason)
        self.size = size


class Witness:
    """Serves `add-checkpoint` for every log that the trust roots pin, custody logs included."""

    def __init__(
        self,
        store: WitnessStore,
        trust: TrustRoots,
        key: VerifierKey,
        signer: Signer,
        clock: Clock,
        mirrored_root: MirroredRoot,
    ) -> None:
        self._store = store
        self._trust = trust
        self._key = key
        self._signer = signer
        self._clock = clock
        self._mirrored_root = mirrored_root
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def origins(self) -> list[str]:
        """Logs that are witnessed."""
        return sorted({key.name for key in self._trust.pinned_keys if key.use in ("log", "custody")})

    async def latest(self, origin: str) -> bytes | None:
        """The last cosigned note of an origin; None before the first."""
        held = await self._store.latest(origin)
        return None if held is None else held.cosigned

    async def add_checkpoint(self, body: bytes) -> bytes:
        """The cosignature's line. What is raised stands in the order of the checks.

        Raises `Malformed` (the request), `NotFound` (the origin is not pinned), `Denied` (no valid key of the log signed it),
        `OtherSize`, `Unverified` (it does not extend the last one), `Unavailable` (the trust roots are out of date).
        """
        asked = parse_add_checkpoint(body)
        checkpoint, note = parse_checkpoint(asked.checkpoint)
        own = self._check_signed(checkpoint.origin, note)
        if asked.old_size > checkpoint.size:
            raise Malformed(
                "add-checkpoint", "old", f"{asked.old_size} is above the checkpoint's size {checkpoint.size}"
            )
        async with self._locks.setdefault(checkpoint.origin, asyncio.Lock()):
            held = await self._store.latest(checkpoint.origin)
            await self._check_extends(asked, checkpoint, None if held is None else held.checkpoint)
            signature = cosign(note.text, self._key, self._signer.sign, self._clock.now_ms() // 1000)
            cosigned = format_note(Note(text=note.text, signatures=(own, signature)))
            await self._advance(Witnessed(checkpoint=checkpoint, cosigned=cosigned), held)
        log_event(log, WITNESSED, origin=checkpoint.origin, size=checkpoint.size)
        return signature_line(signature).encode()

    async def _advance(self, new: Witnessed, held: Witnessed | None) -> None:
        """The signature is given out only after this."""
        try:
            await self._store.advance(new, None if held is None else held.checkpoint)
        except Conflict:
            now = await self._store.latest(new.checkpoint.origin)
            raise OtherSize("another request came first", 0 if now is None else now.checkpoint.size) from None

    def _check_signed(self, origin: str, note: Note) -> Signature:
        """The log's own line: what else was sent along is not passed on."""
        known = [key for key in self._trust.pinned_keys if key.use in ("log", "custody") and key.name == origin]
        if not known:
            raise NotFound(f"origin {origin} is not among the trust roots of this witness")
        now_ms = self._clock.now_ms()
        stale = self._trust.why_stale(now_ms // 1000)
        if stale:
            raise Unavailable(stale)
        try:
            key = verify(note, [_verifier(key) for key in known if not key.why_not(now_ms)])[0]
        except Unverified as error:
            raise Denied(f"{origin}: {error}") from None
        return next(s for s in note.signatures if (s.name, s.key_id) == (key.name, key.key_id))

    async def _check_extends(self, asked: AddCheckpoint, checkpoint: Checkpoint, held: Checkpoint | None) -> None:
        size = 0 if held is None else held.size
        if asked.old_size != size:
            raise OtherSize(f"size {size} of {checkpoint.origin} was cosigned last, not {asked.old_size}", size)
        if held is not None and checkpoint.size == size and checkpoint.root != held.root:
            log_event(log, TWO_ROOTS_SIGNED, origin=checkpoint.origin, size=size)
            raise OtherSize(f"another root of size {size} was cosigned", size)
        if not size and asked.proof:
            raise Unverified("consistency", "from size 0 there is no proof")
        if held is not None and size:
            verify_consistency(size, checkpoint.size, asked.proof, held.root, checkpoint.root)
        mirrored = await self._mirrored_root(checkpoint.origin, checkpoint.size)
        if mirrored not in (None, checkpoint.root):
            log_event(log, MIRROR_SHOWN_OTHERWISE, origin=checkpoint.origin, size=checkpoint.size)
            raise Unverified("mirror", f"the mirror has another root of size {checkpoint.size}")


def _verifier(key: TrustedKey) -> VerifierKey:
    return VerifierKey.ed25519(key.name, key.public_key)
