"""A role's metrics as a monitoring system gets them."""

from __future__ import annotations

import tomllib
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from relay.telemetry.metrics import REGISTRY

ROLES = ("custodian", "relay", "court")
Series = tuple[str, frozenset[tuple[str, str]]]
"""A sample's name and its labels."""


@dataclass(frozen=True)
class Page:
    """One scrape."""

    text: str

    @property
    def samples(self) -> dict[Series, float]:
        """Every sample, but for the times at which counters were made."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    def of(self, metric: str) -> dict[Series, float]:
        """The samples of one metric, buckets and all."""
        names = {metric, *(f"{metric}_{end}" for end in ("sum", "count", "bucket"))}
        return {series: value for series, value in self.samples.items() if series[0] in names}

    def value(self, metric: str, **labels: str) -> float:
        """One sample."""
        return self.samples[metric, frozenset(labels.items())]


def address(home: Path, role: str) -> str:
    """Where a role's operators look."""
    config = tomllib.loads((home / role / "config.toml").read_text())
    return f"http://{config['ops']['listen']}"


def scrape(home: Path, role: str) -> Page:
    with urllib.request.urlopen(f"{address(home, role)}/metrics", timeout=30) as answer:
        return Page(answer.read().decode())


def moved(pages: list[Page], metric: str) -> bool:
    """Whether some series of it shows two values, or came with another than 0."""
    seen: dict[Series, set[float]] = {}
    for page in pages:
        for series, value in page.of(metric).items():
            seen.setdefault(series, {0.0}).add(value)
    return any(len(values) > 1 for values in seen.values())


def all_metrics() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name as it is shown → (type, labels) of everything in the registry."""
    found = {}
    for collector in {*REGISTRY._collector_to_names}:
        family = collector.describe()[0]  # type: ignore[attr-defined]
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, tuple(collector._labelnames))  # type: ignore[attr-defined]
    return found
