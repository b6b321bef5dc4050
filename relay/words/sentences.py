"""What the core says in English, recognised by its template and given in another language.

A template is cut at its places; each place runs to the first occurrence of the literal behind it (an atomic group, never taken back), so
that a sentence is matched in time linear in its length whatever it holds. Templates with the longest literals are tried first.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from relay.words.places import ANY, CHARS_MAX, NAMED, PATTERNS, SAID, TEXT

DEPTH_MAX: Final = 8
"""Sentences inside sentences: a summary holds a step's detail, which holds a record's reason, and so on."""
LABEL_CHARS_MAX: Final = 120
PIECES_MAX: Final = 64
_FINDING: Final = re.compile(
    r", (?=(?:hole|cut tail|doubled|hole in the log): |seq [0-9]{1,12}(?: to [0-9]{1,12})?(?:: its log index| not logged(?!, though)))"
)
"""Where one finding of step 13 ends and the next begins (`relay.core.dossier.SequenceFindings.words`)."""
Give = Callable[[str, str], str]
"""(place, value) → the value in the language."""


class Said(NamedTuple):
    """`whole`: nothing in it stayed English for want of a template."""

    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class _Template:
    english: str
    translated: str
    pattern: re.Pattern[str]
    begins: str
    ends: str
    literals: tuple[str, ...]
    open: bool
    """Whether any text may stand first: such a template is tried after those that say how they begin."""


def places(template: str) -> list[str]:
    """Names of a template's places in order."""
    return [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]


def compiled(template: str) -> re.Pattern[str]:
    """The pattern of a template's sentences."""
    pieces = [(literal, field) for literal, field, _, _ in string.Formatter().parse(template)]
    made = re.escape(pieces[0][0])
    for number, (_, name) in enumerate(pieces):
        if name is None:
            continue
        literal = pieces[number + 1][0] if number + 1 < len(pieces) else ""
        inside = PATTERNS.get(name, TEXT)
        last = number + 1 >= len(pieces) or (number + 2 == len(pieces) and pieces[number + 1][1] is None)
        lazy = f"(?P<{name}>{inside}{'' if last else '?'}){re.escape(literal)}"
        made += lazy if last else f"(?>{lazy})"
    return re.compile(made, re.DOTALL)


class Sentences:
    """The recognised sentences of one language."""

    def __init__(self, texts: Mapping[str, str], names: Mapping[tuple[str, str], str], give: Give) -> None:
        what = {english: text for (context, english), text in names.items() if context == "what"}
        self._names = names
        self._give = give
        self._what = {english: text for english, text in what.items() if "{" not in english}
        self._fixed = {**self._what, **{english: text for english, text in texts.items() if "{" not in english}}
        self._labels = _templates(what)
        self._anchored = [one for one in _templates(texts) if not one.open]
        self._open = [one for one in _templates(texts) if one.open]
        self.tried = 0
        """How many patterns were matched so far: what tests bound."""

    def say(self, sentence: str, depth: int = 0, *, row: bool = True) -> Said:
        """The sentence in this language; itself, and not whole, where nothing fits.

        `row`: it may be a row of sentences. What was taken from a row is none again, and each way below looks at the rest of a sentence
        at most once: the work is bounded by the length, DEPTH_MAX and the number of templates.
        """
        if depth > DEPTH_MAX or len(sentence) > CHARS_MAX:
            return Said(sentence, False)
        known = self._fixed.get(sentence)
        if known:
            return Said(known, True)
        return (
            self._by_template(self._anchored, sentence, depth)
            or self._behind_label(sentence, depth)
            or self._behind_place(sentence, depth, spaces=False)
            or (self._in_pieces(sentence, depth) if row else None)
            or self._by_template(self._open, sentence, depth)
            or self._by_template(self._labels, sentence, depth)
            or self._behind_place(sentence, depth, spaces=True)
            or Said(sentence, False)
        )

    def _behind_label(self, sentence: str, depth: int) -> Said | None:
        """`grant key: …`, `disclosure: line 3: …`: a document or a check by its name, and what is said of it."""
        head, colon, rest = sentence.partition(": ")
        if not colon or len(head) > LABEL_CHARS_MAX:
            return None
        label = self._what.get(head) or (self._by_template(self._labels, head, DEPTH_MAX - 1) or Said("", True)).text
        if not label:
            return None
        said = self.say(rest, depth + 1)
        return Said(f"{label}：{said.text}", said.whole)

    def _behind_place(self, sentence: str, depth: int, *, spaces: bool) -> Said | None:
        """A field, a part or (with `spaces`) a path before a colon, which stays as it is."""
        place, colon, rest = sentence.partition(": ")
        if not colon or (" " in place) is not spaces:
            return None
        said = self.say(rest, depth + 1, row=False)
        return Said(f"{place}：{said.text}", said.whole) if said.whole or said.text != rest else None

    def _in_pieces(self, sentence: str, depth: int) -> Said | None:
        """Findings of step 13 side by side, or sentences joined by `; `: only when every piece is known."""
        for pieces in (_FINDING.split(sentence), sentence.split("; ")):
            if 1 < len(pieces) <= PIECES_MAX:
                said = [self.say(piece, depth + 1, row=False) for piece in pieces]
                if all(piece.whole for piece in said):
                    return Said("；".join(piece.text for piece in said), True)
        return None

    def _by_template(self, templates: Sequence[_Template], sentence: str, depth: int) -> Said | None:
        for template in templates:
            if (
                sentence.startswith(template.begins)
                and sentence.endswith(template.ends)
                and all(literal in sentence for literal in template.literals)
            ):
                self.tried += 1
                found = template.pattern.fullmatch(sentence)
                if found is not None:
                    return self._fill(template, found.groupdict(), depth)
        return None

    def _fill(self, template: _Template, found: Mapping[str, str], depth: int) -> Said:
        whole = True
        values: dict[str, str] = {}
        for name, value in found.items():
            if name in SAID or name == "wanted":
                said = self.say(value, depth + 1) if name in SAID else self._wanted(value, depth + 1)
                values[name], whole = said.text, whole and said.whole
            else:
                values[name] = self._give(name, value)
                # a kind may be a lender's own, which has no name here
                whole = whole and (name not in NAMED or name == "kind" or (NAMED[name], value) in self._names)
        return Said(template.translated.format(**values), whole)

    def _wanted(self, value: str, depth: int) -> Said:
        """What a value must be: words of the core, or literals joined by `or`."""
        said = self.say(value, depth)
        literals = value.split(" or ")
        if said.whole or any(" " in literal for literal in literals):
            return said
        return Said(" 或者 ".join(literals), True)


def _templates(texts: Mapping[str, str]) -> list[_Template]:
    """Those with the longest literals first."""
    made = [_template(english, text) for english, text in texts.items() if "{" in english]
    return sorted(made, key=lambda template: (-sum(map(len, template.literals)), template.english))


def _template(english: str, translated: str) -> _Template:
    pieces = list(string.Formatter().parse(english))
    return _Template(
        english=english,
        translated=translated,
        pattern=compiled(english),
        begins=pieces[0][0],
        ends=pieces[-1][0] if pieces[-1][1] is None else "",
        literals=tuple(literal for literal, _, _, _ in pieces if literal),
        open=not pieces[0][0] and (pieces[0][1] in ANY or pieces[0][1] not in PATTERNS),
    )
