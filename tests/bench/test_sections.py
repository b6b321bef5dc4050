"""A section of the bench that fails is named, and takes nothing of the others with it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench.table import Row


def _good(_wanted: argparse.Namespace) -> list[Row]:
    return [Row(name="a thing that works", values=(1.0,), unit="x", target=1)]


def _full(_wanted: argparse.Namespace) -> list[Row]:
    raise ExceptionGroup("roles", [OSError(28, "No space left on device", "pack")])


def _wrong(_wanted: argparse.Namespace) -> list[Row]:
    raise SystemExit("a verdict was INCONSISTENT")


def test_failed_section_is_named_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "SECTIONS", {"tree": _full, "way": _wrong, "gas": _good})
    monkeypatch.setattr(sys, "argv", ["bench", "--json", str(tmp_path / "rows.json")])
    assert bench.main() == 1
    out = capsys.readouterr().out
    assert "a thing that works" in out
    assert "not measured: tree: OSError: [Errno 28] No space left on device: 'pack'" in out
    assert "not measured: way: SystemExit: a verdict was INCONSISTENT (tests/bench/test_sections.py:" in out
    assert "Traceback" not in out
    assert [row["name"] for row in json.loads((tmp_path / "rows.json").read_text())] == ["a thing that works"]


def test_only_what_is_wanted_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "SECTIONS", {"tree": _wrong, "gas": _good})
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "gas"])
    assert bench.main() == 0
    assert "not measured" not in capsys.readouterr().out
