"""`courtrelay custody …` on running keepers: what a lender, a court and a party do with the logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from relay.core.tlogproof import parse_tlog_proof
from tests.support.command import all_confirmed, await_status, courtrelay, serving, write_folder
from tests.support.lines import STATED, repayment_fields
from tests.support.ports import base_port


def line(seq: int) -> dict[str, object]:
    return {
        "dossier": "LOAN-1", "seq": seq, "kind": "repayment", "kind_version": 1,
        "event_time": "2025-03-05T09:00:00Z", "provenance": STATED, "fields": repayment_fields(), "payloads": [],
    }  # fmt: skip


def seen_and_refused(home: Path, tmp_path: Path) -> str:
    """One disclosure and one refusal; the dossier's id."""
    folder = write_folder(tmp_path / "f", [line(0), line(1)])
    stored = courtrelay("deposit", folder, "--home", home, "--json").json()["stored"]
    await_status(home, "confirmed", all_confirmed(2))
    grant = tmp_path / "g"
    issue = ("grant", "issue", "--case", "Case 9", "--dossier", "LOAN-1", "--uses", "1", "--out", grant)
    assert courtrelay(*issue, "--home", home).code == 0
    retrieve = ("retrieve", "--grant", grant, "--officer", "judge-7", "--purpose", "hearing", "--home", home)
    assert courtrelay(*retrieve, "--out", tmp_path / "b.zip").code == 0
    again = courtrelay(*retrieve, "--out", tmp_path / "c.zip")
    assert (again.code, "not permitted" in again.err) == (1, True)
    dossier: str = stored[0]["dossier"]
    return dossier


def test_logs_are_shown_verified_exported_and_a_change_is_found(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    with serving(home):
        dossier = seen_and_refused(home, tmp_path)
        party_is_shown(home, dossier)
        page = courtrelay("custody", "show", "--limit", "2", "--home", home)
        assert (page.code, page.out.splitlines()[-1]) == (0, "more: --start 2")
        bad = courtrelay("custody", "show", "--action", "disclosed", "--home", home)
        assert (bad.code, bad.out, "refuse" in bad.err) == (2, "", True)
        await_ledger(home)
        for role in ("custodian", "court"):
            out = tmp_path / f"{role}.jsonld"
            made = courtrelay("custody", "export", "--role", role, "--out", out, "--home", home, "--json").json()
            assert made["events"] == made["size"] > 0
        offline = courtrelay("custody", "verify", out, "--trust", home / "trust.json", "--json")
        assert (offline.code, offline.json()["verdict"]) == (0, "CONSISTENT")
        refused = courtrelay("custody", "export", "--out", out, "--home", home)
        assert (refused.code, "never overwritten" in refused.err) == (2, True)
    with closing(sqlite3.connect(home / "custodian/data/custodian.sqlite")) as c, c:
        c.execute("DELETE FROM custody_event WHERE position = 1")
    with serving(home, "lender-ledger"), serving(home, "custodian"):
        found = courtrelay("custody", "verify", "--home", home)
        assert (found.code, "event 1: the log holds an entry here" in found.out) == (1, True)
        export = courtrelay("custody", "export", "--out", tmp_path / "x.jsonld", "--home", home)
        assert (export.code, (tmp_path / "x.jsonld").exists(), "event 1" in export.err) == (2, False, True)


def party_is_shown(home: Path, dossier: str) -> None:
    """Who saw the dossier, by the lender's reference and by its id, with proofs."""
    assert courtrelay("dossier", "report", "LOAN-1", "--home", home).code == 0
    seen = courtrelay("custody", "seen", "LOAN-1", "--home", home, "--json").json()
    assert seen["dossier"] == dossier
    rows = [(r["action"], r["case"], r["purpose"], r["officer"]) for r in seen["rows"]]
    assert rows == [
        ("disclose", "Case 9", "hearing", "judge-7"), ("refuse", "Case 9", "filing", ""), ("report", "", "", "")
    ]  # fmt: skip
    assert all(r["court"].endswith("/court/court") for r in seen["rows"][:2])
    assert "uses" in seen["rows"][1]["detail"]
    for row in seen["rows"]:
        assert parse_tlog_proof(row["proof"].encode()).index == row["index"]
    text = courtrelay("custody", "seen", dossier, "--home", home).out
    assert "judge-7" in text
    assert "reason" in text


def await_ledger(home: Path) -> None:
    """Until the court's ledger holds a head of its custody log; the lender's has held one since the deposit."""
    for _ in range(60):
        ran = courtrelay("custody", "verify", "--role", "court", "--home", home)
        if ran.code == 0:
            return
    raise AssertionError(f"the ledger never held the log: {ran.out}")
