"""Speaker: one language's texts and forms. English is the key of every text; `catalogues/<language>/*.po` hold the others,
one file for each part of the system.

A text with values is a template with named places, `"{count} records"`; the catalogue translates the template. What the core says in
whole sentences (details of steps, reasons) is recognised by its template again: see `said`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_currency

from relay.words.language import Language

ZONES: Final = {"en": "UTC", "zh-CN": "Asia/Shanghai"}
"""Times are shown in this zone, always with its name."""


class Speaker:
    """Texts and forms of one language. Unknown texts are given in English: a test keeps the catalogues whole."""

    def __init__(self, language: Language, texts: dict[str, str]) -> None:
        self.language: Language = language
        self._texts = texts
        self._locale = Locale.parse(language, sep="-")
        self._zone = ZoneInfo(ZONES[language])

    def text(self, template: str, **values: object) -> str:
        """A text in this language with its values put in."""
        translated = self._texts.get(template) or template
        return translated.format(**values) if values else translated

    def said(self, sentence: str) -> str:
        """A whole sentence of the core (a step's detail, a reason) in this language; itself where no template fits."""
        return self._texts.get(sentence) or sentence

    def time(self, ms: int) -> str:
        """A point in time with date, seconds and zone; empty for 0 (not known)."""
        if not ms:
            return ""
        moment = datetime.fromtimestamp(ms / 1000, UTC).astimezone(self._zone)
        return format_datetime(moment, "yyyy-MM-dd HH:mm:ss z", locale=self._locale)

    def money(self, cents: int, currency: str) -> str:
        """An amount given in cents, such as ¥1,234.50."""
        return format_currency(cents / 100, currency, locale=self._locale)


@cache
def speaker(language: Language) -> Speaker:
    """The speaker of a language."""
    return Speaker(language, _read(language))


def _read(language: Language) -> dict[str, str]:
    if language == "en":
        return {}
    texts: dict[str, str] = {}
    for entry in sorted(files("relay.words").joinpath("catalogues", language).iterdir(), key=lambda e: e.name):
        with entry.open("rb") as file:
            for message in read_po(file, locale=language.replace("-", "_")):
                if isinstance(message.id, str) and isinstance(message.string, str) and message.id and message.string:
                    texts[message.id] = message.string
    return texts
