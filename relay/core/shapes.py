"""Frozen dataclasses as JSON objects and back, strictly, by the types of their members: one shape, one spelling, nothing left over.

For documents that this project writes and reads itself. Member types: str, int, bool, StrEnum, Literal of words, dataclasses,
`object` (any JSON value), tuples of these, and `X | None`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from relay.core.errors import Malformed
from relay.core.limits import JSON_INT_MAX

D = TypeVar("D")

SHAPES_MAX: Final = 256
_Reader = Callable[[object, str, str], Any]
"""(value, document, path) → member. Raises `Malformed`."""


def to_shape(value: object) -> object:
    """Dataclasses as objects, tuples as arrays, enums as their values; a member that is JSON already stays."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_shape(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, tuple):
        return [to_shape(one) for one in value]
    return value.value if isinstance(value, enum.Enum) else value


def from_shape(made: type[D], value: object, *, what: str) -> D:
    """A dataclass from its object: every member there, of its type, and no other. Raises `Malformed`."""
    hint: Any = made
    read: D = _reader(hint)(value, what, "")
    return read


@lru_cache(maxsize=SHAPES_MAX)
def _names(made: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(made))  # type: ignore[arg-type]  # a cached function takes its key as Hashable


@lru_cache(maxsize=SHAPES_MAX)
def _reader(hint: Hashable) -> _Reader:
    if is_dataclass(hint):
        return _object(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        (inner,) = (one for one in arguments if one is not NoneType)
        read = _reader(inner)
        return lambda value, what, path: None if value is None else read(value, what, path)
    if origin is tuple:
        return _array(arguments)
    if origin is Literal:
        return _one_of({word: word for word in arguments})
    if hint is object:
        return lambda value, _what, _path: value
    return _plain(hint)


def _object(hint: Any) -> _Reader:
    hints = get_type_hints(hint)
    readers = {name: _reader(hints[name]) for name in _names(hint)}

    def read(value: object, what: str, path: str) -> object:
        if not isinstance(value, dict) or value.keys() != readers.keys():
            raise Malformed(what, path, f"must be an object of {', '.join(readers)}")
        return hint(
            **{name: one(value[name], what, f"{path}.{name}" if path else name) for name, one in readers.items()}
        )

    return read


def _array(arguments: tuple[Any, ...]) -> _Reader:
    if arguments[-1] is Ellipsis:
        each = _reader(arguments[0])

        def read(value: object, what: str, path: str) -> object:
            if not isinstance(value, list):
                raise Malformed(what, path, "must be an array")
            return tuple(each(one, what, f"{path}[{i}]") for i, one in enumerate(value))

        return read
    readers = [_reader(one) for one in arguments]

    def read_fixed(value: object, what: str, path: str) -> object:
        if not isinstance(value, list) or len(value) != len(readers):
            raise Malformed(what, path, f"must be an array of {len(readers)} values")
        return tuple(
            one(member, what, f"{path}[{i}]") for i, (one, member) in enumerate(zip(readers, value, strict=True))
        )

    return read_fixed


def _one_of(known: Mapping[str, object]) -> _Reader:
    def read(value: object, what: str, path: str) -> object:
        if not isinstance(value, str) or value not in known:
            raise Malformed(what, path, f"must be one of {', '.join(known)}")
        return known[value]

    return read


def _plain(hint: Any) -> _Reader:
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return _one_of({one.value: one for one in hint})
    if hint not in (str, int, bool):
        raise RuntimeError(f"{hint} is no member that a shape can hold")

    def read(value: object, what: str, path: str) -> object:
        if type(value) is not hint or (type(value) is int and abs(value) > JSON_INT_MAX):
            raise Malformed(what, path, f"must be of type {hint.__name__}")
        return value

    return read
