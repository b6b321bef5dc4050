"""What the checks write to a court's ledger: signed checkpoints of one growing log, custody heads, grant statements.

The logs are the same in every run (entry n is a fixed text), so that a ledger that keeps what it took is only extended.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from relay.conformance.check import NotRun
from relay.conformance.owner import NamedKey
from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign
from relay.core.errors import Conflict
from relay.core.grants import GrantAction, make_grant_statement
from relay.core.merkle import MemoryTree, leaf_hash
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.ports.ledgers import Anchor, Receipt, Submission

if TYPE_CHECKING:
    from relay.conformance.bench import Bench

LEAVES: Final = 8192
FORK: Final = "fork "
"""The salt of the other history."""
GRANT_LIFETIME_S: Final = 86_400


@lru_cache(maxsize=2)
def tree(salt: str) -> MemoryTree:
    """The log's entries; with a salt another history."""
    return MemoryTree([leaf_hash(f"courtrelay conformance {salt}{n}".encode()) for n in range(LEAVES)])


def _known(receipt: Receipt | None, origin: str) -> int:
    """The last size on the ledger. Raises `NotRun` when what stands there is not of the checks."""
    if receipt is None:
        return 0
    if receipt.size > LEAVES or tree("").root(receipt.size) != receipt.root:
        raise NotRun(
            f"log {origin} stands at size {receipt.size} with entries of others; the checks need one of their own"
        )
    return receipt.size


def _room(size: int) -> int:
    if size > LEAVES:
        raise NotRun(f"the checks' log is full at {LEAVES} entries; register another one")
    return size


def signed(checkpoint: Checkpoint, key: NamedKey, *more: tuple[NamedKey, int]) -> bytes:
    """A signed note; `more` are cosigners and the time of each, seconds since 1970 UTC."""
    text = checkpoint_text(checkpoint)
    signatures = [sign_note(text, VerifierKey.ed25519(key.name, key.signer.public_key), key.signer.sign)]
    for witness, time_s in more:
        cosigner = VerifierKey.cosigner(witness.name, witness.signer.public_key)
        signatures.append(cosign(text, cosigner, witness.signer.sign, time_s))
    return format_note(Note(text=text, signatures=tuple(signatures)))


class LogWriter:
    """The evidence log whose checkpoints the court's ledger is asked to accept."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._anchored = 0
        self._last: tuple[Submission, Receipt] | None = None

    @property
    def key(self) -> NamedKey:
        """The log's origin and key."""
        if self._bench.owner.log is None:
            raise NotRun("no key of a log is given")
        return self._bench.owner.log

    async def size(self) -> int:
        """The last size the ledger accepted, 0 before the first."""
        return _known(await self._bench.court.latest(self.key.name), self.key.name)

    async def anchor(self, at_least: int, salt: str = "") -> Anchor:
        """Anchor the first size from `at_least` on that the lender's ledger has nothing against."""
        size, step = max(at_least, self._anchored + 1), 1
        while True:
            checkpoint = Checkpoint(origin=self.key.name, size=_room(size), root=tree(salt).root(size))
            try:
                anchor = await self._bench.source.anchor(checkpoint)
            except Conflict:  # an earlier run anchored more than the court's ledger took
                size, step = size + step, step * 2
                continue
            self._anchored = size
            return anchor

    async def submission(
        self,
        old_size: int,
        *,
        more: int = 1,
        salt: str = "",
        key: NamedKey | None = None,
        witness: NamedKey | None = None,
        cosigned: bool = True,
    ) -> Submission:
        """A submission of a size at least `more` above `old_size`, right in all that the arguments do not spoil."""
        anchor = await self.anchor(old_size + more, salt)
        return Submission(
            checkpoint=self.note(anchor, key=key, witness=witness, cosigned=cosigned),
            old_size=old_size,
            consistency=tuple(tree(salt).consistency_proof(old_size, anchor.size)) if old_size else (),
            anchor=await self._bench.proof(anchor),
            attempt=1,
        )

    def note(
        self, anchor: Anchor, *, key: NamedKey | None = None, witness: NamedKey | None = None, cosigned: bool = True
    ) -> bytes:
        """The anchored checkpoint, signed by the log and cosigned at the anchor's time."""
        cosigner = witness or self._bench.owner.witness
        more = [(cosigner, anchor.time_ms // 1000)] if cosigner is not None and cosigned else []
        checkpoint = Checkpoint(origin=anchor.origin, size=anchor.size, root=anchor.root)
        return signed(checkpoint, key or self.key, *more)

    async def extend(self) -> tuple[Submission, Receipt]:
        """One more accepted checkpoint."""
        submission = await self.submission(await self.size())
        self._last = submission, await self._bench.court.submit(submission)
        return self._last

    async def accepted(self) -> tuple[Submission, Receipt]:
        """An accepted checkpoint of this run, not always the last; for checks that only read."""
        return self._last or await self.extend()

    async def again(self) -> Submission:
        """What `accepted` gave, as a later attempt."""
        submission, _ = await self.accepted()
        return replace(submission, attempt=submission.attempt + 1)


class HeadWriter:
    """The custody log."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def key(self) -> NamedKey:
        """The custody log's origin and key."""
        if self._bench.owner.custody is None:
            raise NotRun("no key of a custody log is given")
        return self._bench.owner.custody

    async def size(self) -> int:
        """The last size on the ledger."""
        return _known(await self._bench.court.latest(self.key.name), self.key.name)

    def note(self, size: int, *, key: NamedKey | None = None, salt: str = "") -> bytes:
        """The head at that size."""
        by = key or self.key
        return signed(Checkpoint(origin=by.name, size=_room(size), root=tree(salt).root(size)), by)

    def consistency(self, old: int, new: int, salt: str = "") -> tuple[bytes, ...]:
        """From one size to the other, empty from 0."""
        return tuple(tree(salt).consistency_proof(old, new)) if old else ()

    async def extend(self, more: int = 1) -> tuple[int, int, bytes]:
        """Append a head: (old size, new size, transaction id)."""
        old = await self.size()
        new = old + more
        tx = await self._bench.custody.append_custody_head(self.note(new), old, self.consistency(old, new))
        return old, new, tx


class GrantWriter:
    """Grant statements of the lender."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._count = 0

    @property
    def key(self) -> NamedKey:
        """The lender's id and grant key."""
        if self._bench.owner.lender is None:
            raise NotRun("no key of a lender for grants is given")
        return self._bench.owner.lender

    def digest(self) -> bytes:
        """The digest of a grant that was never spoken of."""
        self._count += 1
        return hashlib.sha256(f"grant {self._bench.owner.run} {self._count}".encode()).digest()

    def statement(self, action: GrantAction, digest: bytes, *, key: NamedKey | None = None) -> bytes:
        """A signed statement; times are the machine's own."""
        by = key or self.key
        now_s = int(time.time())
        return make_grant_statement(
            iss=by.name,
            action=action,
            grant=digest,
            exp=now_s + GRANT_LIFETIME_S if action == "register" else None,
            iat=now_s,
            public_key=by.signer.public_key,
            sign=by.signer.sign,
        ).encode()

    async def registered(self) -> tuple[bytes, bytes]:
        """A fresh grant's digest and the transaction id of its registration."""
        digest = self.digest()
        return digest, await self._bench.court.record_grant(self.statement("register", digest))
