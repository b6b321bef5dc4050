"""`courtrelay batch …` with real processes: faults planted, the batch killed and resumed, everything counted; and what its verbs say."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from relay.app.initialise import COURT as COURT_IDENTITY
from tests.support.batches import BatchLoop
from tests.support.command import courtrelay
from tests.support.manifests import FAULTS

ROWS, KILLS = 150, 3
COURT = str(COURT_IDENTITY)


async def test_a_batch_with_every_fault_killed_three_times_does_each_row_once(tmp_path: Path) -> None:
    loop = BatchLoop(tmp_path, rows=ROWS, faults=len(FAULTS), dossiers=10, kills=KILLS, role_kills=0, seed=20_261_125)
    fought = await loop.run()
    assert fought.violations == [], (tmp_path / "batch.log").read_text()[-2000:]
    assert (fought.kills["batch"], fought.runs, fought.asked_again) == (KILLS, KILLS + 1, 0)
    finished_batches_are_left_alone(loop)
    verbs_say_what_was_done(loop)
    the_comparison_sees_what_is_done_twice(loop)


def finished_batches_are_left_alone(loop: BatchLoop) -> None:
    """Nobody is asked any more: the network is down."""
    before = (loop.out / "outcome.jsonl").read_bytes()
    run = ("batch", "run", loop.manifest.path, "--out", loop.out, "--home", loop.home)
    again = courtrelay(*run, "--json")
    assert (again.code, again.json()["finished_before"], again.json()["not_done"]) == (1, ROWS, 0)
    assert (loop.out / "outcome.jsonl").read_bytes() == before
    other = courtrelay(*run, "--days", "7")
    assert (other.code, "give the same options" in other.err) == (1, True)


def verbs_say_what_was_done(loop: BatchLoop) -> None:
    """`check` names what can be seen without asking anybody; `report` all of it, for people, programs and spreadsheets."""
    checked = courtrelay("batch", "check", loop.manifest.path, "--json")
    assert (checked.code, checked.json()["rows"]) == (1, ROWS)
    assert {bad["row"] for bad in checked.json()["bad"]} < set(loop.manifest.faults)
    report = courtrelay("batch", "report", loop.out)
    assert (report.code, f"{ROWS - len(FAULTS)} CONSISTENT" in report.out) == (0, True)
    table = courtrelay("batch", "report", loop.out, "--csv")
    rows = list(csv.DictReader(io.StringIO(table.out, newline="")))
    assert len(rows) == ROWS
    assert not any(row["case"].startswith("=") for row in rows)
    assert sum(row["state"] == "failed" for row in rows) == len(FAULTS)
    none = courtrelay("batch", "report", loop.home)
    assert (none.code, "no folder of a batch" in none.err) == (2, True)


def the_comparison_sees_what_is_done_twice(loop: BatchLoop) -> None:
    """The control: one more disclosure in the lender's log, one more registration on the ledger, one lost bundle."""
    with closing(sqlite3.connect(loop.home / "custodian/data/custodian.sqlite")) as c, c:
        event = next(
            e for (e,) in c.execute("SELECT event FROM custody_event") if json.loads(e)["action"] == "disclose"
        )
        c.execute("INSERT INTO custody_event VALUES (1000000, ?)", (event,))
    with closing(sqlite3.connect(loop.home / "court-ledger/data/ledger.sqlite")) as c, c:
        c.execute("INSERT INTO grant_state SELECT issuer, x'00', registered, revoked FROM grant_state LIMIT 1")
    with next((loop.out / "bundles").glob("*.zip")).open("ab") as file:
        file.write(b"x")
    loop.compare()
    said = "\n".join(loop._fought.violations)
    for words in ("disclosures", "registrations", "its bundle is not the one"):
        assert words in said


async def test_lender_and_court_each_do_their_own_stage(tmp_path: Path) -> None:
    """Grants are handed over as files; a court whose desk is away leaves its rows, and they are done when it is back."""
    loop = BatchLoop(tmp_path, rows=4, faults=0, dossiers=2, kills=0, role_kills=0, seed=1)
    manifest = tmp_path / "cases.jsonl"
    rows = [{"case": f"Case {i}", "dossier": f"LOAN-{i % 2}"} for i in range(4)]
    manifest.write_text(
        "".join(json.dumps({**row, **({"court": COURT} if i > 1 else {})}) + "\n" for i, row in enumerate(rows))
    )
    away = tmp_path / "away"
    shutil.copytree(loop.home_of_desks(), away)
    text = (away / "desk.toml").read_text()
    (away / "desk.toml").write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", text))
    async with loop.network():
        run = ("batch", "run", manifest, "--home", loop.home, "--json")
        lender = await asyncio.to_thread(courtrelay, *run, "--out", tmp_path / "lender", "--stage", "grant")
        assert (lender.code, lender.json()["done"]) == (0, 4)
        assert min(path.name for path in (tmp_path / "lender/grants").iterdir()) == "0000001.grant"
        court = (*run, "--out", tmp_path / "court", "--stage", "retrieve", "--grants", tmp_path / "lender/grants")
        half = await asyncio.to_thread(courtrelay, *court, "--patience", "1", "--desk", f"{COURT}={away}")
        assert (half.code, half.json()["done"], half.json()["not_done"]) == (3, 2, 2)
        whole = await asyncio.to_thread(courtrelay, *court)
        assert (whole.code, whole.json()["verdicts"], whole.json()["finished_before"]) == (0, {"CONSISTENT": 4}, 2)


def test_a_manifest_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    bad = tmp_path / "cases.csv"
    bad.write_bytes(b"case,loan\r\nA,L\r\n")
    for verb in (("check", bad), ("run", bad, "--out", tmp_path / "out", "--court", COURT)):
        refused = courtrelay("batch", *verb)
        assert (refused.code, "line 1, column 2" in refused.err, (tmp_path / "out").exists()) == (2, True, False)
