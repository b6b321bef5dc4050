"""Processes of a bench's own: each serves at an address that it prints."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

READY: Final = "serving at "


def ready(port: int) -> None:
    """Said by the process once it serves."""
    print(f"{READY}127.0.0.1:{port}", flush=True)


@asynccontextmanager
async def process(module: str, *arguments: str) -> AsyncIterator[str]:
    """Run `python -m module` until the body ends; its address."""
    made = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdout=subprocess.PIPE)
    try:
        assert made.stdout is not None
        yield (await made.stdout.readline()).decode().removeprefix(READY).strip()
    finally:
        made.kill()
        await made.wait()
