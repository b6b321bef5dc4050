"""A mosquitto of the tests' own: on a loopback port, killed and started again as a test wants; nothing it held survives that."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.app.free_ports import free_port
from relay.core.identity import Identity, Role
from relay.setup.ca import issue
from relay.transport.broker import BrokerLink, BrokerSettings, connected

DEBIAN = Path("/usr/sbin/mosquitto")
PATIENCE_S = 60.0


def find_mosquitto() -> str:
    """The program; skips the test where there is none."""
    found = shutil.which("mosquitto") or (str(DEBIAN) if DEBIAN.exists() else "")
    if not found:
        pytest.skip("mosquitto is not installed; on Debian: apt install mosquitto")
    return found


class Mosquitto:
    """`lines`: more of its configuration. `secure`: a folder with ca.pem, tls.pem, tls.key; every client must show a certificate."""

    def __init__(
        self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",), *, secure: Path | None = None
    ) -> None:
        self._program = find_mosquitto()
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        tls = [] if secure is None else [
            f"cafile {secure}/ca.pem", f"certfile {secure}/tls.pem", f"keyfile {secure}/tls.key", "require_certificate true",
            "use_identity_as_username true",
        ]  # fmt: skip
        listener = [f"listener {self.port} 127.0.0.1", *tls, *lines, "persistence false", "user root"]
        (folder / "mosquitto.conf").write_text("\n".join(listener) + "\n")

    def start(self) -> None:
        """Returns once it listens."""
        command = [self._program, "-c", str(self._folder / "mosquitto.conf")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def kill(self) -> None:
        """At once, without a word to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def settings(self, version: str = "5", **more: object) -> BrokerSettings:
        """How a client reaches it in plain."""
        given: dict[str, object] = {
            "host": "127.0.0.1", "port": self.port, "tls": None, "version": version, "username": "", "password": "",
            "keepalive_s": 30, **more,
        }  # fmt: skip
        return BrokerSettings(**given)  # type: ignore[arg-type]

    def table(self, prefix: str = "lab") -> str:
        """The `[mqtt]` of a role."""
        return f'\n[mqtt]\nurl = "mqtt://127.0.0.1:{self.port}"\nprefix = "{prefix}"\nkeepalive_s = 5\n'


@asynccontextmanager
async def mosquitto(folder: Path, *lines: str, secure: Path | None = None) -> AsyncIterator[Mosquitto]:
    """Running until the body ends."""
    broker = Mosquitto(folder, lines or ("allow_anonymous true",), secure=secure)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def certificate(home: Path, name: str, role: Role = Role.OPERATOR) -> Path:
    """A folder with ca.pem, tls.pem and tls.key of the home's authority."""
    folder = home / f"mqtt-{name}"
    folder.mkdir()
    identity = Identity(trust_domain="courtrelay.example", role=role, name=name)
    issue(home / "ca", identity, folder, datetime.datetime.now(datetime.UTC))
    return folder


async def until(link: BrokerLink, wanted: bytes) -> bytes:
    """The first message that holds these bytes."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            payload = await link.next(PATIENCE_S)
            if payload is not None and wanted in payload:
                return payload


@asynccontextmanager
async def listening(settings: BrokerSettings, topic: str = "#", name: str = "listener") -> AsyncIterator[BrokerLink]:
    """A subscriber."""
    async with connected(settings, name) as link:
        await link.subscribe(topic)
        yield link
