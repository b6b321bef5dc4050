"""The version that reports, metrics and traces carry is the project's, also where it was never installed."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from relay.app import runtime

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def not_installed(_name: str) -> str:
    raise PackageNotFoundError


def test_a_clone_says_its_version_and_that_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "version", not_installed)
    assert runtime.program_version() == tomllib.loads(PROJECT.read_text())["project"]["version"] + "+source"


def test_a_folder_without_a_project_file_has_no_known_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime, "version", not_installed)
    monkeypatch.setattr(runtime, "PROJECT", tmp_path / "pyproject.toml")
    assert runtime.program_version() == "unknown"
