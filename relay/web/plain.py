"""Text that people sent, as it is shown: what would turn, hide or join letters is written out where it stands.

Controls, bidirectional controls, invisible and unassigned characters become `⟨U+202E⟩`, so that nothing in a name changes how the rest
of a page reads (Unicode TR 36 section 2.10). Letters of any script stay as they are.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from markupsafe import Markup, escape

CHARS_MAX: Final = 4096
_KEPT: Final = frozenset("\n")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Letters and marks by category that show nothing."""


def plain(value: object) -> str:
    """A text with everything invisible written out, cut at 4,096 characters."""
    text = str(value)
    if len(text) <= CHARS_MAX and text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text  # nearly every text: `isprintable` is false for all categories that are written out
    shown = "".join(_visible(character) for character in text[:CHARS_MAX])
    return shown + "…" if len(text) > CHARS_MAX else shown


def quoted(value: object) -> Markup:
    """The same for a page: isolated from its surroundings in either direction of writing."""
    return Markup(f'<bdi dir="auto">{escape(plain(value))}</bdi>')  # noqa: S704  (escaped here)


def _visible(character: str) -> str:
    if character in _KEPT:
        return character
    odd_space = unicodedata.category(character) == "Zs" and character not in " \u3000"
    hidden = unicodedata.category(character) in _HIDDEN or character in _INVISIBLE
    return f"⟨U+{ord(character):04X}⟩" if hidden or odd_space else character
