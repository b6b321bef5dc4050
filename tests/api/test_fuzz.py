"""Schemathesis finds nothing: a small run of it; `python3 run.py api` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.fuzzing import fuzz
from tests.api.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONS = 30


async def test_no_finding_of_schemathesis(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.count[0]
    run = await fuzz(gateway.url, gateway.tokens["all"], gateway.known, tmp_path, seed=1, examples=4, phases="fuzzing")
    assert run.code == 0, run.output
    assert gateway.count[0] - before > 3 * OPERATIONS
