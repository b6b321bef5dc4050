"""Whatever a broker loses, repeats or brings out of order: a follower that may read on misses nothing and says nothing twice."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from relay.core.notices import HealthNotice, Notice, parse_notice
from relay.ports.notices import NoticePage
from relay.services.notices.following import Follower, Missing


def notice(seq: int, epoch: str = "a" * 16) -> Notice:
    return Notice(seq=seq, epoch=epoch, time_ms=seq, event="anchored", origin="a.example/log", size=seq)


class Outbox:
    """What the publisher has."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.asked = 0

    def add(self, epoch: str = "a" * 16) -> Notice:
        self.notices.append(notice(self.notices[-1].seq + 1 if self.notices else 1, epoch))
        return self.notices[-1]

    async def after(self, seq: int, epoch: str, limit: int) -> NoticePage:
        self.asked += 1
        first = self.notices[0].seq if self.notices else 0
        last = self.notices[-1].seq if self.notices else 0
        same = any(n.seq == seq and n.epoch == epoch for n in self.notices)
        if epoch and seq >= first and not same:
            seq = max((n.seq for n in self.notices if n.epoch == epoch and n.seq < seq), default=max(0, first - 1))
        rows = [n for n in self.notices if n.seq > seq][:limit]
        return NoticePage(after=seq, notices=rows, first=first, last=last)


async def feed(follower: Follower, payload: bytes) -> list[Notice | Missing]:
    said = follower.heard(payload)
    if isinstance(said, Notice):
        return [said]
    return [one async for one in follower.refill()] if said else []


@given(st.integers(1, 60), st.integers(0, 2**32), st.lists(st.integers(0, 59), max_size=4))
def test_lost_repeated_and_shuffled_notices_are_read_once_in_order(count: int, seed: int, restarts: list[int]) -> None:
    async def run() -> None:
        chosen, outbox = random.Random(seed), Outbox()
        follower, said, late = Follower(outbox.after), [], []
        epoch = "0" * 16
        for number in range(count):
            if number in restarts:
                epoch = f"{number + 1:016x}"
            late.append(outbox.add(epoch).to_json())
            while late and chosen.random() < 0.6:
                payload = chosen.choice(late)
                if chosen.random() < 0.7:
                    late.remove(payload)
                if chosen.random() < 0.7:
                    said += await feed(follower, payload)
        health = HealthNotice(seq=count, epoch=epoch, time_ms=1, state="ready")
        said += await feed(follower, health.to_json())
        assert said == outbox.notices

    asyncio.run(run())


async def test_restored_database_is_said_and_read_from_where_it_began_anew() -> None:
    outbox = Outbox()
    for _ in range(5):
        outbox.add()
    follower = Follower(outbox.after)
    assert [one async for one in follower.refill()] == outbox.notices
    outbox.notices = outbox.notices[:3]
    for _ in range(4):
        outbox.add("b" * 16)
    said = await feed(follower, outbox.notices[-1].to_json())
    assert said[0] == Missing(after=3, upto=5, restored=True)
    assert said[1:] == outbox.notices[3:]


async def test_pruned_notices_are_said_to_be_missing() -> None:
    outbox = Outbox()
    for _ in range(9):
        outbox.add()
    outbox.notices = outbox.notices[6:]
    said = [one async for one in Follower(outbox.after, 2).refill()]
    assert said == [Missing(after=2, upto=6, restored=False), *outbox.notices]


async def test_what_is_no_notice_says_nothing_and_asks_nobody() -> None:
    """Attack: whoever may speak on the topic makes every reader ask the relay."""
    outbox, follower = Outbox(), Follower(Outbox().after)
    for payload in (
        b"",
        b"{}",
        b"\xff",
        b"[" * 10_000,
        b'{"seq":1}',
        b"x" * 100_000,
        b'{"epoch":"x","event":"health","seq":1}',
    ):
        assert await feed(follower, payload) == []
    assert outbox.asked == 0


def test_notice_is_read_as_it_was_written() -> None:
    one = Notice(seq=7, epoch="f" * 16, time_ms=5, event="retrieval", outcome="consistent")
    assert parse_notice(one.to_json()) == one
    assert parse_notice(notice(3).to_json()) == notice(3)
