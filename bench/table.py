"""Rows of measurements and how they are printed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement: values of all repetitions in `unit`. `target` 0 means none; `below` when less is better."""

    name: str
    values: tuple[float, ...]
    unit: str
    target: float = 0.0
    below: bool = False
    ratio: str = ""
    """Against a peer or a baseline of the same run, such as `3.1 x pymerkle`."""

    @property
    def median(self) -> float:
        """Median of the repetitions."""
        return statistics.median(self.values)

    @property
    def reached(self) -> str:
        """yes, no, or nothing where there is no target."""
        if not self.target:
            return ""
        return "yes" if (self.median <= self.target if self.below else self.median >= self.target) else "NO"


def repeat(times: int, measure: Callable[[], float]) -> tuple[float, ...]:
    """Values of so many runs."""
    return tuple(measure() for _ in range(times))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def show(rows: Sequence[Row]) -> None:
    """A table on standard output."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "median", "spread", "unit", "target", "reached", "ratio"):
        table.add_column(column, justify="left" if column in ("what", "unit", "ratio") else "right")
    for row in rows:
        target = f"{'≤' if row.below else '≥'} {_number(row.target)}" if row.target else ""
        spread = f"{_number(min(row.values))}–{_number(max(row.values))}"
        table.add_row(row.name, _number(row.median), spread, row.unit, target, row.reached, row.ratio)
    Console(width=170).print(table)


def save(rows: Sequence[Row], path: Path) -> None:
    """The same as JSON."""
    path.write_text(
        json.dumps(
            [
                {
                    "name": row.name,
                    "unit": row.unit,
                    "values": list(row.values),
                    "median": row.median,
                    "target": row.target,
                    "reached": row.reached,
                    "ratio": row.ratio,
                }
                for row in rows
            ],
            indent=2,
        )
        + "\n"
    )
