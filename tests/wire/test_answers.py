"""An answer on the wire: its pieces in their order, and an end that must be said."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relay.core.errors import Denied, Malformed
from relay.wire.relay_server import SEALED_CHUNK_BYTES_MAX, _pieces
from relay.wire.v1 import relay_pb2

END = relay_pb2.AnswerChunk(end=relay_pb2.AnswerEnd())


def chunk(data: bytes) -> relay_pb2.AnswerChunk:
    return relay_pb2.AnswerChunk(chunk=data)


async def pieces(*sent: relay_pb2.AnswerChunk, header: bytes = b"{}") -> list[bytes]:
    async def requests() -> AsyncIterator[relay_pb2.AnswerChunk]:
        for one in sent:
            yield one

    return [piece async for piece in _pieces(header, requests())]


async def test_header_chunks_and_end() -> None:
    assert await pieces(chunk(b"a"), chunk(b"b"), END) == [b"{}", b"a", b"b"]


@pytest.mark.parametrize("sent", [(), (chunk(b"a"),)])
async def test_stream_that_ends_without_saying_so_broke_off(sent: tuple[relay_pb2.AnswerChunk, ...]) -> None:
    """What a killed custodian's stream looks like."""
    with pytest.raises(Malformed, match="broke off"):
        await pieces(*sent)


@pytest.mark.parametrize(
    "wrong",
    [
        chunk(b""),
        chunk(bytes(SEALED_CHUNK_BYTES_MAX + 1)),
        relay_pb2.AnswerChunk(),
        relay_pb2.AnswerChunk(start=relay_pb2.AnswerStart()),
    ],
)
async def test_anything_else_between_the_chunks_is_malformed(wrong: relay_pb2.AnswerChunk) -> None:
    with pytest.raises(Malformed):
        await pieces(chunk(b"a"), wrong, END)


@pytest.mark.parametrize("header", [b"", bytes(5000)])
async def test_header_has_its_bounds(header: bytes) -> None:
    with pytest.raises(Malformed):
        await pieces(END, header=header)


async def test_refusal_after_chunks_is_a_denial_and_no_end() -> None:
    with pytest.raises(Denied):
        await pieces(chunk(b"a"), relay_pb2.AnswerChunk(refusal=relay_pb2.AnswerRefusal()), END)
