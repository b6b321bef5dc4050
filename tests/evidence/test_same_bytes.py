"""The same sample and the same keys give the same bundle bytes twice: time frozen, randomness seeded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from relay.core import requests
from relay.core.sealing import SealingPublicKey, hpke_seal
from tests.support.bundles import copy_home, make_home, retrieve_once
from tests.support.lines import small_dossier


def test_two_runs_of_the_whole_way_give_one_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HPKE draws its own randomness inside the library: what was sealed once is sealed the same way again here."""
    sealed: dict[tuple[bytes, bytes], bytes] = {}

    def seal_once(recipient: SealingPublicKey, plaintext: bytes, info: bytes) -> bytes:
        return sealed.setdefault((plaintext, info), hpke_seal(recipient, plaintext, info))

    monkeypatch.setattr(requests, "hpke_seal", seal_once)
    fresh = make_home(tmp_path / "fresh")
    copy = copy_home(fresh, tmp_path / "copy")
    lines: list[Any] = small_dossier(4)
    first = asyncio.run(retrieve_once(fresh, lines=lines))
    second = asyncio.run(retrieve_once(copy, lines=lines))
    assert first == second
    assert len(sealed) == 1


def test_other_randomness_gives_another_bundle(tmp_path: Path) -> None:
    fresh = make_home(tmp_path / "fresh")
    copy = copy_home(fresh, tmp_path / "copy")
    first = asyncio.run(retrieve_once(fresh, seed="a"))
    assert asyncio.run(retrieve_once(copy, seed="b")) != first
