"""Marks: what the times of one record say against each other. The one place where they are judged; a mark is no verdict.

Four clocks speak of a record: the lender's statement (event, and when the custodian recorded it), the timestamp authorities, the
lender's ledger and the court's ledger. They are shown apart and never merged. All times in ms since 1970 UTC, 0 when not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from relay.core.limits import FUTURE_SKEW_S, SKEW_MS

Mark = Literal["skew", "backdated"]
"""`skew`: clocks contradict each other. `backdated`: the lender states a time that the ledger's time does not allow."""
MARKS: Final[tuple[Mark, ...]] = get_args(Mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTimes:
    """The times of one record. `stamped_ms`: those of the tokens that hold over the checkpoint it rests on."""

    event_ms: int
    recorded_ms: int
    anchored_ms: int
    accepted_ms: int
    stamped_ms: tuple[int, ...]


def marks(times: RecordTimes, *, skew_ms: int = SKEW_MS, lag_ms: int = 0) -> tuple[Mark, ...]:
    """The marks of a record. `lag_ms`: how long after the event a record of its kind may be anchored, 0 for no limit."""
    found: list[Mark] = []
    if _clocks_contradict(times, skew_ms):
        found.append("skew")
    if _backdated(times, lag_ms):
        found.append("backdated")
    return tuple(found)


def _clocks_contradict(times: RecordTimes, skew_ms: int) -> bool:
    """Anchored, then accepted, then stamped: any of them may come late, none before what it follows."""
    if not times.anchored_ms:
        return False
    order = [times.anchored_ms]
    if times.accepted_ms:
        order.append(times.accepted_ms)
    latest_before_stamps = max(order)
    accepted_early = bool(times.accepted_ms) and times.accepted_ms < times.anchored_ms - skew_ms
    return accepted_early or any(stamp < latest_before_stamps - skew_ms for stamp in times.stamped_ms)


def _backdated(times: RecordTimes, lag_ms: int) -> bool:
    """Nothing can be anchored before it happened or was recorded; and what is anchored long after it happened was not kept at the time."""
    if not times.anchored_ms:
        return False
    bound = times.anchored_ms + FUTURE_SKEW_S * 1000
    if times.event_ms > bound or times.recorded_ms > bound:
        return True
    return bool(lag_ms and times.event_ms) and times.anchored_ms - times.event_ms > lag_ms
