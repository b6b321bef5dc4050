"""The languages there are, and which one a reader wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Language = Literal["en", "zh-CN"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
Words = str
"""A text for people in English: the key of the catalogues. Tables of texts that are asked for by a name are annotated with it."""
HEADER_CHARS_MAX: Final = 1024
LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
"""In the order in which POSIX (XBD section 8.2) lets one stand above the other for messages."""


def negotiate(wanted: str, default: Language = "en") -> Language:
    """The first language of an Accept-Language header (RFC 9110 section 12.5.4) or a locale's name that there is, by its weight."""
    choices = []
    for place, item in enumerate(wanted[:HEADER_CHARS_MAX].split(",")):
        tag, _, parameters = item.strip().partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weight = float(value) if name == "q" else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().replace("_", "-").split(".")[0].split("-")[0]
        fitting = [language for language in LANGUAGES if primary == language.split("-")[0] and weight > 0]
        choices += [(-weight, place, language) for language in fitting]
    return min(choices, default=(0.0, 0, default))[2]


def of_environment(variables: Mapping[str, str], default: Language = "en") -> Language:
    """The language of a terminal: that of the first locale variable that is set and not empty."""
    wanted = next((variables[name] for name in LOCALE_VARIABLES if variables.get(name)), "")
    return negotiate(wanted, default)
