"""What is kept for taking up a broken disclosure goes with the first erased record, and no answer outruns an erasure."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Denied, Malformed
from relay.core.requests import request_digest
from relay.core.resume import parse_resume
from relay.store.custodian import SqliteCustodianStore
from tests.evidence.test_resume_refused import resume_token
from tests.evidence.test_retrieval_attacks import request_under
from tests.retention.test_bytes_on_disk import copy, data, master_of
from tests.retention.test_erased_at_court import dossier_of, erase, events
from tests.support.frozen import settle
from tests.support.retaining import raw
from tests.support.way import Way


async def begin(way: Way, grant: str) -> bytes:
    """A disclosure that was permitted and broke off; its request's digest."""
    token = request_under(way, grant)
    await way.disclosures.authorise(request_digest(token), token)
    return request_digest(token)


def end(way: Way, dossier: str) -> None:
    way.disclosures._end_answer(dossier)


async def take_up(way: Way, grant: str, **changes: Any) -> Any:
    token = await resume_token(way, grant, **{"chunk": 0, **changes})
    return await way.disclosures.authorise(parse_resume(token).digest, token)


async def kept_bytes(way: Way, request: bytes) -> dict[str, bytes]:
    def read(c: sqlite3.Connection) -> bytes:
        row = c.execute("SELECT sealed FROM disclosure WHERE request = ?", (request,)).fetchone()
        return bytes(row[0])

    sealed = await way.custodian_store._database.read(read)
    return {"request": request, "start": sealed[:48], "end": sealed[-48:]}


@pytest.mark.parametrize("seqs", [None, [2]], ids=["whole", "one-record"])
async def test_kept_disclosure_leaves_no_byte_and_is_not_taken_up(
    way: Way, tmp_path: Path, seqs: list[int] | None
) -> None:
    dossier = await dossier_of(way)
    grant = await way.grant(dossier)
    request = await begin(way, grant)
    end(way, dossier)
    await take_up(way, grant)  # the control: it can be taken up, and all of it is on the disk
    end(way, dossier)
    kept, on_disk = await kept_bytes(way, request), raw(data(way))
    assert [name for name, value in kept.items() if value not in on_disk] == []
    old = copy(way, tmp_path / "before")
    token = await resume_token(way, grant, chunk=0)
    await erase(way, seqs)
    on_disk = raw(data(way))
    assert [name for name, value in kept.items() if value in on_disk] == []
    with pytest.raises(Denied, match="no disclosure of that request"):
        await way.disclosures.authorise(parse_resume(token).digest, token)
    with pytest.raises(Denied, match="the custodian refused"):
        async for _ in way.router.retrieve(way.court, way.deposits._identity, token):
            raise AssertionError("a byte was sent")
    assert [(e.action, e.outcome) for e in await events(way)][-1] == ("refuse", "refused")
    if seqs is not None:
        await stays_shut(way, old, dossier, request)


async def stays_shut(way: Way, old: Path, dossier: str, request: bytes) -> None:
    """The row of a backup, with the keys of today."""
    today = await way.custodian_store._database.read(
        lambda c: c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (dossier,)).fetchone()[0]
    )
    with sqlite3.connect(old / "custodian.sqlite") as stray:
        stray.execute("UPDATE dossier SET sealed_keys = ? WHERE id = ?", (today, dossier))
    stray.close()
    store = await SqliteCustodianStore.open(old, master_of(way))
    try:
        with pytest.raises(Malformed, match="cannot be decrypted"):
            await store.disclosure(request)
    finally:
        await store.close()


async def test_resume_that_was_checked_before_the_erasure_began_does_not_begin_after_it(way: Way) -> None:
    dossier = await dossier_of(way)
    grant = await way.grant(dossier)
    await begin(way, grant)
    end(way, dossier)
    honest = way.custodian_store.records

    async def slow(name: str) -> Any:
        read = await honest(name)
        await erase(way, [2])
        return read

    way.custodian_store.records = slow  # type: ignore[method-assign]
    with pytest.raises(Denied, match="not kept any more"):
        await take_up(way, grant)
    way.custodian_store.records = honest  # type: ignore[method-assign]
    assert "resume" not in [e.action for e in await events(way)]
    await asyncio.wait_for(way.disclosures.quiet(dossier), 60)  # the refused one is not waited for


async def test_erasure_waits_for_an_answer_that_was_taken_up(way: Way) -> None:
    dossier = await dossier_of(way)
    grant = await way.grant(dossier)
    await begin(way, grant)
    end(way, dossier)
    permitted = await take_up(way, grant)
    erasing = asyncio.create_task(erase(way))
    await settle(lambda: way.custodian_store.tombstones(dossier), "the erasure has begun")
    assert b"CANARY two" in b"".join(bytes(piece) for piece in permitted.plan.plaintext(way.vault))
    done, _ = await asyncio.wait({erasing}, timeout=1.0)
    assert not done
    end(way, dossier)
    await erasing
    assert await way.custodian_store.known_blobs() == set()


async def test_disclosure_begun_while_records_are_being_erased_can_be_taken_up_afterwards(way: Way) -> None:
    """It shows nothing of them, so it stays, sealed under the new key; what was begun before goes."""
    dossier = await dossier_of(way)
    grant = await way.grant(dossier)
    first = await begin(way, grant)
    erasing = asyncio.create_task(erase(way, [1]))
    await settle(lambda: way.custodian_store.tombstones(dossier), "the erasure has begun")
    second = await begin(way, grant)
    end(way, dossier)
    end(way, dossier)
    await erasing
    assert await way.custodian_store.disclosure(first) is None
    permitted = await take_up(way, grant)
    assert permitted.request == second.hex()
    assert b"CANARY two" not in b"".join(bytes(piece) for piece in permitted.plan.plaintext(way.vault))
