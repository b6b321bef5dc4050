"""Streams that somebody cut, turned round, repeated, sealed again or spliced; payload files that the lender lost or altered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Malformed, Unavailable, Unverified
from relay.core.sealing import StreamSealer, new_stream
from tests.support.bundles import make_home, noon_of, take_apart
from tests.support.lines import repayment
from tests.support.resuming import CHUNKS, granted, lines
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="streams") as opened:
        await opened.deposit("loan 1", lines())
        await opened.forward()
        yield opened


class Line:
    """Keeps what passed and gives the court something else."""

    def __init__(self, change: Callable[[list[bytes], int, bytes], bytes | None]) -> None:
        self.passed: list[bytes] = []
        self.change = change

    def __call__(self, number: int, piece: bytes) -> bytes | None:
        if not number:
            self.passed = []
        self.passed.append(piece)
        return self.change(self.passed, number, piece)


async def stream_of_another_request(way: Way) -> list[bytes]:
    """Header and chunks of an honest answer to another request."""
    kept: list[bytes] = []

    def keep(number: int, piece: bytes) -> bytes:
        kept.append(piece)
        return piece

    way.link.tamper = keep
    await way.retrieve(await granted(way))
    return kept


async def test_streams_that_were_tampered_with_are_refused_and_leave_nothing(way: Way) -> None:
    other = await stream_of_another_request(way)
    wrong: dict[str, Callable[[list[bytes], int, bytes], bytes | None]] = {
        "two chunks turned round": lambda p, n, x: None if n == 2 else p[2] if n == 3 and p.append(x) else x,
        "a chunk left out": lambda _p, n, x: None if n == 2 else x,
        "a chunk repeated": lambda p, n, x: p[n - 1] if n == 3 else x,
        "the first chunk at the end": lambda p, n, x: p[1] if n == CHUNKS else x,
        "the last chunk early": lambda _p, n, x: other[CHUNKS] if n == 2 else x,
        "a chunk of another stream": lambda _p, n, x: other[n] if n == 3 else x,
        "another stream's header": lambda _p, n, x: other[0] if n == 0 else x,
        "the whole stream of another request": lambda _p, n, _x: other[n],
        "a chunk cut": lambda _p, n, x: x[:-1] if n == 2 else x,
        "a chunk made longer": lambda _p, n, x: x + b"\0" if n == 2 else x,
        "an empty chunk": lambda _p, n, x: b"" if n == 2 else x,
        "two chunks in one": lambda p, n, x: None if n == 2 else p[2] + x if n == 3 else x,
    }
    for name, change in wrong.items():
        way.link.tamper = Line(change)
        with pytest.raises((Unverified, Malformed)) as refusal:
            await way.retrieve(await granted(way))
        assert "seal" in str(refusal.value), name
    assert (await way.court_store.counts()).bundles == 1
    assert list((way.home / "court/data/staging").iterdir()) == []


@pytest.mark.parametrize("end", [1, 3, CHUNKS])
async def test_stream_that_ends_early_without_an_error_is_a_broken_line_and_never_an_end(way: Way, end: int) -> None:
    """A relay that ends the answer politely instead of breaking it, and lets nothing through afterwards."""
    passed = 0

    def tamper(number: int, piece: bytes) -> bytes | None:
        nonlocal passed
        passed += 1
        return piece if passed <= end or number == 0 else None

    way.link.tamper = tamper
    with pytest.raises(Unavailable, match="ended after"):
        await way.retrieve(await granted(way))
    assert (await way.court_store.counts()).bundles == 0


async def test_empty_answer_is_no_answer(way: Way) -> None:
    way.link.tamper = lambda _number, _piece: None
    with pytest.raises(Unavailable, match="empty"):
        await way.retrieve(await granted(way))


async def test_stream_sealed_again_by_somebody_else_is_refused(way: Way) -> None:
    """The relay knows the one-time public key; it can seal to it, but it cannot sign the lender's list."""
    forged: list[bytes] = []

    def tamper(number: int, piece: bytes) -> bytes:
        if not number:
            (under,) = way.retrieval._busy.values()
            plaintext = bytes([1]) + (2).to_bytes(4, "big") + b"{}" + (5).to_bytes(8, "big") + b"a.b.c"
            stream = new_stream(
                request_digest=under.request.digest,
                recipient=under.request.recipient,
                plaintext_bytes=len(plaintext),
                random_bytes=way.disclosures._random,
            )
            forged[:] = [stream.header, *StreamSealer(stream).seal([plaintext])]
        return forged[number] if number < len(forged) else piece

    way.link.tamper = tamper
    with pytest.raises((Malformed, Unverified)):
        await way.retrieve(await granted(way))
    assert (await way.court_store.counts()).bundles == 0


def vault_file(way: Way, records: Any, seq: int) -> Path:
    return way.home / "custodian/data/vault" / str(records[seq].payloads[0][1].blob)


async def test_lost_and_altered_payloads_have_words_of_their_own(way: Way) -> None:
    state = await way.custodian_store.find_dossier("loan 1")
    assert state is not None
    await way.deposit("loan 1", [*lines(), repayment(3), repayment(4)])
    await way.forward()
    records = await way.custodian_store.records(state.id)
    vault_file(way, records, 0).unlink()
    inside = bytearray(vault_file(way, records, 1).read_bytes())
    inside[len(inside) // 3] ^= 1
    vault_file(way, records, 1).write_bytes(inside)
    with vault_file(way, records, 3).open("ab") as file:
        file.write(b"more")
    vault_file(way, records, 4).write_bytes(b"")
    rows, done, data = await way.retrieve(await granted(way))
    verdict = json.loads(done.verdict)
    found = [(row["verdict"], row["reason"].partition(": ")[0] and row["reason"]) for row in verdict["records"]]
    assert [finding for finding, _ in found] == [
        "UNVERIFIABLE", "INCONSISTENT", "CONSISTENT", "INCONSISTENT", "INCONSISTENT",
    ]  # fmt: skip
    assert "payload receipt.txt is lost: its file is gone from the lender's vault" in found[0][1]
    for place in (1, 3, 4):
        assert "receipt.txt was altered in the lender's vault" in found[place][1]
        assert "lost" not in found[place][1]
    assert [row.verdict for row in rows] == [finding for finding, _ in found]
    assert {name for name in take_apart(data) if "/payloads/" in name} == {"records/000002/payloads/receipt.txt"}


async def test_dossier_with_a_lost_payload_alone_is_unverifiable_and_never_green(way: Way) -> None:
    state = await way.custodian_store.find_dossier("loan 1")
    assert state is not None
    vault_file(way, await way.custodian_store.records(state.id), 1).unlink()
    _, done, _ = await way.retrieve(await granted(way))
    verdict = json.loads(done.verdict)
    assert verdict["verdict"] == "UNVERIFIABLE"
    assert [step["result"] for step in verdict["steps"]].count("failed") == 0


async def test_payload_left_out_without_a_word_is_missing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lender's list says that it is sent."""
    planner = way.disclosures._planner
    honest = planner.again

    def again(manifest: str, records: Any) -> Any:
        from dataclasses import replace

        fewer = [replace(r, payloads=()) if r.seq == 1 else r for r in records]
        return honest(manifest, fewer)

    monkeypatch.setattr(planner, "again", again)
    rows, done, _ = await way.retrieve(await granted(way))
    reason = json.loads(done.verdict)["records"][1]["reason"]
    assert "payload receipt.txt is missing, though the lender's list says that it is sent" in reason
    assert rows[1].verdict == "INCONSISTENT"
