"""The panels as Grafana's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.dashboards.panels import Dashboard, Panel

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
COLUMNS: Final = 24
HEIGHTS: Final = {"stat": 4, "timeseries": 8, "state-timeline": 8}
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
UP_DOWN: Final = [
    {
        "type": "value",
        "options": {
            "0": {"text": "down", "color": "red", "index": 0},
            "1": {"text": "up", "color": "green", "index": 1},
        },
    }
]


def text_of(dashboard: Dashboard) -> str:
    """The file's content."""
    return json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"


def document(dashboard: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana imports it: the reader chooses the data source."""
    return {
        "uid": f"courtrelay-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["courtrelay"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "courtrelay", "tags": ["courtrelay"], "asDropdown": True}],
        "templating": {"list": [_source(), *(_choice(name, query) for name, query in dashboard.choices.items())]},
        "panels": [_panel(i, panel, at) for i, (panel, at) in enumerate(places(dashboard), 1)],
    }


def places(dashboard: Dashboard) -> list[tuple[Panel, dict[str, int]]]:
    """Each panel's place on the grid: side by side, until a line is full."""
    placed, x, y, tall = [], 0, 0, 0
    for panel in dashboard.panels:
        if x + panel.wide > COLUMNS:
            x, y, tall = 0, y + tall, 0
        placed.append((panel, {"x": x, "y": y, "w": panel.wide, "h": HEIGHTS[panel.kind]}))
        x, tall = x + panel.wide, max(tall, HEIGHTS[panel.kind])
    return placed


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": at,
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "instant": panel.kind == "stat",
                "range": panel.kind != "stat",
            }
            for i, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    return {
        "unit": panel.unit,
        "mappings": UP_DOWN if panel.unit == "bool" else [],
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
