"""The court's keeper of tokens: asks once, verifies before it stores, and one authority's trouble is nobody else's."""

from __future__ import annotations

import asyncio
import datetime
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from relay.app.trust import read_trust
from relay.core import cms
from relay.core.errors import Malformed, RelayError, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.timestamp import ImprintHash, parse_token
from relay.core.trust import TrustRoots
from relay.ports.held import HeldCheckpoint
from relay.services.court.timestamps import AGE_MS, Timestamps, check_configured
from relay.store.court import SqliteCourtStore
from tests.support.bundles import make_home
from tests.support.frozen import SeededBytes, TestClock, no_waits, settle
from tests.time.authority import SHA256, Authority, Info, forge, make_authority, pin, sign

ORIGIN = "bank.example/evidence"
PROOF = LedgerProof(kind="quorum", ledger="ledger", body=b"proof")


@dataclass
class Asked:
    """An authority under the test's hand: answers, or fails as told."""

    name: str
    answer: Callable[[bytes], bytes]
    hash_name: ImprintHash = "sha256"
    queries: list[bytes] = field(default_factory=list)

    async def ask(self, request: bytes) -> bytes:
        self.queries.append(request)
        return self.answer(request)


def down(_request: bytes) -> bytes:
    raise Unavailable("nobody answers")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory, one: Authority, two: Authority) -> TrustRoots:
    home = make_home(tmp_path_factory.mktemp("home") / "home")
    pin(home, one, two)
    return read_trust(home / "trust.json")


def now_ms() -> int:
    """A whole second, read when a test runs: the authorities of openssl answer by the machine's own clock."""
    return int(time.time()) * 1000


class Stage:
    """A store with checkpoints, and a keeper over some authorities."""

    def __init__(self, store: SqliteCourtStore, trust: TrustRoots, *authorities: Asked) -> None:
        self.store = store
        self.now_ms = now_ms()
        self.clock = TestClock(self.now_ms)
        self.keeper = Timestamps(
            store=store,
            authorities=authorities,
            trust=trust,
            clock=self.clock,
            random_bytes=SeededBytes("nonces"),
            backoff=no_waits,
        )

    async def accept(self, size: int, *, ago_ms: int = 0) -> None:
        """A checkpoint whose receipt was read."""
        receipted_ms = self.now_ms - ago_ms
        latest = await self.store.latest(ORIGIN)
        note = b"note of size %d\n" % size
        held = HeldCheckpoint(
            origin=ORIGIN, size=size, root=bytes(32), note=b"", anchor=PROOF, anchored_ms=receipted_ms, cosigned=note,
            receipt=None, receipted_ms=0,
        )  # fmt: skip
        await self.store.add_checkpoint(held, latest.size if latest else 0)
        await self.store.save_receipt(ORIGIN, size, PROOF, receipted_ms)

    async def tokens(self, *sizes: int) -> dict[int, tuple[bytes, ...]]:
        return await self.store.timestamps(ORIGIN, sizes)


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    opened = await SqliteCourtStore.open(tmp_path / "court")
    yield opened
    await opened.close()


async def test_each_authority_is_asked_once_for_each_checkpoint(
    store: SqliteCourtStore, trust: TrustRoots, one: Authority, two: Authority
) -> None:
    first, second = Asked("one", one.reply), Asked("two", two.reply, "sha512")
    stage = Stage(store, trust, first, second)
    await stage.accept(3)
    await stage.accept(5)
    for _ in range(2):
        for authority in (second, first):
            await stage.keeper.stamp(authority)
    assert [len(asked.queries) for asked in (first, second)] == [2, 2]
    held = await stage.tokens(3, 4, 5)
    assert sorted(held) == [3, 5]
    for size, (of_one, of_two) in held.items():
        note = b"note of size %d\n" % size
        assert one.openssl_accepts(of_one, note)
        assert two.openssl_accepts(of_two, note)


async def test_first_token_of_an_authority_stays(store: SqliteCourtStore, trust: TrustRoots, one: Authority) -> None:
    stage = Stage(store, trust)
    await stage.accept(3)
    for token in (b"first", b"second"):
        await store.save_timestamp(ORIGIN, 3, "one", token, stage.now_ms)
    assert await stage.tokens(3) == {3: (b"first",)}


async def test_authority_that_is_down_delays_nothing(
    store: SqliteCourtStore, trust: TrustRoots, one: Authority, two: Authority
) -> None:
    lame = Asked("one", down)
    stage = Stage(store, trust, lame, Asked("two", two.reply))
    running = asyncio.create_task(stage.keeper.run())
    try:
        await stage.accept(3)
        stage.keeper.wake()

        async def stamped() -> bool:
            return bool(await stage.tokens(3))

        await settle(stamped, "the other authority has stamped it")
        assert stage.keeper.problem == "timestamp authority one: nobody answers"
        lame.answer = one.reply

        async def both() -> bool:
            return len((await stage.tokens(3)).get(3, ())) == 2

        await settle(both, "the first is asked again until it answers")
        await settle(lambda: stage.keeper.problem == "", "nothing is wrong any more")
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def answered(authority: Authority, **changes: Any) -> Callable[[bytes], bytes]:
    """The authority's key answers the very question, with something changed."""

    def answer(query: bytes) -> bytes:
        request = cms.decode(cms.Request, query, "request", "")
        at_ms = now_ms() + changes.get("ahead_ms", 0)
        token = forge(authority, changes.get("note", b"note of size 3\n"), at_ms)
        info = cms.decode(Info, parse_token(token).shape.content.content.content, "info", "")
        info.nonce = request.nonce + changes.get("nonce", 0)
        info.imprint = changes.get("imprint", request.imprint)
        token = resigned(authority, info)
        return cms.encode(cms.Response(status=cms.Status(status=0, text=None, failure=None), token=cms.whole(token)))

    return answer


def resigned(authority: Authority, info: Info) -> bytes:
    return sign(authority, cms.encode(info), authority.certificate.fingerprint(hashes.SHA256()))


async def refused(stage: Stage, authority: Asked) -> str:
    await stage.accept(3)
    with pytest.raises(RelayError) as caught:
        await stage.keeper.stamp(authority)
    assert isinstance(caught.value, Unverified | Malformed | Unavailable)
    assert await stage.tokens(3) == {}
    return str(caught.value)


async def test_answer_of_the_forger_is_the_control(store: SqliteCourtStore, trust: TrustRoots, one: Authority) -> None:
    stage = Stage(store, trust)
    await stage.accept(3)
    assert await Stage(store, trust, asked := Asked("one", answered(one))).keeper.stamp(asked) == 1


@pytest.mark.parametrize(("minutes", "words"), [(10, r"\+6\d\d"), (-10, r"-[56]\d\d")])
async def test_clock_that_is_ten_minutes_off_is_named(
    store: SqliteCourtStore, trust: TrustRoots, one: Authority, minutes: int, words: str
) -> None:
    asked = Asked("one", answered(one, ahead_ms=minutes * 60_000))
    stage = Stage(store, trust, asked)
    said = await refused(stage, asked)
    assert re.fullmatch(rf"timestamp: its clock is {words} s from this court's", said)


async def test_answer_to_another_question(store: SqliteCourtStore, trust: TrustRoots, one: Authority) -> None:
    asked = Asked("one", answered(one, nonce=1))
    assert "Nonce mismatch" in await refused(Stage(store, trust, asked), asked)


async def test_answer_over_other_bytes(store: SqliteCourtStore, trust: TrustRoots, one: Authority) -> None:
    other = cms.Imprint(algorithm=SHA256, digest=bytes(32))
    asked = Asked("one", answered(one, imprint=other))
    assert "Mismatch between messages" in await refused(Stage(store, trust, asked), asked)


async def test_answer_by_another_pinned_authority(
    store: SqliteCourtStore, trust: TrustRoots, one: Authority, two: Authority
) -> None:
    asked = Asked("one", two.reply)
    assert "is signed by two" in await refused(Stage(store, trust, asked), asked)


async def test_answer_by_a_stranger(store: SqliteCourtStore, trust: TrustRoots, tmp_path: Path) -> None:
    asked = Asked("one", make_authority(tmp_path / "stranger", "one", kind="ec").reply)
    assert "a key that is not pinned" in await refused(Stage(store, trust, asked), asked)


async def test_answer_by_a_certificate_that_has_expired(
    store: SqliteCourtStore, trust: TrustRoots, tmp_path: Path
) -> None:
    day = datetime.timedelta(days=1)
    old = make_authority(tmp_path / "old", "old", kind="ec", since=-3 * day, until=-day)
    asked = Asked("old", answered(old))
    stage = Stage(store, replace(trust, authorities=(old.root,)), asked)
    assert "certificate has expired" in await refused(stage, asked)


@pytest.mark.parametrize("answer", [b"", b"0\x03\x02\x01\x02", b"\xff" * 200, b"0" * 20_000])
async def test_garbage(store: SqliteCourtStore, trust: TrustRoots, answer: bytes) -> None:
    asked = Asked("one", lambda _query: answer)
    assert await refused(Stage(store, trust, asked), asked)


async def test_what_was_accepted_long_ago_is_not_stamped(
    store: SqliteCourtStore, trust: TrustRoots, one: Authority
) -> None:
    asked = Asked("one", one.reply)
    stage = Stage(store, trust, asked)
    await stage.accept(3, ago_ms=AGE_MS + 1)
    await stage.accept(5, ago_ms=AGE_MS)
    assert await stage.keeper.stamp(asked) == 1
    assert sorted(await stage.tokens(3, 5)) == [5]


async def test_receipt_whose_block_is_older_than_the_last_look_is_not_missed(
    store: SqliteCourtStore, trust: TrustRoots, one: Authority
) -> None:
    asked = Asked("one", one.reply)
    stage = Stage(store, trust, asked)
    assert await stage.keeper.stamp(asked) == 0
    await stage.accept(3, ago_ms=60_000)
    assert await stage.keeper.stamp(asked) == 1


def test_authority_that_nobody_pinned_is_refused_at_the_start(trust: TrustRoots) -> None:
    check_configured([Asked("one", down)], trust)
    with pytest.raises(Malformed, match=r"time.authority\[1\].name: three is not among"):
        check_configured([Asked("one", down), Asked("three", down)], trust)
