"""The dashboards are what the table of panels says, ask only for what exists, and show every metric somewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.alerts.names import families, known, named, unknown
from tests.dashboards.make import COLUMNS, FOLDER, document, text_of
from tests.dashboards.panels import DASHBOARDS, Dashboard
from tests.dashboards.pictures import asked, shown

SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text())
QUERIES = [
    (f"{dashboard.name}: {panel.title}", query)
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for query, _ in panel.queries
]
boards = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)


@boards
def test_the_file_is_what_the_table_gives(dashboard: Dashboard):
    assert (FOLDER / f"{dashboard.name}.json").read_text() == text_of(dashboard), (
        "run: python3 run.py dashboards --write"
    )


def test_there_is_no_other_file():
    assert {path.stem for path in FOLDER.glob("*.json")} == {dashboard.name for dashboard in DASHBOARDS}


@boards
def test_the_file_has_grafanas_form(dashboard: Dashboard):
    Draft202012Validator(SCHEMA).validate(json.loads((FOLDER / f"{dashboard.name}.json").read_text()))


@boards
def test_panels_do_not_overlap_and_stay_within_the_grid(dashboard: Dashboard):
    cells = [
        (x, y)
        for panel in document(dashboard)["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < COLUMNS


def test_queries_are_prometheus_own(tmp_path: Path):
    if shutil.which("promtool") is None:
        pytest.skip("Prometheus is not installed; on Debian: apt install prometheus")
    rules = [{"record": f"panel:{i}", "expr": asked(query, "5m")} for i, (_, query) in enumerate(QUERIES)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(QUERIES)} rules found" in done.stdout


def test_queries_ask_for_what_roles_give_and_rules_record():
    assert [f"{where}: {name}" for where, query in QUERIES for name in unknown(query)] == []


def test_every_metric_is_shown_somewhere():
    endings = ("_bucket", "_count", "_sum")
    used = {name for _, query in QUERIES for name in named(query)}
    histograms = families() - set(known())
    shown_ones = used | {name.removesuffix(end) for name in used for end in endings}

    assert {name for name in known() if not name.endswith(endings)} - used == set()
    assert histograms - shown_ones == set()


def test_a_number_is_shown_with_its_unit():
    assert [shown(0.0042, "s"), shown(93_600, "s"), shown(0.0144, "percentunit"), shown(3 << 30, "bytes"), shown(0, "bool")] == [
        "4.2 ms", "1.08 d", "1.44%", "3 GiB", "down",
    ]  # fmt: skip
