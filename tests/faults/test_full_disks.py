"""A full disk of each role under load; `run.py faults` is the same with more."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.app.exits import EXIT_STORAGE
from relay.core.errors import Unavailable
from relay.store.vault import Vault
from tests.faults.disks import FileLimit
from tests.faults.full_disks import full_disks


@pytest.mark.parametrize("mounted", [True, False], ids=["a disk of its own", "no file may grow"])
async def test_full_disks_lose_nothing_double_nothing_and_recover_by_themselves(
    monkeypatch: pytest.MonkeyPatch, mounted: bool
) -> None:
    """Where nothing may be mounted both are the second, in which the log cannot be written either."""
    if not mounted:
        monkeypatch.setattr("tests.faults.full_disks.small_disk", limited)
    said: list[str] = []
    outcome = await full_disks(3, 1, said.append)
    assert outcome.violations == [], said
    assert outcome.filled == {"custodian": 1, "relay": 1, "court": 1}
    assert outcome.ended["relay", EXIT_STORAGE] > 0
    assert outcome.retried > 0


@contextmanager
def limited(_folder: Path, _more_mb: int) -> Iterator[FileLimit]:
    yield FileLimit()


class Full:
    """A file on a disk without room."""

    def write(self, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        """Nothing is open."""


def test_a_payload_without_room_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(tmp_path)
    writer = vault.begin()
    monkeypatch.setattr(writer, "_file", Full())
    writer.write(b"x")
    with pytest.raises(Unavailable, match="no room"):
        writer.finish()
    writer.abort()
    assert list(tmp_path.iterdir()) == []
