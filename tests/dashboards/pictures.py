"""Panels drawn from what a real Prometheus answers, as SVG in one page: what a reader of the dashboard would see."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.alerts.prometheus import Prometheus
from tests.dashboards.make import COLUMNS, places
from tests.dashboards.panels import Dashboard, Panel

CELL: Final = 56
ROW: Final = 34
"""Pixels of a column's width and of a row's height."""
LETTER: Final = 6.2
STEPS: Final = 120
LEFT: Final = 62
COLOURS: Final = (
    "#56a64b",
    "#e0b400",
    "#3274d9",
    "#ff780a",
    "#e02f44",
    "#a352cc",
    "#37872d",
    "#1f60c4",
    "#b877d9",
    "#806eb7",
)
UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
VARIABLES: Final = {"$origin": ".+", "$court": ".+"}
STYLE: Final = """
body { margin: 8px; background: #f4f5f5; font: 12px sans-serif; color: #24292e; }
section { position: absolute; background: white; border: 1px solid #ddd; overflow: hidden; }
h2 { font-size: 13px; margin: 4px 8px; } p { margin: 0 8px; color: #666; } .number { font-size: 30px; margin: 6px 8px; }
"""


@dataclass(frozen=True)
class Line:
    """One series: (seconds, value) in order of time."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Span:
    """The time that is shown, in seconds since 1970, and what a rate is taken over."""

    start_s: float
    end_s: float
    rate: str = "1m"


def asked(query: str, rate: str) -> str:
    """The query as Grafana would send it, with everything chosen."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query.replace("$__rate_interval", rate)


async def lines_of(prometheus: Prometheus, panel: Panel, span: Span) -> list[Line]:
    """What Prometheus answers to a panel's queries."""
    found = []
    for query, legend in panel.queries:
        answer = await prometheus.get(
            "/api/v1/query_range",
            query=asked(query, span.rate),
            start=str(span.start_s),
            end=str(span.end_s),
            step=str(max(1.0, (span.end_s - span.start_s) / STEPS)),
        )
        for series in answer["result"]:
            points = tuple((float(at), float(value)) for at, value in series["values"] if math.isfinite(float(value)))
            found.append(Line(_named(legend, series["metric"]), points))
    return [line for line in found if line.points]


def _named(legend: str, labels: Mapping[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(labels.get(match[1], "")), legend).strip() or "value"


def shown(value: float, unit: str) -> str:
    """A number with its unit, short."""
    if unit == "bool":
        return "up" if value else "down"
    if unit == "percentunit":
        return f"{value:.2%}"
    if unit == "bytes":
        power = min(4, int(math.log(value, 1024))) if value >= 1 else 0
        return f"{value / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    if unit == "s":
        size = next((one for one in UNITS if abs(value) >= one[0]), (1.0, "s"))
        return f"{_short(value / size[0])} {size[1]}"
    return _short(value) + ("/s" if unit == "ops" else "")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


async def page(prometheus: Prometheus, dashboard: Dashboard, span: Span) -> tuple[str, tuple[str, ...]]:
    """The whole dashboard as HTML, and the titles of the panels that have nothing to show."""
    parts, empty = [], []
    for panel, at in places(dashboard):
        lines = await lines_of(prometheus, panel, span)
        if not lines:
            empty.append(panel.title)
        left, top, width, height = at["x"] * CELL, (at["y"] + 1) * ROW + 20, at["w"] * CELL - 4, at["h"] * ROW - 4
        style = f"left: {left}px; top: {top}px; width: {width}px; height: {height}px"
        body = _body(panel, lines, width - 4, height - 46, span)
        parts.append(
            f'<section style="{style}"><h2>{html.escape(panel.title)}</h2><p>{html.escape(panel.says)}</p>{body}</section>'
        )
    title = html.escape(dashboard.title)
    width = COLUMNS * CELL
    return (
        f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><body style="width:{width}px"><h1>{title}</h1>{"".join(parts)}',
        tuple(empty),
    )


def _body(panel: Panel, lines: Sequence[Line], width: int, height: int, span: Span) -> str:
    if not lines:
        return "<p><b>No data</b></p>"
    if panel.kind == "stat":
        value = lines[0].points[-1][1]
        colour = "#e02f44" if panel.red is not None and value >= panel.red else "#37872d"
        return f'<div class="number" style="color:{colour}">{shown(value, panel.unit)}</div>'
    draw = _bars if panel.kind == "state-timeline" else _curves
    return f'<svg width="{width}" height="{height}">{"".join(draw(panel, lines, width, height, span))}</svg>'


def _bars(_panel: Panel, lines: Sequence[Line], width: int, height: int, span: Span) -> Iterator[str]:
    """A row a series, green while it is 1."""
    tall = min(26.0, height / len(lines))
    left = width * 0.5
    scale = (width - left) / (span.end_s - span.start_s)
    step = max(1.0, (span.end_s - span.start_s) / STEPS)
    for row, line in enumerate(lines):
        yield _text(4, row * tall + tall * 0.7, line.name)
        for at, value in line.points:
            x, colour = left + (at - span.start_s) * scale, COLOURS[0] if value else COLOURS[4]
            yield f'<rect x="{x:.1f}" y="{row * tall + 2:.1f}" width="{step * scale + 0.5:.1f}" height="{tall - 4:.1f}" fill="{colour}"/>'


def _curves(panel: Panel, lines: Sequence[Line], width: int, height: int, span: Span) -> Iterator[str]:
    """Lines over a grid, with a legend below."""
    beside = max(1, min(4, int(width / (24 + LETTER * max(len(line.name) for line in lines)))))
    legend_rows = -(-len(lines) // beside)
    floor = height - 16 * legend_rows - 18
    values = [value for line in lines for _, value in line.points]
    low, high = min(0.0, *values), max(0.0, *values) or 1.0
    x_scale, y_scale = (width - LEFT) / (span.end_s - span.start_s), (floor - 8) / (high - low)
    for part in range(5):
        value = low + (high - low) * part / 4
        y = floor - (value - low) * y_scale
        yield f'<line x1="{LEFT}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>' + _text(
            2, y + 4, shown(value, panel.unit)
        )
    yield _text(LEFT, floor + 14, f"{(span.end_s - span.start_s) / 60:.0f} min ago") + _text(
        width - 30, floor + 14, "now"
    )
    for i, line in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join(
            f"{LEFT + (at - span.start_s) * x_scale:.1f},{floor - (v - low) * y_scale:.1f}" for at, v in line.points
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        x, y = 4 + (i % beside) * width / beside, floor + 30 + 16 * (i // beside)
        yield f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="10" height="4" fill="{colour}"/>' + _text(x + 14, y, line.name)


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="#444">{html.escape(words)}</text>'
