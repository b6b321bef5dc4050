"""Marks: which orders of clocks can be explained by delay, and which cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.limits import FUTURE_SKEW_S, SKEW_MS
from relay.core.marks import RecordTimes, marks

NOON = 1_762_160_400_000
MINUTE = 60_000
GOOD = RecordTimes(
    event_ms=NOON - 3_600_000,
    recorded_ms=NOON - 1000,
    anchored_ms=NOON,
    accepted_ms=NOON + 2000,
    stamped_ms=(NOON + 3000, NOON + 4000),
)


def test_times_in_order_bear_no_mark() -> None:
    assert marks(GOOD) == ()


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_delay_of_any_length_explains_what_comes_late(lag: int, relay_ms: int, authority_ms: int) -> None:
    accepted = NOON + relay_ms
    times = replace(GOOD, event_ms=NOON - lag, accepted_ms=accepted, stamped_ms=(accepted + authority_ms,))
    assert marks(times) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"accepted_ms": NOON - 11 * MINUTE},
        {"stamped_ms": (NOON - 11 * MINUTE,)},
        {"stamped_ms": (NOON + 3000, NOON - 11 * MINUTE)},
        {"accepted_ms": NOON + 20 * MINUTE, "stamped_ms": (NOON + 9 * MINUTE,)},
        {"accepted_ms": 0, "stamped_ms": (NOON - 11 * MINUTE,)},
    ],
    ids=["court before lender", "authority before lender", "one of two", "authority before court", "no court"],
)
def test_clock_moved_by_more_than_the_limit_is_marked(changes: dict[str, object]) -> None:
    assert marks(replace(GOOD, **changes)) == ("skew",)  # type: ignore[arg-type]


def test_limit_itself_is_no_skew() -> None:
    assert marks(replace(GOOD, accepted_ms=0, stamped_ms=(NOON - SKEW_MS,))) == ()
    assert marks(replace(GOOD, accepted_ms=0, stamped_ms=(NOON - SKEW_MS - 1,))) == ("skew",)
    assert marks(replace(GOOD, accepted_ms=0, stamped_ms=(NOON - 2000,)), skew_ms=1000) == ("skew",)


@pytest.mark.parametrize("name", ["event_ms", "recorded_ms"])
def test_what_is_said_to_be_later_than_its_anchoring_is_backdated(name: str) -> None:
    bound = NOON + FUTURE_SKEW_S * 1000
    assert marks(replace(GOOD, **{name: bound})) == ()  # type: ignore[arg-type]
    assert marks(replace(GOOD, **{name: bound + 1})) == ("backdated",)  # type: ignore[arg-type]


def test_limit_of_a_kind_marks_what_was_anchored_long_after() -> None:
    hour_late = replace(GOOD, event_ms=NOON - 60 * MINUTE)
    assert marks(hour_late, lag_ms=60 * MINUTE) == ()
    assert marks(hour_late, lag_ms=60 * MINUTE - 1) == ("backdated",)
    assert marks(replace(hour_late, event_ms=0), lag_ms=1) == ()


def test_nothing_is_marked_while_nothing_is_anchored() -> None:
    pending = replace(GOOD, anchored_ms=0, accepted_ms=0, stamped_ms=(), event_ms=NOON * 2, recorded_ms=NOON * 2)
    assert marks(pending, lag_ms=1) == ()
