"""What can be taken away from a running network, one thing at a time, and how it is given back."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.app.demo.network import Network
from relay.app.processes import RoleProcess
from relay.config.roles import Common
from relay.core.errors import Unavailable
from tests.alerts.broker import Broker, find_mosquitto

DISK: Final = Path("/dev/shm")
"""Where few others write: what they take would be told as a disk that is low."""
ROOM_BYTES: Final = 1 << 30
"""So much room the custodian of a scene may lose before it says that its disk is low."""
CLOCK_AHEAD_S: Final = 5
TRIES: Final = 3
FAKETIME: Final = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")


class Scene:
    """A home folder prepared for faults: each fault prepares what it needs, and nothing else is changed."""

    def __init__(self, home: Path, faults: Sequence[Fault]) -> None:
        self.home = home
        self.network = Network(home)
        self._held = ExitStack()
        self._clock = home / "court" / "clock"
        self._disk, self._room = home, 0
        self._broker: Broker | None = None
        self._locked: sqlite3.Connection | None = None
        for fault in faults:
            fault.prepare(self)

    def spare_disk(self) -> None:
        """The custodian asks for nearly all the room there is, on a disk that few others write to."""
        self._disk = Path(tempfile.mkdtemp(prefix="courtrelay-alerts-", dir=DISK if DISK.is_dir() else self.home))
        self._held.callback(shutil.rmtree, self._disk)
        free = shutil.disk_usage(self._disk).free
        self._room = min(ROOM_BYTES, free // 4)
        config = self.home / "custodian" / "config.toml"
        _replace(config, 'data = "data"\n', f'data = "{self._disk}/data"\n')
        _replace(config, "[ops]\n", f"[ops]\ndisk_free_bytes_min = {free - self._room}\n")

    def own_broker(self) -> None:
        """Relay and court tell a broker what happens."""
        self._broker = Broker(self.home / "broker")
        for role in ("relay", "court"):
            config = self.home / role / "config.toml"
            config.write_text(config.read_text() + self._broker.table)

    def own_clock(self) -> None:
        """The court's clock follows a file."""
        self._move_clock(0)
        self.network.roles["court"] = _with_clock(self.home, self._clock)

    async def begin(self) -> None:
        """Start everything."""
        if self._broker:
            await self._broker.start()
        for role in self.network.roles:
            await self.start(role)

    async def end(self) -> None:
        """End every role, whatever was done to it."""
        await self.kill_broker()
        await self.network.end()
        self._held.close()

    async def kill(self, role: str) -> None:
        """SIGKILL."""
        self.network.roles[role].kill()
        await self.network.roles[role].wait()

    async def start(self, role: str) -> None:
        """Again; a machine with much to do may need a second try."""
        for _ in range(TRIES - 1):
            try:
                return await self.network.roles[role].start()
            except Unavailable:
                await self.network.roles[role].end()
        return await self.network.roles[role].start()

    async def pause(self, role: str) -> None:
        """SIGSTOP: its port still takes connections, and nothing answers."""
        os.kill(self.network.roles[role].pid, signal.SIGSTOP)

    async def go_on(self, role: str) -> None:
        """SIGCONT."""
        os.kill(self.network.roles[role].pid, signal.SIGCONT)

    async def fill_disk(self) -> None:
        """Twice the room that the custodian can spare."""
        with (self._disk / "filling").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * self._room)

    async def empty_disk(self) -> None:
        """Room again."""
        (self._disk / "filling").unlink()

    async def lock_database(self) -> None:
        """A foreign program holds the lock of the court's database."""
        connection = sqlite3.connect(self.home / "court/data/court.sqlite", isolation_level=None, timeout=30)
        self._locked = connection
        connection.execute("BEGIN IMMEDIATE")

    async def unlock_database(self) -> None:
        """It lets go."""
        if self._locked:
            self._locked.close()

    async def kill_broker(self) -> None:
        """SIGKILL."""
        if self._broker:
            await self._broker.kill()

    async def start_broker(self) -> None:
        """Again, with nothing of what it held."""
        if self._broker:
            await self._broker.start()

    async def clock_ahead(self) -> None:
        """The court's clock jumps."""
        self._move_clock(CLOCK_AHEAD_S)

    async def clock_right(self) -> None:
        """And back."""
        self._move_clock(0)

    def _move_clock(self, seconds: int) -> None:
        beside = self._clock.with_suffix(".new")
        beside.write_text(f"{seconds:+d}s\n")
        beside.replace(self._clock)


Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One component, how it is taken away and given back, and the one alert that says so."""

    component: str
    alert: str
    how: str
    stop: Act
    recover: Act
    missing: Callable[[], str] = lambda: ""
    """What this machine lacks for it, if anything."""
    prepare: Callable[[Scene], None] = lambda _scene: None
    """Before the roles start."""


def faketime() -> Path | None:
    """Debian's libfaketime for programs with threads."""
    found = (Path(folder) / "libfaketimeMT.so.1" for folder in FAKETIME)
    return next((path for path in found if path.exists()), None)


def _no_faketime() -> str:
    return "" if faketime() else "libfaketime is not installed; on Debian: apt install faketime"


def _no_broker() -> str:
    if "mqtt" not in Common.__dataclass_fields__:
        return "roles have no [mqtt] here"
    return "" if find_mosquitto() else "mosquitto is not installed; on Debian: apt install mosquitto"


FAULTS: Final = (
    Fault("lender's ledger", "LedgerUnreachable", "SIGKILL", lambda s: s.kill("lender-ledger"), lambda s: s.start("lender-ledger")),
    Fault("court's ledger", "CourtLedgerUnreachable", "SIGSTOP", lambda s: s.pause("court-ledger"), lambda s: s.go_on("court-ledger")),
    Fault("custodian", "CustodianDown", "SIGKILL", lambda s: s.kill("custodian"), lambda s: s.start("custodian")),
    Fault("relay", "RelayDown", "SIGKILL", lambda s: s.kill("relay"), lambda s: s.start("relay")),
    Fault("court", "CourtDown", "SIGSTOP", lambda s: s.pause("court"), lambda s: s.go_on("court")),
    Fault("database", "DatabaseDown", "locked by another", Scene.lock_database, Scene.unlock_database),
    Fault("disk", "DiskLow", "filled", Scene.fill_disk, Scene.empty_disk, prepare=Scene.spare_disk),
    Fault("broker", "BrokerDown", "SIGKILL", Scene.kill_broker, Scene.start_broker, _no_broker, Scene.own_broker),
    Fault("clock", "ClockOff", f"{CLOCK_AHEAD_S} s ahead", Scene.clock_ahead, Scene.clock_right, _no_faketime, Scene.own_clock),
)  # fmt: skip


def _with_clock(home: Path, clock: Path) -> RoleProcess:
    env = {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return RoleProcess("court", home, home / "court" / "log.jsonl", env=env)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
