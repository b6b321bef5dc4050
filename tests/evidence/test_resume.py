"""A retrieval that breaks off is taken up at the chunk it had come to: nothing twice, nothing else, and only for who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from relay.core import requests
from relay.core.custody import parse_event
from relay.core.errors import Unavailable
from relay.core.grants import parse_grant
from relay.core.sealing import SealingPublicKey, hpke_seal
from relay.ports.custodian import StoredRecord
from relay.services.court import retrieval as court_retrieval
from relay.services.court.asking import RetrievalCommand
from relay.services.court.retrieval import Done
from tests.support.bundles import copy_home, make_home, noon_of, take_apart
from tests.support.resuming import (
    CHUNKS,
    Sealed,
    command,
    cut_at,
    go_away_after,
    granted,
    lender_events,
    lines,
    only_from,
    staged,
    uses,
)
from tests.support.way import Way, open_way


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> Sealed:
    return Sealed(monkeypatch)


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="resume") as opened:
        await opened.deposit("loan 1", lines())
        await opened.forward()
        yield opened


async def test_line_that_breaks_is_taken_up_at_its_chunk_without_another_use(way: Way, sealed: Sealed) -> None:
    for piece in range(1, CHUNKS + 1):
        grant = await granted(way, uses=1)
        sealed.indices.clear()
        before = len(await lender_events(way))
        cut_at(way, piece)
        _, done, data = await way.retrieve(grant)
        assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
        assert await uses(way, grant) == 1
        assert only_from(sealed, piece - 1, began_at=0)
        actions = [event.action for event in (await lender_events(way))[before:]]
        assert (actions.count("disclose"), actions.count("resume")) == (1, 1)
        events = [parse_event(line) for line in take_apart(data)["custody/events.jsonl"].splitlines()]
        assert [event.action for event in events] == ["request", "resume", "receive"]


async def test_header_that_never_came_is_asked_for_by_the_next_call(way: Way) -> None:
    grant = await granted(way, uses=1)
    cut_at(way, 0)
    with pytest.raises(Unavailable):
        await way.retrieve(grant)
    _, done, _ = await way.retrieve(grant)
    assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
    assert await uses(way, grant) == 1


async def test_tries_are_bounded_and_a_chunk_that_came_begins_their_count_anew(way: Way) -> None:
    grant = await granted(way, uses=1)
    cut_at(way, 2, times=10_000)  # one chunk each time
    _, done, _ = await way.retrieve(grant)
    assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
    other = await granted(way, uses=1)
    cut_at(way, 1, times=10_000)  # nothing but the header
    before = len(await lender_events(way))
    with pytest.raises(Unavailable):
        await way.retrieve(other)
    resumed = [event for event in (await lender_events(way))[before:] if event.action == "resume"]
    assert len(resumed) == court_retrieval.TRIES_WITHOUT_PROGRESS


async def restart_court(way: Way) -> None:
    """As after a crash of the court gateway: its store is opened anew, nothing is left in memory."""
    old = way.retrieval
    store = way.court_store
    await store.sweep_staging()
    fresh = court_retrieval.Retrieval(
        identity=old._identity, store=store, link=way.link, registry=way.registry, custody=way.custody,
        trust=old._trust, verifiers=old._verifiers, request_keys=old._asking._request_keys, seal_key=old._seal_key,
        clock=way.clock, random_bytes=old._random, backoff=old._backoff,
    )  # fmt: skip
    way.retrieval = fresh


async def test_court_that_was_killed_goes_on_from_what_it_holds(way: Way, sealed: Sealed) -> None:
    for chunks in (1, 3, 4):
        grant = await granted(way, uses=1)
        sealed.indices.clear()
        await go_away_after(way, grant, chunks)
        await restart_court(way)
        seen, done, _ = await way.retrieve(grant)
        assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
        assert [row.seq for row in seen] == [0, 1, 2]
        assert only_from(sealed, chunks, began_at=0)
        assert await uses(way, grant) == 1
        assert staged(way) == []


async def test_complete_content_is_not_asked_for_again(
    way: Way, sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = await granted(way, uses=1)

    def broken(*_: Any) -> Any:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(court_retrieval, "write_bundle", broken)
        with pytest.raises(asyncio.CancelledError):
            await way.retrieve(grant)
    await restart_court(way)
    sealed.indices.clear()
    _, done, _ = await way.retrieve(grant)
    assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
    assert sealed.indices == []


async def test_staged_bytes_that_changed_are_asked_for_again_and_not_blamed_on_the_lender(
    way: Way, sealed: Sealed
) -> None:
    for name in ("contents", "chunks.sha256"):
        for cut in (False, True):
            grant = await granted(way, uses=1)
            sealed.indices.clear()
            await go_away_after(way, grant, 4)
            path = staged(way)[0] / name
            data = bytearray(path.read_bytes())
            place = len(data) * 5 // 8  # within the third chunk
            data[place] ^= 1
            path.write_bytes(data[:place] if cut else data)
            await restart_court(way)
            _, done, _ = await way.retrieve(grant)
            assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
            assert only_from(sealed, 2, began_at=0)


async def test_caller_that_goes_away_with_the_result_leaves_nothing_behind(way: Way) -> None:
    """As the command does: it ends its call as soon as it has the result."""
    grant = await granted(way)
    async with aclosing(way.retrieval.run(command(grant))) as events:
        async for event in events:
            if isinstance(event, Done):
                break
    assert staged(way) == []
    parsed = parse_grant(grant)
    assert await way.court_store.kept_retrievals(parsed.digest, parsed.dossiers[0]) == []


async def test_another_officer_begins_anew(way: Way, sealed: Sealed) -> None:
    grant = await granted(way, uses=2)
    await go_away_after(way, grant, 2)
    sealed.indices.clear()
    other = RetrievalCommand(grant=grant.encode(), dossier="", officer="judge-8", purpose="filing")
    assert [event async for event in way.retrieval.run(other) if isinstance(event, Done)]
    assert sealed.indices[-CHUNKS:] == list(range(CHUNKS))
    assert await uses(way, grant) == 2


async def test_what_the_lender_keeps_no_longer_is_begun_anew(way: Way) -> None:
    grant = await granted(way, uses=2)
    await go_away_after(way, grant, 2)
    await way.custodian_store._database.write(lambda c: c.execute("DELETE FROM disclosure"))
    _, done, _ = await way.retrieve(grant)
    assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
    assert await uses(way, grant) == 2
    assert staged(way) == []


def payload_of(records: list[StoredRecord], seq: int) -> Any:
    return records[seq].payloads[0][1]


async def test_payload_that_changed_meanwhile_ends_the_stream_and_the_new_one_says_so(way: Way, sealed: Sealed) -> None:
    """Never another plaintext under the same key and nonce: what was begun is given up, a new key seals what is there now."""
    grant = await granted(way, uses=2)
    await go_away_after(way, grant, 2)
    state = await way.custodian_store.find_dossier("loan 1")
    assert state is not None
    path = way.home / "custodian/data/vault" / payload_of(await way.custodian_store.records(state.id), 2).blob
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    _, done, _ = await way.retrieve(grant)
    rows = json.loads(done.verdict)["records"]
    assert [row["verdict"] for row in rows] == ["CONSISTENT", "CONSISTENT", "INCONSISTENT"]
    assert "was altered in the lender's vault" in rows[2]["reason"]
    assert len({key for key, _ in sealed.plaintexts}) == 2


async def test_bundle_of_a_cut_retrieval_is_that_of_an_uncut_one_but_for_custody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[tuple[bytes, bytes], bytes] = {}

    def seal_once(recipient: SealingPublicKey, plaintext: bytes, info: bytes) -> bytes:
        return made.setdefault((plaintext, info), hpke_seal(recipient, plaintext, info))

    monkeypatch.setattr(requests, "hpke_seal", seal_once)
    fresh = make_home(tmp_path / "fresh")
    bundles = []
    for home, cut in ((fresh, 0), (copy_home(fresh, tmp_path / "copy"), 4)):
        async with open_way(home, now_ms=noon_of(home), seed="same") as way:
            await way.deposit("loan 1", lines())
            await way.forward()
            if cut:
                cut_at(way, cut)
            bundles.append(take_apart((await way.retrieve(await granted(way)))[2]))
    uncut, resumed = (
        {n: d for n, d in parts.items() if not n.startswith("custody/") and n not in ("manifest.json", "seal.jwt")}
        for parts in bundles
    )
    assert uncut == resumed
    assert bundles[0].keys() < bundles[1].keys()  # the proof of one more custody event
