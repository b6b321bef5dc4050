"""One spelling of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Malformed
from relay.core.limits import TIME_S_MAX
from relay.core.times import format_utc, parse_utc


@given(st.integers(0, TIME_S_MAX))
def test_a_time_is_read_back_as_it_was_written(seconds: int) -> None:
    assert parse_utc(format_utc(seconds), "file", "at") == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2025-11-23T20:38:00Z", 1_763_930_280),
        ("9999-12-31T23:59:59Z", TIME_S_MAX),
    ],
)
def test_known_times(text: str, seconds: int) -> None:
    assert parse_utc(text, "file", "at") == seconds
    assert format_utc(seconds) == text


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-23T20:38:00+00:00",
        "2025-11-23T20:38:00z",
        "2025-11-23 20:38:00Z",
        "2025-11-23T20:38:00.0Z",
        "2025-11-23T20:38Z",
        "2025-11-23T20:38:00Z\n",
        "２０25-11-23T20:38:00Z",
        "2025-02-29T00:00:00Z",
        "2025-11-23T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "",
    ],
)
def test_any_other_spelling_or_date_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_utc(text, "file", "at")
    assert (caught.value.what, caught.value.field) == ("file", "at")


@pytest.mark.parametrize("seconds", [-1, TIME_S_MAX + 1])
def test_a_time_outside_the_form_cannot_be_written(seconds: int) -> None:
    with pytest.raises(RuntimeError, match="outside the years"):
        format_utc(seconds)
