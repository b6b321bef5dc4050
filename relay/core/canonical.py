"""The bytes that get hashed and signed: RFC 8785 (JCS), without floats, and the one strict way to read JSON.

`loads` accepts exactly what `dumps` writes. `loads_strict` accepts any spacing and order (files that people edit) but
the same values. Both refuse duplicate keys, floats, integers beyond 2^53 - 1, lone surrogates and deep nesting, so that
a value means the same to every reader (RFC 8259 section 4, RFC 7493 section 2).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NoReturn

import rfc8785

from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.limits import JSON_DEPTH_MAX, JSON_INT_MAX

__all__ = ["Fields", "dumps", "loads", "loads_canonical", "loads_strict"]

_INT_CHARS_MAX: Final = 17
_WRITER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
"""Writes what RFC 8785 wants of everything but two: floats, which are refused before, and the order of names beyond ASCII.

Its escapes are those of section 3.2.2.2: two characters where JSON has them, else four lower-case hex digits, and nothing above U+001F.
"""


class _Refused(ValueError):
    """Inside this file: what the JSON hooks refuse."""


def dumps(value: object) -> bytes:
    """JCS bytes of dicts with string keys, lists, tuples, strings, booleans, None and integers up to 2^53 - 1.

    RuntimeError for anything else: our own code must not try to sign what no reader accepts.
    """
    try:
        return _write(value, names_ascii=_check_tree(value))
    except _Refused as error:
        raise RuntimeError(f"not a value that can be written canonically: {error}") from None


def loads(data: bytes, *, what: str, bytes_max: int) -> dict[str, object]:
    """A JSON object in its canonical spelling. Raises `Malformed`, also when `dumps` would write it otherwise."""
    value = loads_canonical(data, what=what, bytes_max=bytes_max)
    if not isinstance(value, dict):
        raise Malformed(what, "", "must be a JSON object")
    return value


def loads_canonical(data: bytes, *, what: str, bytes_max: int) -> object:
    """Any JSON value in its canonical spelling. Raises `Malformed`."""
    value, names_ascii = _read(data, what=what, bytes_max=bytes_max)
    if _write(value, names_ascii=names_ascii) != data:
        raise Malformed(what, "", "is not in canonical form (RFC 8785): sorted members, no spaces, shortest escapes")
    return value


def loads_strict(data: bytes, *, what: str, bytes_max: int) -> object:
    """Any JSON value in any spacing. Raises `Malformed` for what two readers might understand differently."""
    return _read(data, what=what, bytes_max=bytes_max)[0]


def _read(data: bytes, *, what: str, bytes_max: int) -> tuple[object, bool]:
    """The value, and whether all its names are ASCII."""
    if len(data) > bytes_max:
        raise Malformed(what, "", f"{len(data)} bytes; at most {bytes_max}")
    try:
        text = data.decode("utf-8")
        value: object = _READER.decode(text)
        return value, _check_tree(value)
    except UnicodeDecodeError as error:
        raise Malformed(what, f"byte {error.start}", "is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Malformed(what, f"line {error.lineno} column {error.colno}", f"is not JSON: {error.msg}") from None
    except RecursionError:
        raise Malformed(what, "", f"is nested deeper than {JSON_DEPTH_MAX} levels") from None
    except _Refused as error:
        raise Malformed(what, "", str(error)) from None


def _write(value: object, *, names_ascii: bool) -> bytes:
    """JCS bytes of a checked tree. Names are ordered by UTF-16 code units (section 3.2.3), which for ASCII is Python's order."""
    if names_ascii:
        return _WRITER.encode(value).encode("utf-8")
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # a checked tree holds nothing else


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refused(f"member {_shown(name)} stands twice in one object")
            seen.add(name)
    return made


def _integer(text: str) -> int:
    if len(text) > _INT_CHARS_MAX:  # before it is worked out; the value itself is checked with the tree
        raise _Refused(_beyond(text))
    return int(text)


def _beyond(text: str) -> str:
    return f"integer {text[:20]} is beyond 2^53 - 1; write it as a string"


def _no_float(text: str) -> NoReturn:
    raise _Refused(f"{text[:20]} is not an integer; write amounts and other decimals as strings")


def _no_constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is not JSON")


_READER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_no_float, parse_int=_integer, parse_constant=_no_constant
)


def _check_tree(value: object) -> bool:
    """Types, range, depth and text of a whole value, without recursion; whether all names are ASCII.

    Depth counts objects and arrays around one another.
    """
    names_ascii = True
    level: list[object] = [value]
    for depth in range(JSON_DEPTH_MAX + 1):
        deeper: list[object] = []
        for item in level:
            if isinstance(item, (dict, list, tuple)):
                if depth == JSON_DEPTH_MAX:
                    raise _Refused(f"is nested deeper than {JSON_DEPTH_MAX} levels")
                if isinstance(item, dict):
                    names_ascii &= _check_texts(item)
                deeper.extend(item.values() if isinstance(item, dict) else item)
            elif isinstance(item, str):
                _check_texts((item,))
            elif isinstance(item, int):
                if not -JSON_INT_MAX <= item <= JSON_INT_MAX:
                    raise _Refused(_beyond(str(item)))
            elif item is not None:
                raise _Refused(f"{type(item).__name__} is not a JSON value without floats")
        level = deeper
    return names_ascii


def _check_texts(texts: Iterable[object]) -> bool:
    """Whether all are ASCII."""
    all_ascii = True
    for text in texts:
        if not isinstance(text, str):
            raise _Refused("member names must be strings")
        if not text.isascii():
            all_ascii = False
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise _Refused(f"text {_shown(text)} holds half a surrogate pair") from None
    return all_ascii


def _shown(text: str) -> str:
    return ascii(text[:40])
