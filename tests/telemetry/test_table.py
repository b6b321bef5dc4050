"""Every metric is shown to move somewhere, and is described in docs/metrics.md as it is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tests.telemetry import test_faults
from tests.telemetry.moves import BY_A_FAULT, IN_THE_SCENARIO, OF_THE_BROKER
from tests.telemetry.pages import all_metrics

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/metrics.md"
ROW = re.compile(r"^\| `(courtrelay_[a-z_]+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)


def test_every_metric_stands_in_the_table_of_moves_once() -> None:
    assert sorted([*IN_THE_SCENARIO, *BY_A_FAULT, *OF_THE_BROKER]) == sorted(all_metrics())


@pytest.mark.parametrize("metric", BY_A_FAULT)
def test_the_test_that_moves_it_is_there_and_names_it(metric: str) -> None:
    source = inspect.getsource(getattr(test_faults, BY_A_FAULT[metric]))
    assert metric.removeprefix("courtrelay_") in source


def test_document_lists_every_metric_with_its_type_and_labels() -> None:
    rows = ROW.findall(DOCUMENT.read_text())
    listed = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, *_ in rows}
    assert len(rows) == len(listed)
    assert listed == all_metrics()


def test_document_says_of_every_metric_what_it_tells_and_what_to_do() -> None:
    for name, _kind, _labels, unit, tells, do in ROW.findall(DOCUMENT.read_text()):
        assert unit.strip(), name
        assert len(tells) > 20, name
        assert len(do) > 20, name
