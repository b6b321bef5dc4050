"""Reading one JSON object strictly: every member typed and bounded, unknown ones refused, errors with the path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar

from relay.core.base64strict import b64decode, b64url_decode
from relay.core.errors import Malformed
from relay.core.identity import parse_identity
from relay.core.limits import ID_CHARS_MAX, JSON_INT_MAX, TEXT_CHARS_MAX, TIME_S_MAX, TOKEN_CHARS_MAX
from relay.core.times import parse_utc

L = TypeVar("L", bound=str)

TOKEN: Final = re.compile(rf"[a-z][a-z0-9_-]{{0,{TOKEN_CHARS_MAX - 1}}}")
"""Names that software compares: record kinds, classes, actions."""
DOSSIER: Final = re.compile(r"[0-9a-f]{32}")
"""A dossier's id."""
IDENTIFIER: Final = re.compile(rf"[!-~]{{1,{ID_CHARS_MAX}}}")
"""Origins, ledger ids, key names: visible ASCII without spaces."""


def check_plain(text: str, what: str, field: str, *, chars_max: int = TEXT_CHARS_MAX, empty: bool = False) -> str:
    """Text that people will read: printable, NFC, bounded, no spaces at its ends. Raises `Malformed`.

    No control, bidirectional, zero-width or unassigned characters (Unicode TR 36): what a clerk sees was signed.
    """
    if len(text) > chars_max:
        raise Malformed(what, field, f"{len(text)} characters; at most {chars_max}")
    if not text and not empty:
        raise Malformed(what, field, "must not be empty")
    for position, char in enumerate(text):
        if not char.isprintable():
            reason = f"character {position + 1} is U+{ord(char):04X}, which cannot be seen or changes the reading order"
            raise Malformed(what, field, reason)
    if text != text.strip():
        raise Malformed(what, field, "must not begin or end with a space")
    if not unicodedata.is_normalized("NFC", text):
        raise Malformed(what, field, "must be in Unicode normal form C")
    return text


def as_plain(text: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Words of our own that may quote a stranger's, such as an error, as text that `check_plain` takes (empty allowed).

    What cannot be seen is left out, and what leaving it out brings together is composed: a refusal can always be logged.
    """
    seen = "".join(char for char in text if char.isprintable())
    return unicodedata.normalize("NFC", seen)[:chars_max].strip()


class Fields:
    """One JSON object being read. Call a reader per member, then `done()`. Every reader raises only `Malformed`."""

    __slots__ = ("_left", "_values", "path", "what")

    def __init__(self, value: object, *, what: str, path: str = "") -> None:
        """`path` is where this object stands in its document, empty for the document itself."""
        if not isinstance(value, dict):
            raise Malformed(what, path, "must be an object")
        self.what = what
        self.path = path
        self._values: dict[str, object] = value
        self._left = set(value)

    def at(self, name: str) -> str:
        """Path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, reason: str) -> Malformed:
        """The error for a member; the caller raises it."""
        return Malformed(self.what, self.at(name), reason)

    def has(self, name: str) -> bool:
        """Whether an optional member is there."""
        return name in self._values

    def done(self) -> None:
        """Refuse members that no reader asked for."""
        if self._left:
            name = min(self._left)
            raise self.refuse(name if name.isprintable() else ascii(name), "is not a member of this document")

    def members(self, *, count_max: int) -> list[str]:
        """Names of all members of an object whose names are data, sorted; each must be a lower-case name."""
        if len(self._values) > count_max:
            raise Malformed(self.what, self.path, f"{len(self._values)} members; at most {count_max}")
        for name in self._values:
            if not TOKEN.fullmatch(name):
                raise Malformed(self.what, self.path, f"member name {name[:40]!a} must be a lower-case name")
        return sorted(self._values)

    def rest(self) -> dict[str, object]:
        """All members that no reader asked for, whatever they are; nothing is left for `done`."""
        taken = {name: self._values[name] for name in self._values if name in self._left}
        self._left.clear()
        return taken

    def value(self, name: str) -> object:
        """A member of any type."""
        if name not in self._values:
            raise self.refuse(name, "is missing")
        self._left.discard(name)
        return self._values[name]

    def string(self, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
        """A string of any characters."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self.refuse(name, "must be a string")
        if len(value) > chars_max:
            raise self.refuse(name, f"{len(value)} characters; at most {chars_max}")
        return value

    def plain(self, name: str, *, chars_max: int = TEXT_CHARS_MAX, empty: bool = False) -> str:
        """Text for people, see `check_plain`."""
        text = self.string(name, chars_max=max(chars_max, 1))
        return check_plain(text, self.what, self.at(name), chars_max=chars_max, empty=empty)

    def matching(self, name: str, form: re.Pattern[str], meant: str) -> str:
        """A string of a fixed form; `meant` says which in words."""
        text = self.string(name)
        if not form.fullmatch(text):
            raise self.refuse(name, f"must be {meant}")
        return text

    def token(self, name: str) -> str:
        """A lower-case name."""
        return self.matching(name, TOKEN, "a lower-case name of letters, digits, _ and -")

    def identifier(self, name: str) -> str:
        """Visible ASCII without spaces."""
        return self.matching(name, IDENTIFIER, f"1 to {ID_CHARS_MAX} visible ASCII characters")

    def dossier(self, name: str = "dossier") -> str:
        """A dossier's id."""
        return self.matching(name, DOSSIER, "32 lower-case hex digits")

    def party(self, name: str, role: str = "") -> str:
        """A party's SPIFFE id, of the given role when one is named."""
        text = self.string(name)
        found = parse_identity(text, what=self.what, field=self.at(name)).role.value
        if role and found != role:
            raise self.refuse(name, f"must be the id of a {role}, not of a {found}")
        return text

    def literal(self, name: str, *allowed: L) -> L:
        """One of the named values."""
        text = self.string(name)
        for value in allowed:
            if value == text:
                return value
        raise self.refuse(name, f"must be {' or '.join(allowed)}")

    def integer(self, name: str, *, low: int = 0, high: int = JSON_INT_MAX) -> int:
        """An integer within [low, high]."""
        value = self.value(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(name, "must be an integer")
        if not low <= value <= high:
            raise self.refuse(name, f"{value} is outside {low} to {high}")
        return value

    def time_s(self, name: str) -> int:
        """A time as an integer: seconds since 1970 UTC."""
        return self.integer(name, high=TIME_S_MAX)

    def utc(self, name: str) -> int:
        """A time as text; returns seconds since 1970 UTC."""
        return parse_utc(self.string(name), self.what, self.at(name))

    def digest(self, name: str, *, size: int = 32) -> str:
        """Lower-case hex of `size` bytes; returns the text."""
        text = self.string(name)
        if len(text) != 2 * size or not set(text) <= set("0123456789abcdef"):
            raise self.refuse(name, f"must be {2 * size} lower-case hex digits")
        return text

    def b64url(self, name: str, *, size: int | None = None, bytes_max: int = TEXT_CHARS_MAX) -> bytes:
        """Bytes in unpadded base64url."""
        return self._bytes(name, b64url_decode, size, bytes_max)

    def b64(self, name: str, *, size: int | None = None, bytes_max: int = TEXT_CHARS_MAX) -> bytes:
        """Bytes in padded base64."""
        return self._bytes(name, b64decode, size, bytes_max)

    def _bytes(self, name: str, decode: Callable[..., bytes], size: int | None, bytes_max: int) -> bytes:
        limit = bytes_max if size is None else size
        data = decode(self.string(name, chars_max=limit * 4 // 3 + 4), what=self.what, field=self.at(name))
        if size is not None and len(data) != size:
            raise self.refuse(name, f"{len(data)} bytes; must be {size}")
        return data

    def nested(self, name: str) -> Fields:
        """An object, to be read in turn."""
        return Fields(self.value(name), what=self.what, path=self.at(name))

    def array(self, name: str, *, count_max: int, empty: bool = False) -> list[object]:
        """An array of any values."""
        value = self.value(name)
        if not isinstance(value, list):
            raise self.refuse(name, "must be an array")
        if len(value) > count_max:
            raise self.refuse(name, f"{len(value)} values; at most {count_max}")
        if not value and not empty:
            raise self.refuse(name, "must not be empty")
        return value

    def objects(self, name: str, *, count_max: int, empty: bool = False) -> list[Fields]:
        """An array of objects, each to be read in turn."""
        values = self.array(name, count_max=count_max, empty=empty)
        return [Fields(v, what=self.what, path=f"{self.at(name)}[{i}]") for i, v in enumerate(values)]

    def names(self, name: str, form: re.Pattern[str], *, count_max: int, meant: str) -> tuple[str, ...]:
        """A non-empty array of strings of one form, sorted and each once."""
        made: list[str] = []
        for i, value in enumerate(self.array(name, count_max=count_max)):
            place = f"{name}[{i}]"
            if not isinstance(value, str) or not form.fullmatch(value):
                raise self.refuse(place, f"must be {meant}")
            if made and value <= made[-1]:
                raise self.refuse(place, "must be sorted, each value once")
            made.append(value)
        return tuple(made)
