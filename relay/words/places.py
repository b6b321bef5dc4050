"""Named places of sentence templates: what may stand in them, and how it is given in another language.

`"{count} parts, each as listed"` has the place `count`. A name that is not listed here stands for any text and is given as it is: what a
bundle, a lender or an attacker wrote is never translated. Patterns have no quantifier inside a quantifier.
"""

from __future__ import annotations

from typing import Final

CHARS_MAX: Final = 4096
"""Longest sentence that is looked at; a longer one stays as it is."""
TEXT: Final = f".{{1,{CHARS_MAX}}}"
_NUMBER: Final = "-?[0-9]{1,24}"
_UTC: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_WORD: Final = "[a-z_]{1,40}"
_SEQS: Final = "seq [0-9seqto, ]{1,4000}"

NUMBERS: Final = (
    "also", "behind", "columns", "count", "end", "erased", "first", "from_size", "height", "high", "index", "inner", "least", "levels",
    "low", "more", "most", "needed", "newer", "number", "other", "pending", "seq", "size", "start", "to_size", "withheld",
)  # fmt: skip
"""Whole numbers, given as they are."""

ANY: Final = ("found", "names")
"""Any text, and none."""

PATTERNS: Final[dict[str, str]] = {
    **dict.fromkeys(NUMBERS, _NUMBER),
    "from_s": "[0-9]{1,12}",
    "to_s": "[0-9]{1,12}",
    "at_s": "[0-9]{1,12}",
    "utc": _UTC,
    "other_utc": _UTC,
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "seqs": _SEQS,
    "counts": "[0-9A-Z_, ]{1,400}",
    "verdict": "[A-Z_]{1,40}",
    "result": "(?:ok|failed|not run)",
    "step": "[a-z ]{1,40}",
    "use": _WORD,
    "role": _WORD,
    "status": _WORD,
    "class_": _WORD,
    "kind": "[a-z0-9_*-]{1,64}",
    **dict.fromkeys(ANY, f".{{0,{CHARS_MAX}}}"),
    "hex": "[0-9a-f]{1,128}",
    "roman": "[0-9A-F]{1,8}",
}
"""Place → what may stand there; any other place: any text that is not empty."""

SAID: Final = frozenset({"detail", "findings", "reason", "what"})
"""Places whose value is itself a sentence of the core, or the name of a document or check."""
NAMED: Final[dict[str, str]] = {
    "result": "result",
    "step": "step",
    "use": "key use",
    "role": "role",
    "status": "status",
    "class_": "class",
    "kind": "kind",
}
"""Place → the context of the catalogue in which its value has a readable name."""
LISTS: Final = frozenset({"names"})
"""Values that the core joined by `, `, or `none`."""
SECONDS: Final = frozenset({"from_s", "to_s", "at_s"})
UTC_TIMES: Final = frozenset({"utc", "other_utc"})
