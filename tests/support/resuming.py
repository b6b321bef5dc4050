"""Retrievals that break off: a dossier of several chunks, what the custodian seals, and lines that are cut."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from relay.core.custody import parse_event
from relay.core.errors import Unavailable
from relay.core.grants import parse_grant
from relay.core.limits import CHUNK_PLAINTEXT_BYTES
from relay.core.sealing import StreamSealer
from relay.services.court.asking import RetrievalCommand
from relay.services.court.retrieval import Progress
from tests.support.lines import repayment
from tests.support.way import Way

PAYLOAD = 1_500_000
CHUNKS = 5


def lines() -> list[Any]:
    """Four records and some chunks: borders of chunks, records and payloads fall on different places."""
    return [
        repayment(seq, payload=bytes((seq * 31 + i) % 251 for i in range(251)) * (PAYLOAD // 251)) for seq in range(3)
    ]


class Sealed:
    """Every chunk the custodian seals: (content key, index) → plaintext, and in which order the indices came."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.indices: list[int] = []
        self.plaintexts: dict[tuple[bytes, int], bytes] = {}
        honest = StreamSealer._encrypt

        def encrypt(sealer: StreamSealer, plaintext: Any) -> bytes:
            place = (sealer._stream.content_key, sealer._index)
            assert self.plaintexts.setdefault(place, bytes(plaintext)) == plaintext, "one key and nonce, two plaintexts"
            self.indices.append(sealer._index)
            return honest(sealer, plaintext)

        monkeypatch.setattr(StreamSealer, "_encrypt", encrypt)


async def granted(way: Way, **options: Any) -> str:
    state = await way.custodian_store.find_dossier("loan 1")
    assert state is not None
    return await way.grant(state.id, **options)


def command(grant: str) -> RetrievalCommand:
    return RetrievalCommand(grant=grant.encode(), dossier="", officer="judge-7", purpose="filing")


def cut_at(way: Way, piece: int, *, times: int = 1) -> None:
    """The line breaks before this piece of an answer (0 is the header), so many times."""
    left = times

    def tamper(number: int, data: bytes) -> bytes:
        nonlocal left
        if number == piece and left:
            left -= 1
            raise Unavailable("the line broke")
        return data

    way.link.tamper = tamper


async def uses(way: Way, grant: str) -> int:
    held = await way.custodian_store.grant(parse_grant(grant).digest)
    assert held is not None
    return held.uses_spent


async def lender_events(way: Way) -> list[Any]:
    rows = await way.custodian_store._database.read(
        lambda c: c.execute("SELECT event FROM custody_event ORDER BY position").fetchall()
    )
    return [parse_event(row[0]) for row in rows]


def only_from(sealed: Sealed, chunk: int, *, began_at: int) -> bool:
    """The chunks sealed last are those from `chunk` to the end; what was under way before may have run ahead of the line."""
    rest = list(range(chunk, CHUNKS))
    ahead = sealed.indices[: len(sealed.indices) - len(rest)]
    return sealed.indices[len(ahead) :] == rest and ahead == list(range(began_at, began_at + len(ahead)))


async def go_away_after(way: Way, grant: str, chunks: int) -> None:
    """The officer's program, or the gateway itself, ends in the middle."""
    async with aclosing(way.retrieval.run(command(grant))) as events:
        async for event in events:
            if isinstance(event, Progress) and event.bytes >= chunks * CHUNK_PLAINTEXT_BYTES:
                return


def staged(way: Way) -> list[Path]:
    return sorted((way.home / "court/data/staging").iterdir())
