"""Pages of a PDF as pictures, made by a process of its own for each call (`pdf_worker.py`)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import BinaryIO, Final

from relay.core.errors import Malformed, Unavailable

PDF_BYTES_MAX: Final = 64 * 1024 * 1024
PAGES_MAX: Final = 50
"""Pages that are shown of one PDF; the rest is in the download."""
PNG_BYTES_MAX: Final = 24 * 1024 * 1024
WITHIN_S: Final = 20.0
AT_ONCE: Final = 2
WAITING_MAX: Final = 64
_WORKER: Final = Path(__file__).with_name("pdf_worker.py")


class PdfPages:
    """Bounded in processes, time, memory, pixels and bytes."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def count(self, file: BinaryIO, size: int) -> int:
        """How many pages. Raises `Malformed` for a PDF that cannot be shown, `Unavailable` when too many wait."""
        text = await self._run(file, size, "count")
        if not text.isdigit() or len(text) > 9:
            raise Malformed("PDF", "", "cannot be shown as pages; its bytes can be downloaded")
        return int(text)

    async def page(self, file: BinaryIO, size: int, number: int) -> bytes:
        """Page `number` from 0 as PNG. Raises as `count`."""
        return await self._run(file, size, str(number))

    async def _run(self, file: BinaryIO, size: int, wanted: str) -> bytes:
        if size > PDF_BYTES_MAX:
            raise Malformed("PDF", "", f"{size} bytes; at most {PDF_BYTES_MAX} are shown as pages")
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many pages are being made into pictures; try again in a moment")
        self._waiting += 1
        try:
            async with self._turns:
                data = await asyncio.to_thread(file.read)
                return await _worker(data, wanted)
        finally:
            self._waiting -= 1


async def _worker(data: bytes, wanted: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_WORKER),
        wanted,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        close_fds=True,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, _ = await process.communicate(data)
    except TimeoutError:
        out = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not out or len(out) > PNG_BYTES_MAX:
        raise Malformed("PDF", "", "cannot be shown as pages; its bytes can be downloaded")
    return out
