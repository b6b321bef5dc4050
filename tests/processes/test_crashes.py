"""kill -9 for each role in the middle of the way: what was answered is kept, nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.sample import generate
from tests.support.command import courtrelay

LOANS = 4


async def deposit(network: Network, folder: Path, which: slice) -> desk.DepositReport:
    return await desk.deposit(network.home, folder, lambda _done, _total: None, which)


def confirmed(total: int) -> Any:
    return lambda s: s["custodian"].get("confirmed") == total


def court_size(status: dict[str, dict[str, Any]], name: str) -> int:
    return next(int(value) for key, value in status["court"].items() if key.endswith(name))


@pytest.mark.parametrize("role", ["relay", "court", "custodian", "court-ledger", "lender-ledger"])
async def test_killed_role_comes_back_and_everything_arrives_once(tmp_path: Path, role: str) -> None:
    made = generate(tmp_path / "loans", LOANS, 5)
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.1).home
    network = Network(home)
    try:
        await network.start()
        first = await deposit(network, tmp_path / "loans", slice(0, 2))
        network.roles[role].kill()
        assert await network.roles[role].wait() == -9
        await network.roles[role].start()
        second = await deposit(network, tmp_path / "loans", slice(2, None))
        again = await deposit(network, tmp_path / "loans", slice(0, None))
        status = await network.until("everything is confirmed", confirmed(made["records"]))
        indices = [i for report in (first, second) for stored in report.stored for i in stored.indices]
        assert sorted(indices) == list(range(made["records"]))
        assert [s.already_stored for s in again.stored] == [len(s.indices) for s in again.stored]
        assert court_size(status, " mirrored") == made["records"]
        assert status["relay"]["items quarantined"] == 0
        assert not any("HALTED" in name for name in status["relay"])
    finally:
        await network.end()


async def test_relay_killed_again_and_again_while_entries_flow(tmp_path: Path) -> None:
    made = generate(tmp_path / "loans", LOANS, 6)
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
    network = Network(home)
    try:
        await network.start()
        depositing = asyncio.create_task(deposit(network, tmp_path / "loans", slice(None)))
        for _ in range(4):
            network.roles["relay"].kill()
            await network.roles["relay"].wait()
            await network.roles["relay"].start()
        assert not (await depositing).refused
        status = await network.until("everything is confirmed", confirmed(made["records"]))
        assert court_size(status, " mirrored") == made["records"]
    finally:
        await network.end()


async def test_two_processes_never_share_one_folder(tmp_path: Path) -> None:
    """A second relay on the same data ends with a message, not with a split brain."""
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    network = Network(home)
    try:
        await network.start()
        second = await asyncio.to_thread(courtrelay, "serve", "relay", "--home", home)
        assert second.code == 75
        assert "in use by process" in second.err
    finally:
        await network.end()
