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


class _Refused(ValueError):
    """Inside this file: what the JSON hooks refuse."""


def dumps(value: object) -> bytes:
    """JCS bytes of dicts with string keys, lists, tuples, strings, booleans, None and integers up to 2^53 - 1.

    RuntimeError for anything else: our own code must not try to sign what no reader accepts.
    """
    try:
        _check_tree(value)
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # the tree was checked above
    except (_Refused, rfc8785.CanonicalizationError) as error:
        raise RuntimeError(f"not a value that can be written canonically: {error}") from None


def loads(data: bytes, *, what: str, bytes_max: int) -> dict[str, object]:
    """A JSON object in its canonical spelling. Raises `Malformed`, also when `dumps` would write it otherwise."""
    value = loads_canonical(data, what=what, bytes_max=bytes_max)
    if not isinstance(value, dict):
        raise Malformed(what, "", "must be a JSON object")
    return value


def loads_canonical(data: bytes, *, what: str, bytes_max: int) -> object:
    """Any JSON value in its canonical spelling. Raises `Malformed`."""
    value = loads_strict(data, what=what, bytes_max=bytes_max)
    if rfc8785.dumps(value) != data:  # type: ignore[arg-type]  # loads_strict yields nothing else
        raise Malformed(what, "", "is not in canonical form (RFC 8785): sorted members, no spaces, shortest escapes")
    return value


def loads_strict(data: bytes, *, what: str, bytes_max: int) -> object:
    """Any JSON value in any spacing. Raises `Malformed` for what two readers might understand differently."""
    if len(data) > bytes_max:
        raise Malformed(what, "", f"{len(data)} bytes; at most {bytes_max}")
    try:
        text = data.decode("utf-8")
        value: object = json.loads(
            text, object_pairs_hook=_object, parse_float=_no_float, parse_int=_integer, parse_constant=_no_constant
        )
        _check_tree(value)
    except UnicodeDecodeError as error:
        raise Malformed(what, f"byte {error.start}", "is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Malformed(what, f"line {error.lineno} column {error.colno}", f"is not JSON: {error.msg}") from None
    except RecursionError:
        raise Malformed(what, "", f"is nested deeper than {JSON_DEPTH_MAX} levels") from None
    except _Refused as error:
        raise Malformed(what, "", str(error)) from None
    return value


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
    if len(text) > _INT_CHARS_MAX or abs(int(text)) > JSON_INT_MAX:
        raise _Refused(f"integer {text[:20]} is beyond 2^53 - 1; write it as a string")
    return int(text)


def _no_float(text: str) -> NoReturn:
    raise _Refused(f"{text[:20]} is not an integer; write amounts and other decimals as strings")


def _no_constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is not JSON")


def _check_tree(value: object) -> None:
    """Types, depth and text of a whole value, without recursion. Depth counts objects and arrays around one another."""
    level: list[object] = [value]
    for depth in range(JSON_DEPTH_MAX + 1):
        deeper: list[object] = []
        for item in level:
            if isinstance(item, (dict, list, tuple)):
                if depth == JSON_DEPTH_MAX:
                    raise _Refused(f"is nested deeper than {JSON_DEPTH_MAX} levels")
                if isinstance(item, dict):
                    _check_texts(item)
                deeper.extend(item.values() if isinstance(item, dict) else item)
            elif isinstance(item, str):
                _check_texts((item,))
            elif item is not None and not isinstance(item, int):
                raise _Refused(f"{type(item).__name__} is not a JSON value without floats")
        level = deeper


def _check_texts(texts: Iterable[object]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise _Refused("member names must be strings")
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise _Refused(f"text {_shown(text)} holds half a surrogate pair") from None


def _shown(text: str) -> str:
    return ascii(text[:40])
