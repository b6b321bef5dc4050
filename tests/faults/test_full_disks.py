"""A full disk of each role under load; `run.py faults` is the same with more."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from relay.app.exits import EXIT_STORAGE
from relay.core.errors import Unavailable
from relay.store.vault import Vault
from tests.faults.full_disks import full_disks


async def test_full_disks_lose_nothing_double_nothing_and_recover_by_themselves() -> None:
    said: list[str] = []
    outcome = await full_disks(3, 1, said.append)
    assert outcome.violations == [], said
    assert outcome.filled == {"custodian": 1, "relay": 1, "court": 1}
    assert outcome.ended["relay", EXIT_STORAGE] > 0
    assert outcome.retried > 0


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
