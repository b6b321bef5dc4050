"""A disk that fills up and gets room again: a small file system of its own where one may be mounted, else a limit on a process's files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE_MB = 24
"""For a few loans; whoever deposits many says how many megabytes more."""
STEP = 64 * 1024


class SmallDisk:
    """A tmpfs at a role's data folder."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self, _pid: int) -> None:
        """Not a byte is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for step in (STEP, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(step))

    def free(self, _pid: int) -> None:
        """As it was."""
        self._ballast.unlink(missing_ok=True)

    def again(self, pid: int) -> None:
        """A process was started while it is full: nothing to do."""


class FileLimit:
    """No file may grow: what a process of an ordinary user can be made to meet."""

    def __init__(self) -> None:
        self.full = False

    def fill(self, pid: int) -> None:
        """From now on writes fail with EFBIG."""
        self.full = True
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free(self, pid: int) -> None:
        """Room again."""
        self.full = False
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def again(self, pid: int) -> None:
        """A process was started."""
        if self.full:
            self.fill(pid)


@contextmanager
def small_disk(folder: Path, more_mb: int = 0) -> Iterator[SmallDisk | FileLimit]:
    """For a role that has not started yet. What it keeps for good must fit, or freeing the disk frees nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB + more_mb}m,mode=0700", "courtrelay-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield FileLimit()
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
