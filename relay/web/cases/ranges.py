"""Answers with bytes of a file, whole or one range of it (RFC 9110 section 14), which players need to jump in a recording."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECE_BYTES: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


class NotSatisfiable(ValueError):
    """The range lies outside the file (RFC 9110 section 15.5.17)."""


def one_range(header: str, size: int) -> tuple[int, int] | None:
    """[start, end) of a Range header; None when all is to be sent: no header, several ranges, another unit or form (section 14.2).

    Raises `NotSatisfiable`.
    """
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        suffix = int(match[2])
        if not suffix or not size:
            raise NotSatisfiable
        return max(0, size - suffix), size
    start = int(match[1])
    end = int(match[2]) + 1 if match[2] else size
    if match[2] and end <= start:
        return None  # last before first: not a range at all
    if start >= size:
        raise NotSatisfiable
    return start, min(end, size)


class FileResponse(Response):
    """A file's bytes, then the file is closed, whoever went away. Honours Range and If-Range; `etag` names exactly these bytes."""

    def __init__(self, request: Request, file: BinaryIO, size: int, etag: str, headers: Mapping[str, str]) -> None:
        self._file = file
        self._range = (0, size)
        base = {**headers, "Accept-Ranges": "bytes", "ETag": f'"{etag}"'}
        status = 200
        wanted = request.headers.get("range", "")
        if request.headers.get("if-range", f'"{etag}"') != f'"{etag}"':
            wanted = ""
        try:
            found = one_range(wanted, size)
        except NotSatisfiable:
            status, self._range = 416, (0, 0)
            base["Content-Range"] = f"bytes */{size}"
        else:
            if found is not None:
                status, self._range = 206, found
                base["Content-Range"] = f"bytes {found[0]}-{found[1] - 1}/{size}"
        base["Content-Length"] = str(self._range[1] - self._range[0])
        super().__init__(None, status, headers=base)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Response."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            at, end = self._range
            if scope["method"] == "HEAD":
                at = end
            await asyncio.to_thread(self._file.seek, at)
            while at < end:
                piece = await asyncio.to_thread(self._file.read, min(PIECE_BYTES, end - at))
                if not piece:
                    raise RuntimeError("the file is shorter than it was said to be")
                at += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": at < end})
            if self._range[0] == end or scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._file.close()
