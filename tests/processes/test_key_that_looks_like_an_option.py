"""A thumbprint is base64url: one in 64 begins with a dash, and is a thumbprint all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import courtrelay
from tests.support.ports import base_port


@pytest.mark.parametrize(
    "kid", ["-XJtdn9l6YkP9o3gaYwxRAj3BnHcFzbYGX0xe_5wJfo", "--Jtdn9l6YkP9o3gaYwxRAj3BnHcFzbYGX0xe_5wJfo"]
)
def test_thumbprint_that_begins_with_a_dash_is_looked_up(tmp_path: Path, kid: str) -> None:
    assert courtrelay("init", tmp_path / "home", "--base-port", base_port()).code == 0
    ran = courtrelay("key", "revoke", kid, "--trust", tmp_path / "home/trust.json")
    assert ran.code == 1
    assert f"no key {kid} is pinned" in ran.err
