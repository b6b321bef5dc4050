"""What a process of long life does about the C library's memory, whose holes would add up over hours.

Only glibc has what is used here; elsewhere there is nothing to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

ONE_ALLOCATOR: Final = {"PYTHONMALLOC": "malloc"}
"""Environment a role is started with: the interpreter takes its objects from the C library, like all else in the process.

Its own allocator takes a MiB at a time and keeps each as long as one object lies in it; `give_back` cannot reach inside. It has to
stand in the environment: the interpreter decides before it runs anything. Source: Python/C API, "Memory Management".
"""
ARENAS: Final = 2
GIVE_BACK_S: Final = 15.0
_M_ARENA_MAX: Final = -8
"""From malloc.h."""


def keep_few_arenas() -> None:
    """Threads share two arenas instead of having one each."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Pages that hold nothing any more go back to the system, also those in the middle.

    Objects that hold each other are freed before: the collector comes to them when enough others were made, and what is left of them until
    then keeps its page. That takes a millisecond or two, for what was there at the start is frozen; the rest takes a few more, without
    the interpreter's lock.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


async def giving_back(main: Coroutine[Any, Any, None]) -> None:
    """Run `main`; four times a minute what was freed is given back."""

    async def now_and_then() -> None:
        while True:
            await asyncio.sleep(GIVE_BACK_S)
            await asyncio.to_thread(give_back)

    keeping = asyncio.create_task(now_and_then(), name="memory")
    try:
        await main
    finally:
        keeping.cancel()
