"""Which metrics and labels a query names, against the table of metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from relay.telemetry import metrics
from tests.alerts.prometheus import DEPLOY

METRIC: Final = re.compile(r"\b(courtrelay_[a-z0-9_]+)(\{[^}]*\})?")
LABEL: Final = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
OF_A_TARGET: Final = frozenset({"job", "instance"})


def known() -> dict[str, frozenset[str]]:
    """Every name that a scrape can show, with the labels it may have."""
    found = {}
    for metric in metrics.REGISTRY.collect():
        own = frozenset(_labels(metric.name))
        if metric.type == "counter":
            found[f"{metric.name}_total"] = own
        elif metric.type == "histogram":
            found |= {f"{metric.name}_count": own, f"{metric.name}_sum": own, f"{metric.name}_bucket": own | {"le"}}
        else:
            found[metric.name] = own
    return found


def _labels(name: str) -> tuple[str, ...]:
    by_name = {one._name: one for one in vars(metrics).values() if hasattr(one, "_labelnames")}
    return tuple(by_name[name]._labelnames)


def families() -> set[str]:
    """Names as a reader is told them: a histogram's without its endings."""
    return set(known()) | {metric.name for metric in metrics.REGISTRY.collect() if metric.type == "histogram"}


def named(query: str) -> set[str]:
    """The metrics that a query or a text names."""
    return {match[1] for match in METRIC.finditer(query)}


def unknown(query: str) -> Iterator[str]:
    """What a query asks for that no role gives: metrics, labels, what no rule records."""
    table = known()
    for match in METRIC.finditer(query):
        name, chosen = match[1], match[2] or ""
        if name not in table:
            yield name
        else:
            yield from (f"{name}: {label}" for label in LABEL.findall(chosen) if label not in table[name] | OF_A_TARGET)
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    yield from (name for name in re.findall(r"\bcourtrelay:[a-z0-9_:]+", query) if name not in recorded)


def rules() -> list[dict[str, Any]]:
    """Every rule, recorded or an alert."""
    groups = yaml.safe_load((DEPLOY / "courtrelay.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, list[dict[str, Any]]]:
    """The rules of each alert: some have several windows."""
    found: dict[str, list[dict[str, Any]]] = {}
    for rule in rules():
        if "alert" in rule:
            found.setdefault(rule["alert"], []).append(rule)
    return found
