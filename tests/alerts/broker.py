"""A mosquitto for a scene: on a free port of the loopback, killed and started again."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Final

from relay.app.free_ports import free_ports

DEBIAN: Final = Path("/usr/sbin/mosquitto")
TRIES: Final = 300


def find_mosquitto() -> str | None:
    """The program; None where it is not installed."""
    return shutil.which("mosquitto") or (str(DEBIAN) if DEBIAN.exists() else None)


class Broker:
    """`table` is what goes into a role's configuration."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.table = f'\n[mqtt]\nurl = "mqtt://127.0.0.1:{self.port}"\nkeepalive_s = 5\n'
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        lines = (f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    async def start(self) -> None:
        """Returns once it listens."""
        program = find_mosquitto()
        assert program is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self._folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        for _ in range(TRIES):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                await asyncio.sleep(0.1)
            else:
                return writer.close()
        raise AssertionError("mosquitto does not listen")

    async def kill(self) -> None:
        """At once, without a word to anybody."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None
