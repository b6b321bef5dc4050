"""Times, durations, amounts and sizes as readers of each language expect them. Whole numbers in, no floats on the way.

Chinese: dates with 年月日 in Arabic digits and the time with colons, as bodies of court documents write them (GB/T 15835-2011, to which the
Supreme People's Court's norms for civil documents of 2016 refer), always Beijing time and said so. English: ISO 8601 dates, UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from relay.words.language import Language

BEIJING: Final = timezone(timedelta(hours=8), "北京时间")
"""UTC+8 without the summer time of 1986 to 1991, so that the name means one thing."""
ZONES: Final[dict[Language, timezone]] = {"en": UTC, "zh-CN": BEIJING}
_DATE: Final[dict[Language, str]] = {
    "en": "{0.year:04}-{0.month:02}-{0.day:02}",
    "zh-CN": "{0.year}年{0.month}月{0.day}日",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = (("day", "天", 86_400), ("hour", "小时", 3600), ("minute", "分钟", 60), ("second", "秒", 1))
_SIZES: Final = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
SYMBOLS: Final = {"CNY": "¥"}
"""Only the yuan has a sign, in both languages; every other currency is given by its ISO 4217 code, so that ¥ means one thing."""


def time_text(ms: int, language: Language) -> str:
    """A point in time, ms since 1970 UTC, to the second below it and with its zone. What no calendar has stays a number of ms."""
    zone = ZONES[language]
    try:
        moment = (_EPOCH + timedelta(seconds=ms // 1000)).astimezone(zone)
    except OverflowError:
        return f"{ms} ms"
    return f"{_DATE[language].format(moment)} {moment:%H:%M:%S} {moment.tzname()}"


def date_text(day: int | str, language: Language) -> str:
    """A day: ms since 1970 UTC, in the language's zone; or `YYYY-MM-DD`, which has no zone. Any other text stays as it is."""
    if isinstance(day, int):
        return time_text(day, language).split(" ")[0]
    try:
        found = date.fromisoformat(day) if len(day) == 10 else None
    except ValueError:
        found = None
    return _DATE[language].format(found) if found else day


def duration_text(ms: int, language: Language) -> str:
    """The two largest units of a length of time, rounded down: `3 minutes 5 seconds`; with a minus sign when it is negative."""
    seconds = abs(ms) // 1000
    made: list[str] = []
    for english, chinese, unit in _UNITS:
        count = seconds // unit
        seconds %= unit
        if count and len(made) < 2:
            made.append(f"{number_text(count)} {chinese if language == 'zh-CN' else english + 's' * (count != 1)}")
        elif made:
            break
    if not made:
        return "不足 1 秒" if language == "zh-CN" else "less than a second"
    return ("-" if ms < 0 else "") + " ".join(made)


def money_text(cents: int, currency: str) -> str:
    """An amount in hundredths, exact: `¥1,234.50`, `-¥0.05`, `USD 12.00`."""
    whole, rest = divmod(abs(cents), 100)
    sign = "-" if cents < 0 else ""
    return f"{sign}{SYMBOLS.get(currency) or currency + ' '}{whole:,}.{rest:02}"


def number_text(number: int) -> str:
    """With a comma after every third digit, in both languages."""
    return f"{number:,}"


def bytes_text(count: int, language: Language) -> str:
    """A size to a tenth of its unit (powers of 1000), rounded down; below 1000 in bytes."""
    for unit, size in _SIZES:
        if count >= size:
            whole, rest = divmod(count * 10 // size, 10)
            return f"{whole:,}.{rest} {unit}"
    if language == "zh-CN":
        return f"{count} 字节"
    return f"{count} byte" + "s" * (count != 1)
