"""A hundred SIGKILLs under load with SQLite, forty-five with three workers on PostgreSQL, and controls that the comparison can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kills import DATABASE, KillLoop, kill_loop
from tests.support.postgres import Cluster

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


async def test_three_workers_on_one_database_killed_and_paused_violate_nothing(postgres: Cluster) -> None:
    """Each pause of a lease's holder lasts until another worker has its job; then both go on, and one is refused."""
    said: list[str] = []
    outcome = await kill_loop(45, SEED, said.append, postgres)
    assert outcome.violations == [], said
    assert outcome.kills.total() - outcome.kills[DATABASE] >= 30
    assert set(outcome.kills) == {"relay", "relay-2", "relay-3", "court", "custodian", DATABASE}
    assert outcome.pauses.total() >= 2
    assert outcome.checkpoints > 10


async def test_comparison_sees_one_changed_entry_in_the_database(tmp_path: Path, postgres: Cluster) -> None:
    loop = KillLoop(tmp_path, 2, 1, postgres)
    outcome = await loop.run()
    assert outcome.violations == []
    assert loop._shared is not None
    database = loop._shared.url.split("/")[3].partition("?")[0]
    postgres.sql("UPDATE courtrelay.entry_bundle SET data = set_byte(data, 40, get_byte(data, 40) # 1)", database)
    await loop._compare(tmp_path / "home")
    for words in ("the entries of relay differ", "different roots"):
        assert any(words in violation for violation in outcome.violations)
