"""Forms of single values, as JSON Schema (2020-12), and the validators made of them.

A pattern must match the whole text: JSON Schema's own rule would let a line break pass at its end. What no pattern can say is a `format`
of this project; the document describes it in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from relay.core.errors import Malformed
from relay.core.fields import check_plain
from relay.core.limits import (
    CASE_CHARS_MAX,
    GRANT_BYTES_MAX,
    ID_CHARS_MAX,
    JSON_INT_MAX,
    OFFICER_CHARS_MAX,
    PURPOSE_CHARS_MAX,
    TIME_S_MAX,
)

Schema = Mapping[str, Any]
PLAIN: Final = "plain-text"
LINES: Final = "plain-lines"
FORMATS: Final = {
    PLAIN: "Text that people read: printable characters in Unicode normal form C, no space at either end.",
    LINES: "The same in several lines, at least one of them not empty; spaces at either end of a line are dropped.",
}
"""Every format that is not of JSON Schema itself, in words."""

checker: Final = FormatChecker(formats=())


@checker.checks(PLAIN)
def _plain(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        check_plain(value, "text", "", empty=True, chars_max=len(value))
    except Malformed:
        return False
    return True


@checker.checks(LINES)
def _lines(value: object) -> bool:
    if not isinstance(value, str):
        return True
    lines = [line.strip() for line in value.replace("\r\n", "\n").split("\n")]
    return any(lines) and all(_plain(line) for line in lines)


def _whole(
    _validator: Validator, pattern: str, instance: object, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """The pattern says ^ and $; here these mean the whole text."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"must match {pattern}")


Strict: Final = extend(Draft202012Validator, {"pattern": _whole})  # type: ignore[no-untyped-call]


def text(chars_max: int, says: str = "") -> Schema:
    """Text for people."""
    made: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": chars_max, "format": PLAIN}
    return made | ({"description": says} if says else {})


def lines(chars_max: int, says: str) -> Schema:
    """Text for people, in several lines."""
    return {"type": "string", "minLength": 1, "maxLength": chars_max, "format": LINES, "description": says}


def hexadecimal(bytes_count: int, says: str = "") -> Schema:
    """Lower-case hex of so many bytes."""
    made: dict[str, Any] = {"type": "string", "pattern": f"^[0-9a-f]{{{2 * bytes_count}}}$"}
    return made | ({"description": says} if says else {})


def whole(low: int = 0, high: int = JSON_INT_MAX, says: str = "") -> Schema:
    """An integer."""
    made: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    return made | ({"description": says} if says else {})


def one_of(*values: str) -> Schema:
    """One of some names."""
    return {"type": "string", "enum": list(values)}


def listed(item: Schema, count_max: int, says: str = "") -> Schema:
    """An array."""
    made: dict[str, Any] = {"type": "array", "items": item, "maxItems": count_max}
    return made | ({"description": says} if says else {})


def members(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, says: str = "") -> Schema:
    """An object with exactly these members."""
    made: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }
    return made | ({"description": says} if says else {})


def ref(name: str) -> Schema:
    """A named schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


CASE: Final = text(CASE_CHARS_MAX, "A case number, exactly as the grant has it.")
OFFICER: Final = text(OFFICER_CHARS_MAX // 2, "Who of the court wants to see it; the caller's own name is added.")
PURPOSE: Final = text(PURPOSE_CHARS_MAX, "What for.")
DOSSIER_ID: Final = hexadecimal(16, "A dossier's id.")
BUNDLE_ID: Final = hexadecimal(16, "A stored bundle's id at this court.")
DIGEST: Final = hexadecimal(32)
IDENTITY: Final = {"type": "string", "maxLength": 512, "pattern": "^spiffe://[a-z0-9][a-z0-9./_-]{1,500}$"}
TOKEN: Final = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}
TIME_MS: Final = whole(0, TIME_S_MAX * 1000, "Milliseconds since 1970 UTC, 0 for not shown.")
TIME_S: Final = whole(0, TIME_S_MAX, "Seconds since 1970 UTC, 0 for not shown.")
FREE: Final = {"type": "string"}
"""Text of ours, or of a signed record: whatever it is, it is a JSON string."""
ORIGIN: Final = {"type": "string", "maxLength": ID_CHARS_MAX}
FINDING: Final = one_of(
    "CONSISTENT", "INCONSISTENT", "NOT_FOUND", "PENDING_FINALITY", "UNVERIFIABLE", "SUPERSEDED", "ORPHANED"
)
GRANT_TOKEN: Final = {
    "type": "string",
    "maxLength": GRANT_BYTES_MAX,
    "pattern": "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
    "description": "A compact JWS, as the lender signed it (docs/spec/grant.md).",
}
CURSOR: Final = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,2000}$"}
