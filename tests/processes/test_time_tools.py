"""A court that asks a real timestamp authority, and a platform that states itself: processes, configuration, commands."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from relay.app.trust import read_trust
from tests.processes.test_custody_tools import line
from tests.support.bundles import take_apart
from tests.support.command import PATIENCE_S, all_confirmed, await_status, courtrelay, serving, write_folder
from tests.support.ports import base_port
from tests.time.authority import make_authority, pin, stamping
from tests.time.stating import OPERATOR, pin_platforms


def await_row(home: Path, query: str) -> None:
    """Until the court's store has it."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        with closing(sqlite3.connect(f"file:{home}/court/data/court.sqlite?mode=ro", uri=True)) as c:
            if c.execute(query).fetchone()[0]:
                return
        time.sleep(0.2)
    raise AssertionError(f"never: {query}")


def write_template(path: Path, ledger: str, **changes: object) -> Path:
    template = {
        "iss": OPERATOR, "ledger": ledger, "version": 1, "valid_from": "2025-01-01T00:00:00Z", "operator": "某链",
        "relation": "", "filings": [], "certificates": [], "protection_level": "", "cryptography": "", "nodes": [],
        "algorithms": [], "software": [], "contact": "", **changes,
    }  # fmt: skip
    path.write_text(json.dumps(template, ensure_ascii=False))
    return path


def state(home: Path, folder: Path, ledger: str) -> None:
    """Make, show, publish version 1, and be refused with what is not the next one."""
    template = write_template(folder / "platform.json", ledger)
    key, out = home / "platform-0.pem", folder / "platform-1.jwt"
    made = courtrelay("statement", "make", template, "--key", key, "--out", out, "--json").json()
    assert (made["version"], made["operator"]) == (1, "某链")
    shown = courtrelay("statement", "show", out, "--trust", home / "trust.json", "--json").json()
    assert (shown["digest"], shown["signature"]) == (made["digest"], f"holds: {ledger} of {OPERATOR}")
    done = courtrelay("statement", "publish", out, "--home", home)
    assert (done.code, made["digest"] in done.out) == (0, True)
    assert courtrelay("statement", "publish", out, "--home", home).code == 0
    write_template(template, ledger, version=3, previous="00" * 32)
    skipped = folder / "platform-3.jwt"
    assert courtrelay("statement", "make", template, "--key", key, "--out", skipped).code == 0
    refused = courtrelay("statement", "publish", skipped, "--home", home)
    assert (refused.code, refused.out) == (1, "")
    again = courtrelay("statement", "make", template, "--key", key, "--out", out)
    assert (again.code, "cannot be written" in again.err) == (2, True)


def test_checkpoints_are_stamped_and_the_platform_is_stated(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    authority = make_authority(tmp_path / "authority", "local-tsa")
    pin(home, authority, quorum=1)
    lender, _ = pin_platforms(home)
    with stamping(authority) as url:
        with (home / "court/config.toml").open("a") as config:
            config.write(f'\n[[time.authority]]\nname = "local-tsa"\nurl = "{url}"\nhash = "sha512"\n')
        with serving(home):
            state(home, tmp_path, lender.ledger)
            await_row(home, "SELECT count(*) FROM statement WHERE proof IS NOT NULL")
            folder = write_folder(tmp_path / "f", [line(0), line(1)])
            assert courtrelay("deposit", folder, "--home", home).code == 0
            await_status(home, "confirmed", all_confirmed(2))
            await_row(home, "SELECT count(*) FROM timestamp")
            grant, bundle = tmp_path / "g", tmp_path / "b.zip"
            issue = ("grant", "issue", "--case", "Case 9", "--dossier", "LOAN-1", "--out", grant)
            assert courtrelay(*issue, "--home", home).code == 0
            got = courtrelay("retrieve", "--grant", grant, "--out", bundle, "--home", home, "--json")
            assert got.code == 0, got
    verdict = courtrelay("verify", bundle, "--trust", home / "trust.json", "--json").json()
    assert verdict["verdict"] == "CONSISTENT"
    assert [step["detail"] for step in verdict["steps"][14:]] == [
        "1 tokens of 1 authorities hold",
        "1 platform statements",
    ]
    assert all(row["timestamped_ms"] and row["marks"] == [] for row in verdict["records"])
    parts = take_apart(bundle.read_bytes())
    assert authority.openssl_accepts(parts["anchors/0000/timestamp-0.tst"], parts["anchors/0000/checkpoint.note"])
    inner = tmp_path / "inside.jwt"
    inner.write_bytes(parts["platform/00.jwt"])
    assert courtrelay("statement", "show", inner, "--json").json()["version"] == 1


def test_court_does_not_start_with_an_authority_that_nobody_pinned(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    with (home / "court/config.toml").open("a") as config:
        config.write('\n[[time.authority]]\nname = "other"\nurl = "http://127.0.0.1:9/"\n')
    assert read_trust(home / "trust.json").authorities == ()
    with serving(home, "court-ledger"):
        ran = courtrelay("serve", "court", "--home", home)
    assert (ran.code, "other is not among the authorities of the trust roots" in ran.err) == (78, True)
