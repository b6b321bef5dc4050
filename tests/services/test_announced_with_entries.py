"""A checkpoint that is announced with its entries: everything of it is stored in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.errors import Conflict, Denied, Malformed, RelayError, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.package import Package
from relay.ports.forwarding import Announcement, CourtState
from tests.services.test_forwarding import anchored, note_of, packages, spoiled
from tests.services.test_forwarding import way as way
from tests.support.links import announced
from tests.support.way import Way


async def groups_of(*groups: Sequence[Package]) -> AsyncIterator[Sequence[Package]]:
    for group in groups:
        yield group


async def offer(way: Way, count: int) -> Announcement:
    """What a relay would announce of `count` anchored entries."""
    note = await anchored(way, count)
    item = await way.relay_store.find_item(way.origin, count)
    assert item is not None
    return announced(note, 0, [], await way.source.prove(item.anchor))


async def send(way: Way, size: int, given: Announcement | None, *groups: Sequence[Package]) -> list[CourtState]:
    return [state async for state in way.mirror.add_entries(way.origin, size, groups_of(*groups), given)]


async def nothing_is_held(way: Way) -> None:
    assert await way.mirror.latest(way.origin) == CourtState(size=0, next_index=0, cosigned=b"")
    log = await way.court_store.log(way.origin)
    assert (log.size, log.files.size) == (0, 0)


async def test_checkpoint_entries_and_cosignature_come_together(way: Way) -> None:
    given = await offer(way, 300)
    (last,) = await send(way, 300, given, packages(way, 0, 300))
    assert parse_checkpoint(last.cosigned)[0].size == 300
    assert await way.mirror.latest(way.origin) == last
    assert way.mirror.cosigned.is_set()
    assert await send(way, 300, given) == [last], "the same once more is what is held already"


async def test_stream_that_ends_early_leaves_the_announcement_and_what_came(way: Way) -> None:
    given = await offer(way, 600)
    made = packages(way, 0, 600)
    with pytest.raises(Conflict, match="256 of 600"):
        await send(way, 600, given, made[:1])
    assert await way.mirror.latest(way.origin) == CourtState(size=600, next_index=256, cosigned=b"")
    *_, last = await send(way, 600, None, made[1:2], made[2:])
    assert await way.mirror.latest(way.origin) == last
    assert last.cosigned


async def test_wrong_entries_leave_nothing(way: Way) -> None:
    given = await offer(way, 300)
    one, two = packages(way, 0, 300)
    for wrong in ([spoiled(one), two], [two], [replace(one, proof=()), two]):
        with pytest.raises((Unverified, Malformed)):
            await send(way, 300, given, wrong)
        await nothing_is_held(way)
    with pytest.raises(Unverified):  # the good ones before a bad one are kept, as ever
        await send(way, 300, given, [one, spoiled(two)])
    assert await way.mirror.latest(way.origin) == CourtState(size=300, next_index=256, cosigned=b"")


async def test_announcement_that_does_not_hold_takes_no_entry(way: Way) -> None:
    given = await offer(way, 3)
    made = packages(way, 0, 3)
    invented = note_of(way, Checkpoint(origin=way.origin, size=3, root=bytes(32)))
    other = LedgerProof(kind=given.anchor.kind, ledger="embedded:court-1", body=given.anchor.body)
    wrong: list[tuple[Announcement, type[RelayError] | tuple[type[RelayError], ...]]] = [
        (replace(given, checkpoint=invented), Unverified),
        (replace(given, anchor=other), (Unverified, Conflict)),
        (replace(given, old_size=2), Conflict),
        (replace(given, consistency=[bytes(32)]), Unverified),
        (replace(given, checkpoint=note_of(way, Checkpoint(origin=way.origin, size=4, root=bytes(32)))), Malformed),
        (
            replace(given, checkpoint=note_of(way, Checkpoint(origin="x.example/log", size=3, root=bytes(32)))),
            Malformed,
        ),
    ]
    for announcement, error in wrong:
        with pytest.raises(error):
            await send(way, 3, announcement, made)
        await nothing_is_held(way)
    with pytest.raises(Denied):
        async for _ in way.mirror.add_entries("x.example/log", 3, groups_of(made), given):
            pass


async def test_key_that_cannot_sign_now_leaves_nothing_and_may_later(way: Way) -> None:
    given = await offer(way, 3)
    mirror: Any = way.mirror
    signer = mirror._witness

    class Gone:
        public_key = signer.public_key

        def sign(self, message: bytes) -> bytes:
            raise Unavailable("the token is not there")

    mirror._witness = Gone()
    with pytest.raises(Unavailable):
        await send(way, 3, given, packages(way, 0, 3))
    await nothing_is_held(way)
    mirror._witness = signer
    (last,) = await send(way, 3, given, packages(way, 0, 3))
    assert last.cosigned
