"""Memory that a process has freed goes back to the system although something small above it is still held."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from relay.app import heap
from relay.app.heap import ONE_ALLOCATOR, give_back
from relay.app.initialise import initialise
from relay.app.processes import RoleProcess
from tests.deploy.manifests import DEPLOY

HOLES = """
from relay.app.heap import give_back
from tests.load.resident import resident_mb
import os
blocks = [b"x" * (100_000 + n) for n in range(640)]  # each above what Python keeps for itself, below what is mapped alone
full = resident_mb(os.getpid())
kept = blocks[::64]
del blocks
before = resident_mb(os.getpid())
give_back()
print(full, before, resident_mb(os.getpid()))
"""


def test_holes_go_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    full, before, after = (float(word) for word in done.stdout.split())
    assert before > full - 20, "the C library kept the holes: otherwise there is nothing to show"
    assert after < full - 50


SMALL_HOLES = """
from relay.app.heap import give_back
from tests.load.resident import resident_mb
import os
objects = [bytes(40) + bytes([n % 256]) for n in range(1_000_000)]
full = resident_mb(os.getpid())
kept = objects[::5_000]  # one or more in every MiB
del objects
give_back()
print(full - resident_mb(os.getpid()))
"""


def given_back_of_small_objects(environment: dict[str, str]) -> float:
    """MiB."""
    command = [sys.executable, "-c", SMALL_HOLES]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def test_holes_among_small_objects_go_back_too() -> None:
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONMALLOC"}
    assert given_back_of_small_objects(bare) < 30, "the interpreter kept the holes: otherwise there is nothing to show"
    assert given_back_of_small_objects({**bare, **ONE_ALLOCATOR}) > 50


LARGE_AMONG_SMALL = """
import sys
from relay.app.heap import keep_few_holes
from tests.load.resident import resident_mb
import os
if sys.argv[1] == "kept":
    keep_few_holes()
large = b"x" * 10_000_000
del large  # what makes the C library take later large blocks from the heap
kept = []
blocks = []
for n in range(100):
    blocks.append(b"x" * (300_000 + n))
    kept.append(b"y" * 1000)
full = resident_mb(os.getpid())
del blocks
print(full - resident_mb(os.getpid()))
"""


def gone_at_once(how: str) -> float:
    """MiB that the system has again without `give_back`."""
    command = [sys.executable, "-c", LARGE_AMONG_SMALL, how]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_large_blocks_leave_no_holes_among_small_ones() -> None:
    assert gone_at_once("bare") < 5, "the C library kept them: otherwise there is nothing to show"
    assert gone_at_once("kept") > 25


ARENAS_OF_THREADS = """
import ctypes, os, sys, tempfile, threading
from pathlib import Path
from relay.app.heap import keep_few_holes
if sys.argv[1] == "kept":
    keep_few_holes()
threads = [threading.Thread(target=lambda: bytes(50_000)) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
said = Path(sys.argv[2])
file = ctypes.c_void_p(library.fopen(os.fsencode(said), b"w"))
library.malloc_info(0, file)
library.fclose(file)
print(said.read_text().count("<heap "))
"""


def arenas(how: str, folder: Path) -> int:
    """How many a process has after four threads took memory, as the C library says (malloc_info(3))."""
    command = [sys.executable, "-c", ARENAS_OF_THREADS, how, str(folder / how)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_threads_share_one_arena(tmp_path: Path) -> None:
    assert arenas("bare", tmp_path) > 1, "otherwise there is nothing to show"
    assert arenas("kept", tmp_path) == 1


PASSING = """
import ctypes, sys
from relay.app import heap
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Info
def used():
    told = library.mallinfo2()
    return told.hblkhd + told.uordblks
kept = [sys.intern(f"kept {n}") for n in range(60_000)]  # with what is there already, most of the places of a table of 2**17
if sys.argv[1] == "settled":
    heap.settle_names()
before = used()
for n in range(150_000):
    sys.intern(f"gone {n}")
print((used() - before) / 2**20)
"""


def taken_by_passing_names(how: str) -> float:
    """MiB in use more after names that nobody keeps; objects from the C library, which counts them."""
    command = [sys.executable, "-c", PASSING, how]
    environment = {**os.environ, **ONE_ALLOCATOR}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="names that were put in may stay for ever there")
def test_table_of_names_grows_at_the_start_and_not_later() -> None:
    assert taken_by_passing_names("bare") > 1, "otherwise there is nothing to show"
    assert abs(taken_by_passing_names("settled")) < 0.2


class Pair:
    """Holds itself: only the collector frees it."""

    def __init__(self) -> None:
        self.other = self


def test_what_holds_itself_is_freed_before() -> None:
    gc.disable()
    try:
        gone = weakref.ref(Pair())
        assert gone() is not None
        give_back()
        assert gone() is None
    finally:
        gc.enable()


async def test_every_role_is_started_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, value),) = ONE_ALLOCATOR.items()
    image = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert f" {name}={value} " in re.sub(r"\\\n", " ", image)
    assert f" {name}={value} " in (DEPLOY / "systemd/courtrelay@.service").read_text()
    monkeypatch.delenv(name, raising=False)
    process = RoleProcess("court-ledger", initialise(tmp_path / "home", base_port=0, validators=4, threshold=3).home)
    await process.start()
    try:
        started = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    finally:
        await process.end()
    assert f"{name}={value}".encode() in started


async def test_all_worker_threads_are_there_before_the_role_begins() -> None:
    def workers() -> int:
        return sum(thread.name.startswith("worker") for thread in threading.enumerate())

    before, seen = workers(), 0

    async def main() -> None:
        nonlocal seen
        seen = workers() - before
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(100)))
        assert workers() - before == seen

    await heap.giving_back(main())
    assert seen == min(32, (os.cpu_count() or 1) + 4)


async def test_it_is_done_again_and_again_while_the_role_runs_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    thrice = asyncio.Event()

    def count() -> None:
        calls.append(1)
        if len(calls) == 3:
            loop.call_soon_threadsafe(thrice.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(heap, "GIVE_BACK_S", 0.01)
    monkeypatch.setattr(heap, "give_back", count)

    async def main() -> None:
        await thrice.wait()

    await heap.giving_back(main())
    assert len(calls) >= 3
    assert "memory" not in {task.get_name() for task in asyncio.all_tasks() if not task.cancelling()}


async def test_what_the_role_ends_with_is_passed_on() -> None:
    async def main() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await heap.giving_back(main())
