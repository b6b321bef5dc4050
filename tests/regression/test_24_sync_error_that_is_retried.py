"""An fsync that fails and is tried again: the second try says that all is well, and the data are gone. Here the process ends instead.
The kernel's answer to the n-th fsync or fdatasync of a running relay is replaced by EIO, for every n that one loan's way needs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.exits import EXIT_STORAGE
from relay.app.initialise import initialise
from relay.sample import generate

SYNCS_AT_LEAST = 5
SYNCS_AT_MOST = 60
STRACE = shutil.which("strace")


async def failing(pid: int, number: int) -> asyncio.subprocess.Process:
    """A tracer that makes the process's sync of that number fail, attached."""
    assert STRACE is not None
    tracer = await asyncio.create_subprocess_exec(
        STRACE, "-f", "-e", "trace=fsync,fdatasync", "-e", f"inject=fsync,fdatasync:error=EIO:when={number}", "-p", str(pid),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert tracer.stderr is not None
    assert b"attached" in await tracer.stderr.readline()
    tracer.stderr._transport.resume_reading()  # type: ignore[attr-defined]
    return tracer


async def confirmed_or_ended(network: Network, total: int) -> bool:
    """True when the relay has done its work, False when it has ended."""
    while network.roles["relay"].running:
        status = await network.status()
        if status["custodian"].get("confirmed") == total:
            return True
        await asyncio.sleep(0.1)
    return False


@pytest.mark.skipif(STRACE is None and "COURTRELAY_NO_SKIPS" not in os.environ, reason="strace is not installed")
async def test_relay_ends_at_any_failed_sync_and_loses_nothing(tmp_path: Path) -> None:
    made = [generate(tmp_path / f"loans-{n}", 1, n)["records"] for n in range(SYNCS_AT_MOST)]
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1, anchor_interval_s=0.05).home
    network = Network(home)
    relay = network.roles["relay"]
    total = failed = 0
    try:
        await network.start()
        for number in range(1, SYNCS_AT_MOST):
            tracer = await failing(relay.pid, number)
            total += made[number]
            await desk.deposit(home, tmp_path / f"loans-{number}", lambda _d, _t: None, slice(None))
            survived = await confirmed_or_ended(network, total)
            if tracer.returncode is None and survived:
                tracer.terminate()
            await tracer.wait()
            if survived:
                break
            assert await relay.wait() == EXIT_STORAGE
            failed += 1
            await relay.start()
            await network.until("everything is confirmed", lambda s: s["custodian"].get("confirmed") == total)
        assert SYNCS_AT_LEAST <= failed < SYNCS_AT_MOST - 1
    finally:
        await network.end()
