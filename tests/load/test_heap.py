"""Memory that a process has freed goes back to the system although something small above it is still held."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
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
