"""A custodian's database of each version before holds and erasures is taken over as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.durable.database import Database
from relay.store.custodian import SqliteCustodianStore
from relay.store.custodian_schema import APPLICATION, MIGRATIONS
from tests.store.test_custodian_store import MASTER, dossier, record, stored


@pytest.mark.parametrize("version", [1, 2])
async def test_older_database_keeps_its_records_and_takes_holds_and_erasures(tmp_path: Path, version: int) -> None:
    store = await SqliteCustodianStore.open(tmp_path / "new", MASTER)
    await store.append_records("loan 1", dossier(), [record(0)], b"e")
    rows = await store._database.read(
        lambda c: {t: c.execute(f"SELECT * FROM {t}").fetchall() for t in ("dossier", "record", "payload")}
    )
    await store.close()
    old = await Database.open(
        tmp_path / "old/custodian.sqlite", application=APPLICATION, migrations=MIGRATIONS[:version]
    )
    for table, values in rows.items():
        marks = ",".join("?" * len(values[0]))
        await old.write(lambda c, t=table, v=values, m=marks: c.executemany(f"INSERT INTO {t} VALUES ({m})", v))  # type: ignore[misc]
    await old.close()
    again = await SqliteCustodianStore.open(tmp_path / "old", MASTER)
    assert await again.records("d1") == [stored(record(0), 0)]
    number = await again.erasures.place_hold("d1", "a case", "a court", 5, b"e")
    outline = await again.erasures.outline("loan 1")
    assert outline is not None
    assert (outline.reference, [h.number for h in outline.held]) == ("loan 1", [number])
    await again.close()
