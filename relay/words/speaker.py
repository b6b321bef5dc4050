"""Speaker: one language's texts and forms. English is the key of every text; `catalogues/<language>/*.po` hold the others,
one file for each part of the system (docs/words.md).

A text with values is a template with named places, `"{count} records"`; the catalogue translates the template. What the core says in
whole sentences (details of steps, reasons) is recognised by its template again: see `said`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from relay.core.errors import Malformed
from relay.core.times import parse_utc
from relay.core.verdict import Finding
from relay.words.catalogue import Catalogue, catalogue
from relay.words.forms import bytes_text, date_text, duration_text, money_text, number_text, time_text
from relay.words.language import Language
from relay.words.masks import masked_name, masked_number
from relay.words.places import CHARS_MAX, LISTS, NAMED, SECONDS, UTC_TIMES
from relay.words.sentences import Said, Sentences
from relay.words.verdicts import VERDICT_WORDS

SAID_KEPT: Final = 512
"""Sentences whose translation is kept, each of at most CHARS_MAX."""


class Speaker:
    """Texts and forms of one language. Unknown texts are given in English: tests keep the catalogues whole."""

    def __init__(self, language: Language, texts: Catalogue) -> None:
        self.language: Language = language
        self._texts = texts.texts
        self._names = texts.names
        self._sentences = Sentences(texts.texts, texts.names, self._give) if language != "en" else None
        # a dossier's records say the same again and again
        self._say = lru_cache(maxsize=SAID_KEPT)(self._sentences.say) if self._sentences else _english

    def text(self, template: str, **values: object) -> str:
        """A text in this language with its values put in."""
        translated = self._texts.get(template) or template
        return translated.format(**values) if values else translated

    def said(self, sentence: str) -> str:
        """A whole sentence of the core (a step's detail, a reason) in this language; itself where no template fits."""
        return self.recognised(sentence).text

    def recognised(self, sentence: str) -> Said:
        """As `said`, and whether all of it was known."""
        return self._say(sentence) if len(sentence) <= CHARS_MAX else Said(sentence, self.language == "en")

    def time(self, ms: int) -> str:
        """A point in time with date, seconds and zone; empty for 0 (not known)."""
        return time_text(ms, self.language) if ms else ""

    def date(self, day: int | str) -> str:
        """A day, given in ms since 1970 UTC or as `YYYY-MM-DD`; empty for 0 and for nothing."""
        return date_text(day, self.language) if day else ""

    def duration(self, ms: int) -> str:
        """A length of time, such as an anchoring lag: `3 minutes 5 seconds`."""
        return duration_text(ms, self.language)

    def money(self, cents: int, currency: str) -> str:
        """An amount given in cents, such as ¥1,234.50."""
        return money_text(cents, currency)

    def number(self, number: int) -> str:
        """A whole number with separators."""
        return number_text(number)

    def bytes(self, count: int) -> str:
        """A size, such as `12.3 MB`."""
        return bytes_text(count, self.language)

    def verdict(self, finding: Finding | str) -> str:
        """A verdict's name. In Chinese by what Online Litigation Rules art. 16 lets a court find, never that something is true."""
        return self.text(str(finding))

    def verdict_words(self, finding: Finding | str) -> str:
        """What a verdict says, in one plain sentence that claims no more than docs/spec/verdict.md."""
        return self.text(VERDICT_WORDS[Finding(finding)])

    def kind(self, kind: str) -> str:
        """A record kind's readable name."""
        return self._name("kind", kind)

    def stage(self, stage: str) -> str:
        """A stage of a loan's life (`relay.core.kinds.Stage`)."""
        return self._name("stage", stage)

    def member(self, name: str) -> str:
        """The label of a member of a record's fields, such as `amount_cents`."""
        return self._name("member", name)

    def value(self, member: str, value: str) -> str:
        """A word of a member's fixed set, such as `direct_debit` of `channel`; any other text is given as it is."""
        return self._names.get(("value", f"{member} {value}"), value)

    def provenance(self, heading: str) -> str:
        """A heading of Online Litigation Rules art. 18 (`relay.core.view.PROVENANCE`)."""
        return self._name("provenance", heading)

    def status(self, status: str) -> str:
        """`disclosed`, `withheld`, `erased` or `missing`."""
        return self._name("status", status)

    def step(self, name: str) -> str:
        """A step of verification by its name."""
        return self._name("step", name)

    def result(self, result: str) -> str:
        """How a step ended: `ok`, `failed` or `not run`."""
        return self._name("result", result)

    def confidentiality(self, name: str) -> str:
        """A class of confidentiality."""
        return self._name("class", name)

    def role(self, role: str) -> str:
        """A role, of a party or of a person who reads."""
        return self._name("role", role)

    def algorithm(self, name: str) -> str:
        """An algorithm or a kind of ledger proof."""
        return self._name("algorithm", name)

    def masked_name(self, name: str) -> str:
        """A person's name with its surname alone."""
        return masked_name(name)

    def masked_number(self, number: str) -> str:
        """A person's number with its ends alone."""
        return masked_number(number)

    def _name(self, context: str, identifier: str) -> str:
        known = self._names.get((context, identifier))
        # a lender's own kind or member has no entry: its identifier is readable English
        return known or identifier.replace("_", " ")

    def _give(self, place: str, value: str) -> str:
        """A value in a sentence of the core."""
        if place in NAMED:
            return self._names.get((NAMED[place], value), value)
        if place in SECONDS:
            return self.time(int(value) * 1000)
        if place in UTC_TIMES:
            return self._utc(value)
        if place == "verdict":
            return self.verdict(value)
        if place == "date":
            return self.date(value)
        if place == "seqs":
            return "、".join(self._sequence(one) for one in value.split(", "))
        if place == "counts":
            return "、".join(
                f"{self.verdict(name)} {count} 条" for count, _, name in (c.partition(" ") for c in value.split(", "))
            )
        if place in LISTS:
            return "、".join(value.split(", ")) if value != "none" else "（无）"
        return value

    def _utc(self, value: str) -> str:
        try:
            return self.time(parse_utc(value, "sentence", "time") * 1000)
        except Malformed:  # a text that looks like a time and is none
            return value

    def _sequence(self, run: str) -> str:
        first, _, last = run.removeprefix("seq ").partition(" to ")
        return f"第 {first} 至 {last} 号" if last else f"第 {first} 号"


def _english(sentence: str) -> Said:
    return Said(sentence, True)


@lru_cache(maxsize=8)
def speaker(language: Language) -> Speaker:
    """The speaker of a language."""
    return Speaker(language, catalogue(language))
