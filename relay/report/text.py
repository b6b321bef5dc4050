"""Text for the page: markup characters escaped; what cannot be seen, changes the reading order, or has no glyph is written out.

A reader sees `[U+202E]` where a lender's text holds a control for the reading order: nothing in a report can pass for something else.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from relay.report.fonts import Fonts

CHARS_MAX: Final = 4000
"""A longer text is cut in the print and says so; the attached document has it whole."""


def plain(text: str, fonts: Fonts) -> str:
    """The text as it may be drawn. Line breaks and tabs count as spaces."""
    short = cut(text, CHARS_MAX)
    if short.isprintable() and fonts.has_all(short):
        return short
    return "".join(_shown(character, fonts) for character in short)


def cut(text: str, chars_max: int) -> str:
    """The text, or its beginning with a sign that something follows."""
    return text if len(text) <= chars_max else f"{text[:chars_max]} […]"


def markup(text: str, fonts: Fonts) -> str:
    """The same for a paragraph of ReportLab, whose text is markup."""
    return escape(plain(text, fonts))


def _shown(character: str, fonts: Fonts) -> str:
    if character in "\n\t":
        return " "
    if character.isprintable() and fonts.has(character):
        return character
    return f"[U+{ord(character):04X}]"
