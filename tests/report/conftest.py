"""A court's seals and one sealed report, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.support import Seals, make_seals


@pytest.fixture(scope="session")
def seals(tmp_path_factory: pytest.TempPathFactory) -> Seals:
    """One court's."""
    return make_seals(tmp_path_factory.mktemp("seals") / "harbour")


@pytest.fixture(scope="session")
def sealed(seals: Seals) -> tuple[bytes, bytes, bytes]:
    """Document, PDF before and after sealing."""
    return seals.report()


@pytest.fixture
def sealed_file(sealed: tuple[bytes, bytes, bytes], tmp_path: Path) -> Path:
    """The sealed PDF on disk."""
    path = tmp_path / "report.pdf"
    path.write_bytes(sealed[2])
    return path
