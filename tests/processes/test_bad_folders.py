"""Folders with one thing wrong: the dossier is refused whole, with line, field and reason, and nothing of it is stored."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Ran, await_status, courtrelay, write_folder
from tests.support.lines import STATED, repayment_fields

GOOD: dict[str, Any] = {
    "dossier": "BAD",
    "seq": 0,
    "kind": "repayment",
    "kind_version": 1,
    "event_time": "2025-03-05T09:00:00Z",
    "provenance": STATED,
    "fields": repayment_fields(),
    "payloads": [],
}
WITH_FILE = {"file": "a.txt", "name": "a.txt", "media_type": "text/plain"}


def lines(count: int = 3, **last: Any) -> list[dict[str, Any]]:
    """Good lines, the last of them changed."""
    made = [copy.deepcopy(GOOD) for _ in range(count)]
    for seq, line in enumerate(made):
        line["seq"] = seq
    made[-1].update(last)
    return made


def deposit(home: Path, folder: Path) -> Ran:
    return courtrelay("deposit", folder, "--home", home, "--json")


def entries(home: Path) -> int:
    status = await_status(home, "the custodian answers", lambda s: "entries" in s["custodian"])
    return int(status["custodian"]["entries"])


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown-kind": ({"kind": "repaymnt"}, "kind", "did you mean repayment"),
    "unknown-kind-version": ({"kind_version": 9}, "kind_version", "known: 1"),
    "future-dated": ({"event_time": "2099-01-01T00:00:00Z"}, "event_time", "future"),
    "dated-before-1990": ({"event_time": "1989-12-31T23:59:59Z"}, "event_time", "1990"),
    "no-such-date": ({"event_time": "2025-02-30T00:00:00Z"}, "event_time", "not a date"),
    "out-of-order": ({"seq": 0}, "seq", "expected 2"),
    "gap": ({"seq": 7}, "seq", "expected 2"),
    "missing-field": ({"fields": {}}, "fields.", "is missing"),
    "unknown-field": ({"fields": {**repayment_fields(), "extra": 1}}, "fields.extra", "not a member"),
    "wrong-type": ({"fields": {**repayment_fields(), "amount_cents": "1"}}, "fields.amount_cents", "type"),
    "unknown-member": ({"surprise": 1}, "surprise", "not a member"),
    "supersedes-later": ({"supersedes": 2}, "supersedes", ""),
    "missing-file": ({"payloads": [WITH_FILE]}, "payloads[0].file", "no such file"),
    "file-outside": ({"payloads": [{**WITH_FILE, "file": "../a.txt"}]}, "payloads[0].file", "outside"),
    "unsafe-name": ({"payloads": [{**WITH_FILE, "name": "../a"}]}, "payloads[0].name", "1 to 64"),
    "lowered-confidentiality": (
        {"kind": "mediation_session", "confidentiality": "ordinary", "fields": {}}, "fields.", "is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_one_bad_record_refuses_the_dossier_whole(home: Path, tmp_path: Path, name: str) -> None:
    change, field, reason = BAD[name]
    before = entries(home)
    ran = deposit(home, write_folder(tmp_path / "folder", lines(**change)))
    assert ran.code == 1
    (refused,) = ran.json()["refused"]
    assert refused["line"] == 3
    assert refused["field"].startswith(field)
    assert reason in refused["reason"]
    assert entries(home) == before


@pytest.mark.parametrize(("key", "value", "reason"), [("sha256", "0" * 64, "sha256"), ("size", 4, "more bytes")])
def test_wrong_digest_or_size_of_a_payload_is_refused(
    home: Path, tmp_path: Path, key: str, value: Any, reason: str
) -> None:
    before = entries(home)
    folder = write_folder(tmp_path / "f", lines(payloads=[{**WITH_FILE, key: value}]), {"a.txt": b"hello"})
    (refused,) = deposit(home, folder).json()["refused"]
    assert (refused["line"], "a.txt" in refused["field"]) == (3, True)
    assert reason in refused["reason"]
    assert entries(home) == before


def test_duplicate_payload_name_is_refused(home: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", lines(payloads=[WITH_FILE, WITH_FILE]), {"a.txt": b"x"})
    (refused,) = deposit(home, folder).json()["refused"]
    assert "same name" in refused["reason"]


def test_good_dossiers_beside_a_bad_one_are_stored(home: Path, tmp_path: Path) -> None:
    good = [{**line, "dossier": "GOOD-1"} for line in lines(2)]
    ran = deposit(home, write_folder(tmp_path / "f", good + lines(2, kind="nonsense")))
    assert ran.code == 1
    assert [s["reference"] for s in ran.json()["stored"]] == ["GOOD-1"]
    assert [r["line"] for r in ran.json()["refused"]] == [4]


def test_duplicate_deposit_changes_nothing(home: Path, tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "f", [{**line, "dossier": "TWICE", "payloads": [WITH_FILE]} for line in lines(2)], {"a.txt": b"x"}
    )
    first = deposit(home, folder).json()["stored"][0]
    between = entries(home)
    again = deposit(home, folder).json()["stored"][0]
    assert (first["already_stored"], again["already_stored"]) == (0, 2)
    assert (again["indices"], entries(home)) == (first["indices"], between)


def test_other_content_under_a_stored_seq_is_refused(home: Path, tmp_path: Path) -> None:
    assert deposit(home, write_folder(tmp_path / "a", [{**line, "dossier": "SEQ"} for line in lines(2)])).code == 0
    changed = [{**line, "dossier": "SEQ"} for line in lines(2, event_time="2025-03-06T09:00:00Z")]
    (refused,) = deposit(home, write_folder(tmp_path / "b", changed)).json()["refused"]
    assert refused["field"] == "seq"
    assert "supersedes" in refused["reason"]


def test_growing_dossier_goes_on_where_it_ended(home: Path, tmp_path: Path) -> None:
    assert deposit(home, write_folder(tmp_path / "a", [{**line, "dossier": "GROW"} for line in lines(2)])).code == 0
    later = [{**line, "dossier": "GROW"} for line in lines(4)][2:]
    stored = deposit(home, write_folder(tmp_path / "b", later)).json()["stored"][0]
    assert len(stored["indices"]) == 2
    beyond = [{**GOOD, "dossier": "GROW", "seq": 9}]
    (refused,) = deposit(home, write_folder(tmp_path / "c", beyond)).json()["refused"]
    assert "next seq is 4" in refused["reason"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not json\n", "line 1"),
        (b'{"dossier": "X", "dossier": "Y"}\n', "line 1"),
        (b'{"seq": 0}\n', "dossier"),
        (b"\xff\xfe\n", "line 1"),
        (b"", "holds no line"),
        (b'{"dossier": "' + b"x" * 300_000 + b'"}\n', "longer than"),
        (b"[" * 5000 + b"\n", "line 1"),
    ],
    ids=["no-json", "duplicate-member", "no-dossier", "no-utf8", "empty", "oversized", "deep"],
)
def test_folder_nobody_can_read_is_a_usage_error(home: Path, tmp_path: Path, content: bytes, reason: str) -> None:
    before = entries(home)
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "records.jsonl").write_bytes(content)
    ran = courtrelay("deposit", folder, "--home", home)
    assert ran.code == 2
    assert reason in ran.err
    assert entries(home) == before


def test_refusals_are_told_to_people_in_one_line(home: Path, tmp_path: Path) -> None:
    ran = courtrelay("deposit", write_folder(tmp_path / "f", lines(kind="nonsense")), "--home", home)
    assert ran.code == 1
    assert "refused BAD: line 3: kind:" in ran.err
    assert "0 dossiers stored, 1 refused" in ran.out


def test_no_personal_value_is_repeated_in_a_refusal(home: Path, tmp_path: Path) -> None:
    secret = "11010119900307771X" * 4
    folder = write_folder(tmp_path / "f", lines(fields={**repayment_fields(), "payer_account": secret}))
    ran = deposit(home, folder)
    assert ran.code == 1
    assert secret not in json.dumps(ran.json())
