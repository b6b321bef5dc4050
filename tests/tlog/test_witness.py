"""The court's witness over HTTP: C2SP tlog-witness, status by status, and no cosignature that could ever be contradicted."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from relay.core.addcheckpoint import BODY_BYTES_MAX, format_add_checkpoint, parse_add_checkpoint
from relay.core.checkpoint import parse_checkpoint, verify_cosignatures
from relay.core.errors import Conflict, Malformed
from relay.core.merkle import MemoryTree
from relay.core.note import VerifierKey, parse_note
from relay.core.trust import TrustRoots
from relay.ports.witness import Witnessed
from relay.services.court.witness import Witness
from relay.setup.keys import FileSigner, make_signing_key
from relay.store.witness import SqliteWitnessStore
from relay.wire.logs_http import LogSite, serving_http
from tests.support.frozen import TestClock
from tests.tlog.bench import opened
from tests.tlog.roots import pinned
from tests.tlog.test_serving import HASH
from tests.tlog.writer import LOG, NOW_S, ORIGIN, WITNESSES, Key, Log, folder_log, leaf

NAME = "court.example/tlog-witness"


@dataclass
class Answer:
    status: int
    kind: str
    body: bytes


class Court:
    """A witness behind HTTP, the log it witnesses, and a fork of that."""

    def __init__(self, store: SqliteWitnessStore, signer: FileSigner, clock: TestClock) -> None:
        self.store, self.clock = store, clock
        self.key = VerifierKey.cosigner(NAME, signer.public_key)
        self.log, self.other = Log(lambda _p, _d: None), Log(lambda _p, _d: None)
        self.log.grow(40)
        self.other.fork(0, 40)
        self.mirrored: dict[int, bytes] = {}
        self.url = ""

    async def mirrored_root(self, _origin: str, size: int) -> bytes | None:
        return self.mirrored.get(size)

    def body(self, old: int, size: int, *, log: Log | None = None, proof: Sequence[bytes] | None = None) -> bytes:
        log = log or self.log
        tree = MemoryTree([leaf(entry) for entry in log.entries])
        made = tree.consistency_proof(old, size) if proof is None and 0 < old <= size else proof or ()
        return format_add_checkpoint(old, made, log.note(size, witnesses=()))

    async def post(self, body: bytes, **headers: str) -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/add-checkpoint", data=body, headers=headers) as answer,
        ):
            return Answer(answer.status, answer.headers.get("Content-Type", ""), await answer.read())

    async def add(self, old: int, size: int) -> None:
        assert (await self.post(self.body(old, size))).status == 200


@asynccontextmanager
async def court(folder: Path, trust: TrustRoots | None = None) -> AsyncIterator[Court]:
    store = await SqliteWitnessStore.open(folder / "witness")
    path = folder / "witness.pem"
    signer = make_signing_key(path) if not path.exists() else _load(path)
    opened_court = Court(store, signer, TestClock(NOW_S * 1000))
    witness = Witness(
        store, trust or pinned(), opened_court.key, signer, opened_court.clock, opened_court.mirrored_root
    )
    async with serving_http(LogSite([], witness).handle, listen="127.0.0.1:0", tls=None) as port:
        opened_court.url = f"http://127.0.0.1:{port}"
        yield opened_court
    await store.close()


def _load(path: Path) -> FileSigner:
    from relay.setup.keys import load_signing_key

    return load_signing_key(path)


def cosigned_at(court: Court, body: bytes, line: bytes) -> int:
    """The time of the one cosignature in an answer, checked over the checkpoint that was sent."""
    note = parse_note(parse_add_checkpoint(body).checkpoint + line)
    ((_, time_s),) = verify_cosignatures(note, [court.key])
    return time_s


async def test_growing_log_is_cosigned_each_time(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        for old, size in ((0, 1), (1, 7), (7, 8), (8, 40)):
            one.clock.ms += 1000
            body = one.body(old, size)
            answer = await one.post(body)
            assert (answer.status, answer.kind) == (200, "text/plain; charset=utf-8")
            assert cosigned_at(one, body, answer.body) == one.clock.ms // 1000
        async with aiohttp.ClientSession() as session, session.get(f"{one.url}/witness/{HASH}/checkpoint") as shown:
            checkpoint, note = parse_checkpoint(await shown.read())
        assert (checkpoint.size, checkpoint.root) == (40, one.log.root(40))
        assert [s.name for s in note.signatures] == [ORIGIN, NAME]


async def test_same_checkpoint_again_is_cosigned_with_the_time_of_now(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        await one.add(0, 7)
        one.clock.ms += 60_000
        body = one.body(7, 7)
        answer = await one.post(body)
        assert cosigned_at(one, body, answer.body) == NOW_S + 60


@pytest.mark.parametrize(
    ("make", "status", "body"),
    [
        # 404 before everything else: the origin is not known
        (lambda c: format_add_checkpoint(0, (), _of("other.example/log").note(5, witnesses=())), 404, None),
        # 403: not signed, signed by another key, signed by a witness only
        (lambda c: format_add_checkpoint(7, (), _signed(c, [Key("x.example/y", 1)])), 403, None),
        (lambda c: format_add_checkpoint(7, (), _signed(c, [Key(ORIGIN, 1, "thief")])), 403, None),
        (lambda c: format_add_checkpoint(7, (), _signed(c, [WITNESSES[0]])), 403, None),
        # 400: old above the checkpoint
        (lambda c: c.body(8, 7, proof=()), 400, None),
        # 409 with the size that was cosigned
        (lambda c: c.body(0, 9), 409, b"7\n"),
        (lambda c: c.body(5, 9), 409, b"7\n"),
        (lambda c: c.body(8, 9), 409, b"7\n"),
        (lambda c: c.body(0, 5), 409, b"7\n"),
        (lambda c: c.body(5, 5, log=c.other), 409, b"7\n"),
        # 409: another root of the same size
        (lambda c: c.body(7, 7, log=c.other), 409, b"7\n"),
        # 422: the proof does not hold
        (lambda c: c.body(7, 9, log=c.other), 422, None),
        (lambda c: c.body(7, 9, proof=()), 422, None),
        (lambda c: c.body(7, 9, proof=[bytes(32)] * 4), 422, None),
        (lambda c: c.body(7, 9, proof=[bytes(32)] * 63), 422, None),
        (lambda c: c.body(7, 7, proof=[bytes(32)]), 422, None),
        # 400: not a request
        (lambda c: b"", 400, None),
        (lambda c: b"old 7\n", 400, None),
        (lambda c: c.body(7, 9).replace(b"old 7", b"old 07"), 400, None),
        (lambda c: c.body(7, 9).replace(b"old 7", b"old  7"), 400, None),
        (lambda c: c.body(7, 9).replace(b"old 7", b"old -7"), 400, None),
        (lambda c: c.body(7, 9).replace(b"old 7", b"Old 7"), 400, None),
        (lambda c: c.body(7, 9).replace(b"old 7", b"old 99999999999999999999"), 400, None),
        (lambda c: c.body(7, 9, proof=[bytes(32)] * 64), 400, None),
        (lambda c: c.body(7, 9, proof=[bytes(31)]), 400, None),
        (lambda c: b"old 7\nnot base64!\n\n" + c.log.note(9), 400, None),
        (lambda c: b"old 7\n\n" + c.log.note(9)[:-10], 400, None),
        (lambda c: b"old 7\n\n" + c.log.text(9).encode(), 400, None),
        (lambda c: b"old 7\r\n\r\n" + c.log.note(9), 400, None),
        (lambda c: b"old 7\n\n" + b"x" * BODY_BYTES_MAX, 400, None),
    ],
)  # fmt: skip
async def test_refusals_are_those_of_the_protocol(
    tmp_path: Path, make: object, status: int, body: bytes | None
) -> None:
    async with court(tmp_path) as one:
        await one.add(0, 7)
        before = await one.store.latest(ORIGIN)
        answer = await one.post(make(one))  # type: ignore[operator]
        assert answer.status == status, answer.body
        assert b"\xe2\x80\x94" not in answer.body  # no signature line
        if body is not None:
            assert (answer.kind, answer.body) == ("text/x.tlog.size", body)
        assert await one.store.latest(ORIGIN) == before
        await one.add(7, 9)


def _of(origin: str) -> Log:
    log = Log(lambda _p, _d: None, key=Key(origin, 1), origin=origin)
    log.grow(5)
    return log


def _signed(court: Court, keys: Sequence[Key]) -> bytes:
    text = court.log.text(9)
    return (text + "\n" + "".join(key.line(text, NOW_S) for key in keys)).encode()


async def test_first_checkpoint_has_no_proof_and_may_be_empty(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        assert (await one.post(one.body(0, 5, proof=[bytes(32)]))).status == 422
        assert (await one.post(one.body(3, 5))).status == 409
        await one.add(0, 0)
        await one.add(0, 5)
        assert (await one.post(one.body(0, 0))).body == b"5\n"


async def test_compressed_body_or_other_method_is_refused(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        assert (await one.post(one.body(0, 5), **{"Content-Encoding": "gzip"})).status == 415
        async with aiohttp.ClientSession() as session, session.get(f"{one.url}/add-checkpoint") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        async with aiohttp.ClientSession() as session, session.post(f"{one.url}/add-checkpoint?x") as answer:
            assert answer.status == 405


async def test_unknown_signatures_are_ignored_and_not_passed_on(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        text = one.log.text(5)
        lines = [Key("x.example/y", 1).line(text), LOG.line(text), WITNESSES[1].line(text, NOW_S)]
        body = format_add_checkpoint(0, (), f"{text}\n{''.join(lines)}".encode())
        answer = await one.post(body)
        assert answer.status == 200
        assert cosigned_at(one, body, answer.body) == NOW_S
        held = await one.store.latest(ORIGIN)
        assert held is not None
        assert [s.name for s in parse_note(held.cosigned).signatures] == [ORIGIN, NAME]


async def test_log_that_shows_the_mirror_another_tree_is_found_out(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        one.mirrored = {5: one.other.root(5), 7: one.log.root(7)}
        assert (await one.post(one.body(0, 5))).status == 422
        assert await one.store.latest(ORIGIN) is None
        await one.add(0, 7)


async def test_out_of_date_trust_roots_cosign_nothing(tmp_path: Path) -> None:
    async with court(tmp_path, pinned(from_s=NOW_S - 10 * 86_400, days=5)) as one:
        assert (await one.post(one.body(0, 5))).status == 503
        assert await one.store.latest(ORIGIN) is None


async def test_of_two_at_once_only_one_goes_on_from_the_same_size(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        await one.add(0, 5)
        answers = await asyncio.gather(*(one.post(one.body(5, size)) for size in range(6, 30)))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 23
        held = await one.store.latest(ORIGIN)
        assert held is not None
        assert {answer.body for answer in answers if answer.status == 409} == {f"{held.checkpoint.size}\n".encode()}


async def test_store_refuses_what_would_roll_back(tmp_path: Path) -> None:
    """The last line of defence, in the SQL: another process that has come first, or a smaller size."""
    store = await SqliteWitnessStore.open(tmp_path)
    log = Log(lambda _p, _d: None)
    log.grow(9)
    five, nine = (parse_checkpoint(log.note(size))[0] for size in (5, 9))
    await store.advance(Witnessed(checkpoint=five, cosigned=b"5"), None)
    with pytest.raises(Conflict):
        await store.advance(Witnessed(checkpoint=nine, cosigned=b"9"), None)
    await store.advance(Witnessed(checkpoint=nine, cosigned=b"9"), five)
    for old in (five, nine):
        with pytest.raises(Conflict):
            await store.advance(Witnessed(checkpoint=five, cosigned=b"5"), old)
    held = await store.latest(ORIGIN)
    assert held is not None
    assert (held.checkpoint, held.cosigned) == (nine, b"9")
    await store.close()


async def test_what_was_cosigned_stands_after_a_restart(tmp_path: Path) -> None:
    async with court(tmp_path) as one:
        await one.add(0, 7)
    async with court(tmp_path) as one:
        assert (await one.post(one.body(0, 9))).body == b"7\n"
        assert (await one.post(one.body(7, 7, log=one.other))).status == 409
        await one.add(7, 9)


@given(requests=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), min_size=1, max_size=12))
@run(max_examples=40, deadline=None)
def test_no_order_of_requests_gets_two_trees_cosigned(requests: list[tuple[int, int, bool]]) -> None:
    """Whatever is asked for of a log and its fork, the checkpoints cosigned form one growing history."""

    async def play(folder: Path) -> None:
        async with court(folder) as one:
            history: list[tuple[int, bytes]] = []
            for old, size, forked in requests:
                log = one.other if forked else one.log
                if (await one.post(one.body(old, size, log=log))).status == 200:
                    history.append((size, log.root(size)))
            sizes = [size for size, _ in history]
            assert sizes == sorted(sizes)
            roots = {size: root for size, root in history if size}
            assert all(roots[size] == root for size, root in history if size)
            assert any(all(log.root(s) == r for s, r in roots.items()) for log in (one.log, one.other))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


@given(
    old=st.integers(0, 2**53 - 1), proof=st.lists(st.binary(min_size=32, max_size=32), max_size=63), note=st.binary()
)
def test_body_has_one_spelling(old: int, proof: list[bytes], note: bytes) -> None:
    body = format_add_checkpoint(old, proof, note)
    read = parse_add_checkpoint(body)
    assert (read.old_size, read.proof, read.checkpoint) == (old, tuple(proof), note)


@given(body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read = parse_add_checkpoint(body)
    except Malformed:
        return
    assert format_add_checkpoint(read.old_size, read.proof, read.checkpoint) == body


async def test_log_with_this_witness_is_a_source_for_the_relay(tmp_path: Path) -> None:
    """The way round: a log asks the court's witness, publishes with its cosignature, and the family takes it."""
    async with court(tmp_path) as one:
        log = folder_log(tmp_path / "log")
        vkey = one.key.format()
        changes = {"witnesses": [vkey], "threshold": 2}
        async with opened(tmp_path / "log", tmp_path / "data", **changes) as source:
            for number, (old, size) in enumerate(((0, 5), (5, 33)), 1):
                log.grow(size)
                log.write_tiles(size)
                answer = await one.post(one.body(old, size))
                log.put("checkpoint", log.note(size, witnesses=()) + answer.body)
                await asyncio.sleep(0.04)
                assert (await source.head()).height == number
