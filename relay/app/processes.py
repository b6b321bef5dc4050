"""Roles as child processes: start, wait until ready, end, kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from relay.app.heap import ONE_ALLOCATOR
from relay.core.errors import Unavailable

READY_WITHIN_S: Final = 30.0
END_WITHIN_S: Final = 15.0


class RoleProcess:
    """One role of a home folder in a process of its own; `env` goes beside what this process has."""

    def __init__(
        self,
        role: str,
        home: Path,
        log: Path | None = None,
        config: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`env`: what the process has in its environment beside what this one has."""
        self.role = role
        self._env = env or {}
        self._config = config
        self._home = home
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""

    async def start(self) -> None:
        """Return once the role says that it is ready. Raises `Unavailable` with what it said instead."""
        sink: IO[bytes] | None = self._log.open("ab") if self._log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "relay.cli", *self._arguments()],
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env={**ONE_ALLOCATOR, **os.environ, **self._env, "PYTHONPATH": _root()},
            )
        finally:
            if sink is not None:
                sink.close()
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                line = (await self._process.stdout.readline()).decode()
        except TimeoutError:
            self.kill()
            raise Unavailable(f"{self.role} was not ready within {READY_WITHIN_S:.0f} s{self._see_log()}") from None
        if " ready at " not in line:
            code = await self._process.wait()
            raise Unavailable(f"{self.role} ended with code {code} before it was ready{self._see_log()}")
        self.address = line.rpartition(" ")[2].strip()

    def _arguments(self) -> list[str]:
        config = ["--config", str(self._config)] if self._config else []
        return ["serve", self.role, "--home", str(self._home), *config]

    def _see_log(self) -> str:
        return f"; see {self._log}" if self._log else ""

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Started and not ended."""
        return self._process is not None and self._process.returncode is None

    def kill(self) -> None:
        """SIGKILL: as if the power had gone."""
        if self.running and self._process:
            self._process.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Until it has ended; its exit code."""
        return await self._process.wait() if self._process else 0

    async def end(self) -> int:
        """SIGTERM, and SIGKILL when that does not help in time."""
        if self._process is None:
            return 0
        if self.running:
            self._process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()


def _root() -> str:
    """So that children find the same code, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH", "")])])
