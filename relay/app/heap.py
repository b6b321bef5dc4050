"""What a process of long life does about the C library's memory, whose holes would add up over hours.

Only glibc has what is used here; elsewhere there is nothing to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

ONE_ALLOCATOR: Final = {"PYTHONMALLOC": "malloc"}
"""Environment a role is started with: the interpreter takes its objects from the C library, like all else in the process.

Its own allocator takes a MiB at a time and keeps each as long as one object lies in it; `give_back` cannot reach inside. It has to
stand in the environment: the interpreter decides before it runs anything. Source: Python/C API, "Memory Management".
"""
ARENAS: Final = 1
"""Each has holes of its own. Most of what a role allocates it allocates under the interpreter's lock, so threads seldom wait for one."""
OWN_PAGES_BYTES: Final = 64 * 1024
"""From this size on a block has pages of its own, which go when it is freed. Left alone the C library raises the limit, up to 32 MiB,
whenever a larger block is freed; then bundles and packages lie among small objects that stay. Source: mallopt(3), M_MMAP_THRESHOLD.
"""
GIVE_BACK_S: Final = 15.0
STARTED_WITHIN_S: Final = 10.0
PASSING_NAMES: Final = 200_000
"""As many spend every place of a table of 2^18 slots, of which a dictionary uses two thirds; a custodian's was seen to need 2^17."""
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""From malloc.h."""


def keep_few_holes() -> None:
    """Threads share one arena instead of having one each, and large blocks lie outside of it. For the start of a process."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, OWN_PAGES_BYTES)


def all_workers() -> ThreadPoolExecutor:
    """As many worker threads as the loop would take by and by, all of them started.

    Each has a stack and a cache of its own. Made when so many calls are under way at once for the first time, the last of them would
    come hours after the start and look like a leak.
    """
    count = min(32, (os.cpu_count() or 1) + 4)
    pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="worker")
    together = threading.Barrier(count)
    for _ in range(count):
        pool.submit(together.wait, STARTED_WITHIN_S)  # an idle thread would be taken again
    return pool


def settle_names() -> None:
    """The interpreter's table of names takes its last step now.

    Every part of a path is put into it (interned). What is gone leaves its place used, and when the places are spent, after half an hour or
    after a day, the table is made anew for thrice the names that are alive: a MiB more at once. From Python 3.12 on a name
    that was put in may stay for ever; there is nothing to spend.
    """
    if sys.version_info < (3, 12):
        for number in range(PASSING_NAMES):
            sys.intern(f"passing name {number}")


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
    """Run `main` on `all_workers`; four times a minute what was freed is given back."""
    asyncio.get_running_loop().set_default_executor(all_workers())

    async def now_and_then() -> None:
        await asyncio.sleep(GIVE_BACK_S)  # by then a role has taken in all its modules
        await asyncio.to_thread(settle_names)
        while True:
            await asyncio.to_thread(give_back)
            await asyncio.sleep(GIVE_BACK_S)

    keeping = asyncio.create_task(now_and_then(), name="memory")
    try:
        await main
    finally:
        keeping.cancel()
