"""Cursors: where the next page begins, opaque to the caller and of use with the same question alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import dumps, loads_canonical
from relay.core.errors import Malformed
from relay.core.limits import JSON_INT_MAX

_WHAT: Final = "cursor"
BYTES_MAX: Final = 1500
"""A case number of the longest kind fits."""


def make_cursor(operation: str, question: Mapping[str, Any], position: int | str) -> str:
    """A position of an operation's answer to a question (its query without cursor and limit)."""
    return b64url_encode(dumps([_question(operation, question), position]))


def read_cursor(operation: str, question: Mapping[str, Any], cursor: str) -> int | str:
    """The position. Raises `Malformed`, also when the cursor came of another question."""
    data = b64url_decode(cursor, what=_WHAT, field="cursor")
    value = loads_canonical(data, what=_WHAT, bytes_max=BYTES_MAX)
    if not isinstance(value, list) or len(value) != 2 or value[0] != _question(operation, question):
        raise Malformed(_WHAT, "cursor", "belongs to another question; begin again without one")
    position = value[1]
    number = isinstance(position, int) and not isinstance(position, bool) and 0 < position <= JSON_INT_MAX
    if not number and not (isinstance(position, str) and position):
        raise Malformed(_WHAT, "cursor", "is not one that was given out")
    made: int | str = position
    return made


def _question(operation: str, question: Mapping[str, Any]) -> str:
    asked = {name: value for name, value in question.items() if name not in ("cursor", "limit")}
    return hashlib.sha256(dumps([operation, asked])).hexdigest()[:16]
