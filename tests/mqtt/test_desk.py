"""The operators' call for notices: bounded, operators alone, and a plain word where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Malformed, NotFound
from relay.core.identity import Role
from relay.store.relay import SqliteRelayStore
from relay.wire.notices_desk import ALLOW, NOTICES_MAX, NoticeDesk
from relay.wire.v1 import notices_pb2
from tests.store.relay_items import anchor

NO_CONTEXT: Any = None


def test_operators_alone_may_ask() -> None:
    assert {"/relay.wire.v1.NoticeDesk/Notices": frozenset({Role.OPERATOR})} == ALLOW


async def test_page_is_bounded_whatever_is_asked_for(tmp_path: Path) -> None:
    store = await SqliteRelayStore.open(tmp_path / "relay", tells=True)
    try:
        await store.save_rescan("l", await store.cursor("l"), [anchor(size, 1) for size in range(1, NOTICES_MAX + 3)])
        desk = NoticeDesk(store.notices)
        for limit in (0, NOTICES_MAX, 2**32 - 1):
            reply = await desk.Notices(notices_pb2.NoticesRequest(limit=limit), NO_CONTEXT)
            assert len(reply.notices) == NOTICES_MAX
            assert (reply.after_seq, reply.first_seq, reply.last_seq) == (0, 1, NOTICES_MAX + 2)
        one = await desk.Notices(notices_pb2.NoticesRequest(after_seq=NOTICES_MAX, limit=1), NO_CONTEXT)
        assert len(one.notices) == 1
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (notices_pb2.NoticesRequest(after_seq=2**64 - 1), "after_seq"),
        (notices_pb2.NoticesRequest(epoch="' OR 1=1"), "epoch"),
        (notices_pb2.NoticesRequest(epoch="A" * 16), "epoch"),
        (notices_pb2.NoticesRequest(epoch="a" * 100_000), "epoch"),
    ],
)
async def test_what_is_no_place_is_refused(tmp_path: Path, request_: notices_pb2.NoticesRequest, field: str) -> None:
    store = await SqliteRelayStore.open(tmp_path / "relay", tells=True)
    try:
        with pytest.raises(Malformed) as refused:
            await NoticeDesk(store.notices).Notices(request_, NO_CONTEXT)
        assert refused.value.field == field
    finally:
        await store.close()


async def test_role_without_a_broker_says_so() -> None:
    with pytest.raises(NotFound, match=r"no \[mqtt\]"):
        await NoticeDesk(None).Notices(notices_pb2.NoticesRequest(), NO_CONTEXT)
