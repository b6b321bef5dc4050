"""The ledger itself: takes drafts, makes blocks that a quorum signs, and answers questions about them.

Order of a write: state rules, block, transactions and signatures in one commit; only then the answer. A draft that the state
refuses takes nothing else of its block with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from adapters.embedded.blocks import NO_BLOCK, Header, encode_tx, tx_id, validator_key
from adapters.embedded.genesis import Genesis
from adapters.embedded.proof import build_proof
from adapters.embedded.rules import SCHEMA, Draft
from relay.core.errors import Malformed, NotFound, RelayError, Unavailable
from relay.core.merkle import EMPTY_ROOT, MemoryTree, leaf_hash
from relay.core.note import Note, format_note, sign_note
from relay.durable.database import Database

APPLICATION: Final = 0x43524C47  # "CRLG"
BLOCK_TXS_MAX: Final = 1024
DRAFTS_WAITING_MAX: Final = 4096
BLOCKS_READ: Final = 256

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An anchor or accepted checkpoint, and where it stands."""

    origin: str
    size: int
    root: bytes
    height: int
    block_hash: bytes
    tx: bytes
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """A block as the feed shows it."""

    height: int
    hash: bytes
    previous: bytes
    time_ms: int
    anchors: tuple[Placed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """Times of a grant's registration and revocation, 0 when absent; the registration's transaction id."""

    registered_ms: int
    revoked_ms: int
    registration: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The transaction that stands for a draft; `placed` for an anchor or a checkpoint."""

    tx: bytes
    placed: Placed | None


@dataclass(slots=True)
class _Waiting:
    draft: Draft
    body: bytes
    done: asyncio.Future[Written]


_PLACED: Final = (
    "SELECT f.origin, f.size, f.root, t.height, b.hash, f.tx, b.time_ms"
    " FROM fact f JOIN tx t ON t.id = f.tx JOIN block b ON b.height = t.height"
)


def _placed(row: tuple[str, int, bytes, int, bytes, bytes, int]) -> Placed:
    return Placed(origin=row[0], size=row[1], root=row[2], height=row[3], block_hash=row[4], tx=row[5], time_ms=row[6])


def _written(c: sqlite3.Connection, tx: bytes) -> Written:
    row = c.execute(_PLACED + " WHERE f.tx = ?", (tx,)).fetchone()
    return Written(tx=tx, placed=_placed(row) if row else None)


class Ledger:
    """One node's ledger. `run` makes blocks; everything else may be called meanwhile."""

    def __init__(
        self,
        genesis: Genesis,
        database: Database,
        signers: dict[str, Sign],
        now_ms: Callable[[], int],
        *,
        final_depth: int = 0,
    ) -> None:
        usable = [v for v in sorted(genesis.validators, key=lambda v: v.name) if v.name in signers]
        if len(usable) < genesis.threshold:
            raise Malformed(
                "node", "validators", f"{len(usable)} keys are here; a block needs {genesis.threshold} signatures"
            )
        self.genesis = genesis
        self._database = database
        self._signing = [(validator_key(genesis.ledger, v.name, v.public_key), signers[v.name]) for v in usable]
        self._signing = self._signing[: genesis.threshold]
        self.now_ms = now_ms
        self._final_depth = final_depth
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(DRAFTS_WAITING_MAX)
        self._grown = asyncio.Condition()
        self.height = 0
        self.head_hash = NO_BLOCK
        self._time_ms = 0
        self._written_height = 0

    @classmethod
    async def open(
        cls,
        genesis: Genesis,
        database: Database,
        signers: dict[str, Sign],
        now_ms: Callable[[], int],
        *,
        final_depth: int = 0,
    ) -> Ledger:
        """A ledger over an open database (schema `SCHEMA`), at its last block, whose writes are final when this returns."""
        ledger = cls(genesis, database, signers, now_ms, final_depth=final_depth)
        row = await database.read(
            lambda c: c.execute("SELECT height, hash, time_ms FROM block ORDER BY height DESC LIMIT 1").fetchone()
        )
        if row is not None:
            ledger.height, ledger.head_hash, ledger._time_ms = row
        ledger._written_height = await database.read(
            lambda c: c.execute("SELECT coalesce(max(height), 0) FROM tx").fetchone()[0]
        )
        await ledger._make_final()
        return ledger

    @property
    def final_height(self) -> int:
        """The highest block that counts as final."""
        return max(0, self.height - self._final_depth)

    async def submit(self, draft: Draft) -> Written:
        """Put a draft into a block; returns the transaction that stands for it once its block is final.

        The bytes are made here: a draft that has none is its sender's error and never reaches a block.
        """
        body = encode_tx(draft.fact)
        done: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Waiting(draft, body, done))
        except asyncio.QueueFull:
            raise Unavailable("the ledger has too many transactions waiting") from None
        return await done

    async def run(self) -> None:
        """Make a block whenever something waits. Never returns; ends by cancellation."""
        while True:
            group = [await self._queue.get()]
            while len(group) < BLOCK_TXS_MAX and not self._queue.empty():
                group.append(self._queue.get_nowait())
            outcomes = await self._make_block(group)
            await self._make_final()
            _answer(group, outcomes)

    async def _make_final(self) -> None:
        """Put as many empty blocks on top of the last write as finality asks for."""
        while self.final_height < self._written_height:
            await self._make_block([])

    async def _make_block(self, group: Sequence[_Waiting]) -> list[Written | RelayError]:
        outcomes, header = await self._database.write(lambda c: self._commit(c, group))
        if header is not None:
            async with self._grown:
                self.height, self.head_hash, self._time_ms = header.height, header.hash, header.time_ms
                if header.tx_count:
                    self._written_height = header.height
                self._grown.notify_all()
        return outcomes

    def _commit(
        self, c: sqlite3.Connection, group: Sequence[_Waiting]
    ) -> tuple[list[Written | RelayError], Header | None]:
        """State rules for each draft in a savepoint of its own, then one block of those that are new."""
        outcomes: list[bytes | RelayError] = []
        bodies: list[bytes] = []
        for waiting in group:
            own = tx_id(waiting.body)
            c.execute("SAVEPOINT draft")
            try:
                stands = waiting.draft.apply(c, own)
            except RelayError as error:
                c.execute("ROLLBACK TO draft")
                outcomes.append(error)
            else:
                outcomes.append(stands)
                # the same write again is the transaction that stands here already
                written = c.execute("SELECT 1 FROM tx WHERE id = ?", (own,)).fetchone()
                if stands == own and written is None and waiting.body not in bodies:
                    bodies.append(waiting.body)
            c.execute("RELEASE draft")
        header = self._write_block(c, bodies) if bodies or not group else None
        return [one if isinstance(one, RelayError) else _written(c, one) for one in outcomes], header

    def _write_block(self, c: sqlite3.Connection, bodies: Sequence[bytes]) -> Header:
        root = MemoryTree([leaf_hash(body) for body in bodies]).root() if bodies else EMPTY_ROOT
        header = Header(
            ledger=self.genesis.ledger,
            height=self.height + 1,
            time_ms=max(self.now_ms(), self._time_ms),
            previous=self.head_hash,
            tx_root=root,
            tx_count=len(bodies),
        )
        text = header.text()
        note = Note(text=text, signatures=tuple(sign_note(text, key, sign) for key, sign in self._signing))
        c.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?, ?)",
            (header.height, header.hash, header.previous, header.time_ms, format_note(note)),
        )
        rows = [(tx_id(body), header.height, position, body) for position, body in enumerate(bodies)]
        c.executemany("INSERT INTO tx VALUES (?, ?, ?, ?)", rows)
        return header

    async def blocks(self, start: int) -> AsyncIterator[BlockView]:
        """Blocks from `start` on, without end; waits for new ones."""
        height = max(1, start)
        while True:
            for view in await self._read_blocks(height):
                yield view
                height = view.height + 1
            async with self._grown:
                await self._grown.wait_for(partial(self._reached, height))

    def _reached(self, height: int) -> bool:
        return self.height >= height

    async def _read_blocks(self, start: int) -> list[BlockView]:
        def read(c: sqlite3.Connection) -> list[BlockView]:
            rows = c.execute(
                "SELECT height, hash, previous, time_ms FROM block WHERE height >= ? ORDER BY height LIMIT ?",
                (start, BLOCKS_READ),
            ).fetchall()
            views = []
            for height, hashed, previous, time_ms in rows:
                found = c.execute(
                    f"{_PLACED} WHERE t.height = ? AND f.kind = 'anchor' ORDER BY t.position", (height,)
                ).fetchall()
                anchors = tuple(_placed(row) for row in found)
                views.append(BlockView(height=height, hash=hashed, previous=previous, time_ms=time_ms, anchors=anchors))
            return views

        return await self._database.read(read)

    async def find(self, kind: str, origin: str, size: int) -> Placed | None:
        """The anchor or checkpoint of exactly that size."""
        where = " WHERE f.kind = ? AND f.origin = ? AND f.size = ?"
        row = await self._database.read(lambda c: c.execute(_PLACED + where, (kind, origin, size)).fetchone())
        return _placed(row) if row else None

    async def latest(self, kind: str, origin: str) -> Placed | None:
        """The anchor or checkpoint of the largest size."""
        where = " WHERE f.kind = ? AND f.origin = ? ORDER BY f.size DESC LIMIT 1"
        row = await self._database.read(lambda c: c.execute(_PLACED + where, (kind, origin)).fetchone())
        return _placed(row) if row else None

    async def grant_state(self, issuer: str, digest: bytes) -> GrantView:
        """Registration and revocation of a grant."""
        row = await self._database.read(
            lambda c: c.execute(
                "SELECT g.registered, rb.time_ms, vb.time_ms FROM grant_state g"
                " JOIN tx rt ON rt.id = g.registered JOIN block rb ON rb.height = rt.height"
                " LEFT JOIN tx vt ON vt.id = g.revoked LEFT JOIN block vb ON vb.height = vt.height"
                " WHERE g.issuer = ? AND g.digest = ?",
                (issuer, digest),
            ).fetchone()
        )
        if row is None:
            return GrantView(registered_ms=0, revoked_ms=0, registration=b"")
        return GrantView(registered_ms=row[1], revoked_ms=row[2] or 0, registration=row[0])

    async def prove(self, tx: bytes) -> bytes:
        """The proof's body. Raises `NotFound` while the transaction is not in a final block."""

        def read(c: sqlite3.Connection) -> tuple[bytes, list[bytes], int] | None:
            place = c.execute("SELECT height, position FROM tx WHERE id = ?", (tx,)).fetchone()
            if place is None or place[0] > self.final_height:
                return None
            note = c.execute("SELECT note FROM block WHERE height = ?", (place[0],)).fetchone()[0]
            rows = c.execute("SELECT body FROM tx WHERE height = ? ORDER BY position", (place[0],)).fetchall()
            return note, [row[0] for row in rows], place[1]

        found = await self._database.read(read)
        if found is None:
            raise NotFound("no such transaction in a final block of this ledger")
        note, bodies, position = found
        path = MemoryTree([leaf_hash(body) for body in bodies]).inclusion_proof(position)
        return build_proof(note, bodies[position], position, path)


def _answer(group: Sequence[_Waiting], outcomes: Sequence[Written | RelayError]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.done.cancelled():
            continue
        if isinstance(outcome, RelayError):
            waiting.done.set_exception(outcome)
        else:
            waiting.done.set_result(outcome)


async def open_database(path: Path) -> Database:
    """The ledger's SQLite file."""
    return await Database.open(path, application=APPLICATION, migrations=[SCHEMA])
