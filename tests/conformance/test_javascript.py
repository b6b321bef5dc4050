"""The JavaScript example keeps every promise of both ports, killed and started again in between; its size is bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relay.conformance import Outcome
from tests.conformance.javascript import MODULES, ROOT, javascript, need_node
from tests.conformance.owners import failures, outcomes
from tests.conformance.test_embedded import NEVER_RUN

LINES_MAX = 300
LEFT_TO_READERS = {
    "court.submit.anchor-of-another",
    "court.submit.anchor-damaged",
    "court.submit.anchor-of-another-ledger",
}


async def test_adapter_in_javascript_keeps_every_promise(tmp_path: Path) -> None:
    need_node()
    async with javascript(tmp_path) as owner:
        results = await outcomes(owner)
    assert failures(results) == {}
    not_run = {name for name, r in results.items() if r.outcome is Outcome.NOT_RUN}
    assert not_run == NEVER_RUN | LEFT_TO_READERS | {"source.blocks.without-anchors"}


def test_adapter_in_javascript_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger is no part of it: it stands where another one would."""
    lines = {path.name: path.read_text().count("\n") for path in sorted((ROOT / "adapters/examples/js").glob("*.js"))}
    with capsys.disabled():
        print(f"\nlines: JavaScript adapter {lines['adapter.js']}, ledger {lines['ledger.js']}")
    assert lines["adapter.js"] <= LINES_MAX


def test_example_is_tested_with_the_versions_it_names() -> None:
    need_node()
    for name, version in json.loads((ROOT / "adapters/examples/js/package.json").read_text())["dependencies"].items():
        assert json.loads((MODULES / name / "package.json").read_text())["version"] == version
