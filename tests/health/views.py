"""An overview of each kind, for what shows them."""

from __future__ import annotations

from typing import Any

from relay.telemetry.health import State
from relay.telemetry.overview import DAY_MS, Ending, Figure, OriginView, Overview

NOW_MS = 1_764_000_000_000
ORIGIN = "lender.courtrelay.example/log/1"
YEAR_MS = 365 * DAY_MS


def state(kind: Any = "database", problem: str = "", *, needed: bool = True, name: str = "x") -> State:
    return State(kind=kind, name=name, problem=problem, needed=needed, since_ms=NOW_MS)


def ending(left_ms: int, *, lived_ms: int = YEAR_MS, kind: str = "certificate") -> Ending:
    return Ending(kind=kind, name="relay", begins_ms=NOW_MS + left_ms - lived_ms, ends_ms=NOW_MS + left_ms)


def overview(**other: Any) -> Overview:
    """Of a relay that is well."""
    origin = OriginView(
        origin=ORIGIN, latest=1_204, final=1_204, proven=1_204, compared=1_180, held=12_400, confirmed=12_400,
        backlog=0, quarantined=0,
    )  # fmt: skip
    given: dict[str, Any] = {
        "role": "relay", "identity": "spiffe://a.example/relay/x", "version": "1", "taken_ms": NOW_MS, "ready": True,
        "stopping": False, "problem": "", "components": (state(),), "origins": (origin,), "endings": (ending(YEAR_MS),),
        "figures": (Figure(name="custodians", value=1),),
    }  # fmt: skip
    return Overview(**{**given, **other})
