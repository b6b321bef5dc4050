"""Sending stored files, whole or one range of bytes (RFC 9110 section 14)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from relay.web.api.problems import Problem

CHUNK_BYTES: Final = 1024 * 1024
_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Bytes [start, end) of `size`; `part` when a range was asked for."""

    start: int
    end: int
    size: int
    part: bool


def wanted(header: str, size: int) -> Wanted:
    """What a Range header asks for. One of another form, or of several ranges, is ignored as the RFC permits; raises the 416 problem."""
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return Wanted(start=0, end=size, size=size, part=False)
    first, last, suffix = match.groups()
    if suffix:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return Wanted(start=0, end=size, size=size, part=False)
    if start >= size or start >= end:
        raise Problem(
            name="range", detail=f"the content has {size} bytes", headers={"Content-Range": f"bytes */{size}"}
        )
    return Wanted(start=start, end=end, size=size, part=True)


class FileAnswer(StreamingResponse):
    """A file, closed at the end whatever happens."""

    def __init__(self, file: BinaryIO, what: Wanted, *, media_type: str, name: str, tag: str) -> None:
        self._file = file
        headers = {
            "Content-Length": str(what.end - what.start),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "ETag": f'"{tag}"',
        }
        if what.part:
            headers["Content-Range"] = f"bytes {what.start}-{what.end - 1}/{what.size}"
        super().__init__(_chunks(file, what), 206 if what.part else 200, headers, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def send_file(request: Request, file: BinaryIO, *, media_type: str, name: str, tag: str) -> Response:
    """The answer for a stored file, which it closes. `name` and `tag` are ours: visible ASCII without quotes."""
    try:
        size = file.seek(0, os.SEEK_END)
        header = request.headers.get("range", "")
        if request.headers.get("if-range", f'"{tag}"') != f'"{tag}"':
            header = ""  # the caller has the beginning of something else
        what = wanted(header, size)
    except BaseException:
        file.close()
        raise
    return FileAnswer(file, what, media_type=media_type, name=name, tag=tag)


async def _chunks(file: BinaryIO, what: Wanted) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, what.start)
    left = what.end - what.start
    while left:
        data = await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))
        if not data:
            raise RuntimeError("a stored file is shorter than it was")
        left -= len(data)
        yield data
