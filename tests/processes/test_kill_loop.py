"""A hundred SIGKILLs under load, and a control that the comparison can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kills import KillLoop, kill_loop

SEED = 20_261_124


async def test_a_hundred_sigkills_under_load_violate_nothing() -> None:
    said: list[str] = []
    outcome = await kill_loop(100, SEED, said.append)
    assert outcome.violations == [], said
    assert outcome.kills.total() >= 100
    assert set(outcome.kills) == {"relay", "court", "custodian", "court-ledger", "lender-ledger"}
    assert outcome.checkpoints > 20


@pytest.mark.parametrize(("role", "words"), [("court", "the entries of court differ"), ("relay", "different roots")])
async def test_comparison_sees_one_changed_entry(tmp_path: Path, role: str, words: str) -> None:
    loop = KillLoop(tmp_path, 2, 1)
    outcome = await loop.run()
    assert outcome.violations == []
    packs = (tmp_path / "home" / role / "data" / "logs").rglob("entries.pack")
    pack = max(packs, key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[40] ^= 1
    pack.write_bytes(bytes(data))
    await loop._compare(tmp_path / "home")
    assert any(words in violation for violation in outcome.violations)
