"""Memory that a process has freed goes back to the system although something small above it is still held."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from relay.app import heap

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
