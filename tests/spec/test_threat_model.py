"""Every test that the threat model names exists, and every threat has its row."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/threat-model.md").read_text()
NAMED = re.findall(r"`((?:[a-z_]+/)test_\w+\.py)(?:::(test_\w+))?`", TEXT)


def test_every_named_test_exists() -> None:
    assert len(NAMED) > 30
    for path, name in NAMED:
        text = (ROOT / "tests" / path).read_text()
        assert not name or f"def {name}(" in text, f"{path} has no {name}"


def test_every_threat_has_one_row() -> None:
    rows = [int(number) for number in re.findall(r"^\| T(\d+) \|", TEXT, re.MULTILINE)]
    assert rows == list(range(1, len(rows) + 1))
    assert len(rows) >= 28
