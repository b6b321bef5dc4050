"""Times in documents: RFC 3339 in UTC, whole seconds, one spelling, `2025-11-23T20:38:00Z`. Years 1970 to 9999.

A leap second (`:60`) is refused: seconds since 1970 cannot name it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from relay.core.errors import Malformed
from relay.core.limits import TIME_S_MAX

_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_utc(text: str, what: str, field: str) -> int:
    """Seconds since 1970 UTC. Raises `Malformed` for anything but `YYYY-MM-DDTHH:MM:SSZ` of a real date."""
    if not _FORM.fullmatch(text):
        raise Malformed(what, field, "must be a UTC time of the form YYYY-MM-DDTHH:MM:SSZ")
    try:
        parts = (text[0:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
        year, month, day, hour, minute, second = map(int, parts)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Malformed(what, field, f"{text} is not a date and time that exists") from None
    if moment < _EPOCH:
        raise Malformed(what, field, f"{text} is before 1970")
    return (moment - _EPOCH) // timedelta(seconds=1)


def format_utc(seconds: int) -> str:
    """The one spelling of a time given in seconds since 1970 UTC."""
    if not 0 <= seconds <= TIME_S_MAX:
        raise RuntimeError(f"{seconds} s since 1970 is outside the years 1970 to 9999")
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
