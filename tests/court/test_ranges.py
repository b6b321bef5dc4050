"""Ranges of a file (RFC 9110 section 14), and how payloads may be shown."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from relay.web.cases.payload_kinds import HEAD_BYTES, agrees, hex_of, text_of, way_of
from relay.web.cases.ranges import FileResponse, NotSatisfiable, one_range

DATA = bytes(range(256)) * 5000
ETAG = "ab" * 32


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_a_range_is_what_the_standard_says_and_all_else_is_the_whole(
    header: str, found: tuple[int, int] | None
) -> None:
    assert one_range(header, 100) == found


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_a_range_outside_the_file_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(NotSatisfiable):
        one_range(header, size)


async def sent(headers: dict[str, str], method: str = "GET") -> tuple[int, dict[str, str], bytes, bool]:
    """Status, headers, body, and whether the file is closed."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/", "headers": raw, "query_string": b""}
    file = io.BytesIO(DATA)
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    response = FileResponse(Request(scope), file, len(DATA), ETAG, {"Content-Type": "audio/wav"})
    await response(scope, receive, send)
    body = b"".join(m.get("body", b"") for m in messages[1:])
    assert messages[-1].get("more_body", False) is False
    got = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], got, body, file.closed


@given(st.integers(0, len(DATA) - 1), st.integers(0, len(DATA) * 2))
async def test_the_bytes_are_those_of_the_range(start: int, last: int) -> None:
    status, headers, body, closed = await sent({"Range": f"bytes={start}-{max(start, last)}"})
    end = min(max(start, last) + 1, len(DATA))
    assert (status, body, closed) == (206, DATA[start:end], True)
    assert headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert headers["content-length"] == str(end - start)


async def test_the_whole_a_head_and_what_cannot_be_had() -> None:
    status, headers, body, _ = await sent({})
    assert (status, body, headers["accept-ranges"], headers["etag"]) == (200, DATA, "bytes", f'"{ETAG}"')
    status, headers, body, closed = await sent({}, "HEAD")
    assert (status, body, headers["content-length"], closed) == (200, b"", str(len(DATA)), True)
    status, headers, body, _ = await sent({"Range": f"bytes={len(DATA)}-"})
    assert (status, body, headers["content-range"]) == (416, b"", f"bytes */{len(DATA)}")


@pytest.mark.parametrize(
    ("given_etag", "status"), [(f'"{ETAG}"', 206), ('"other"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)]
)
async def test_a_range_of_another_version_gives_the_whole(given_etag: str, status: int) -> None:
    assert (await sent({"Range": "bytes=0-9", "If-Range": given_etag}))[0] == status


PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("media_type", "head", "way"),
    [
        ("image/png", PNG, "image"),
        ("image/jpeg", b"\xff\xd8\xff\xe0", "image"),
        ("image/jpeg", PNG, "bytes"),
        ("image/png", b"<svg", "bytes"),
        ("image/svg+xml", b"<svg", "bytes"),
        ("image/svg+xml", PNG, "bytes"),
        ("text/html", b"<html>", "bytes"),
        ("application/xhtml+xml", b"<html>", "bytes"),
        ("application/pdf", b"%PDF-1.4", "pdf"),
        ("application/pdf", b" %PDF-1.4", "bytes"),
        ("audio/wav", b"RIFF\0\0\0\0WAVEfmt ", "audio"),
        ("audio/wav", b"RIFF\0\0\0\0WEBP", "bytes"),
        ("audio/mpeg", b"ID3\x03", "audio"),
        ("audio/mpeg", b"\xff\xfb", "audio"),
        ("audio/mpeg", b"\xff\x00", "bytes"),
        ("video/mp4", b"\0\0\0\x18ftypmp42", "video"),
        ("video/mp4", b"<html>ftyp", "bytes"),
        ("text/plain", "好".encode(), "text"),
        ("text/plain", b"\xff\xfe", "bytes"),
        ("text/plain", b"a\x00b", "bytes"),
        ("application/json", b"{}", "text"),
        ("application/javascript", b"x", "bytes"),
        ("application/octet-stream", PNG, "bytes"),
        ("", b"", "bytes"),
    ],
)
def test_only_what_is_on_the_list_and_is_what_it_says_is_interpreted(media_type: str, head: bytes, way: str) -> None:
    assert way_of(media_type, head) == way


@given(
    st.binary(max_size=200), st.sampled_from(["image/png", "image/jpeg", "audio/wav", "video/mp4", "application/pdf"])
)
def test_markup_is_never_an_image_a_recording_or_a_pdf(rest: bytes, media_type: str) -> None:
    for opening in (b"<", b"<!doctype html>", b"<?xml", b"\n<svg"):
        assert way_of(media_type, opening + rest) == "bytes"
        assert not agrees(media_type, opening + rest)


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=50), st.integers(1, 3))
def test_text_cut_in_the_middle_of_a_character_is_still_text(text: str, cut: int) -> None:
    data = (text.encode() * HEAD_BYTES)[:HEAD_BYTES]
    assert text_of(data) is not None
    assert text_of(("好" * HEAD_BYTES).encode()[: HEAD_BYTES - cut]) is None or cut == 1


@given(st.binary(max_size=2000))
def test_hex_shows_every_byte_up_to_its_limit(data: bytes) -> None:
    lines = hex_of(data).split("\n") if data else []
    assert bytes.fromhex("".join(line[8:55] for line in lines)) == data[:1024]
