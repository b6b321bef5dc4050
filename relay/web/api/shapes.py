"""JSON Schema of the dataclasses that `relay.core.shapes` writes, so that the document says what is really sent."""

from __future__ import annotations

import enum
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from relay.core.limits import JSON_INT_MAX
from relay.web.api.forms import Schema

_PLAIN: Final[dict[object, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": -JSON_INT_MAX, "maximum": JSON_INT_MAX},
    bool: {"type": "boolean"},
    object: {},
}


def schema_of(hint: Any) -> Schema:
    """The schema of a dataclass, or of a member's type. RuntimeError for a type that no shape can hold."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        names = [field.name for field in fields(hint)]
        return {
            "type": "object",
            "additionalProperties": False,
            "required": names,
            "properties": {name: schema_of(hints[name]) for name in names},
        }
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union and all(get_origin(one) is Literal for one in arguments):
        return {"type": "string", "enum": [value for one in arguments for value in get_args(one)]}
    if origin is UnionType:
        (inner,) = (one for one in arguments if one is not NoneType)
        return {"anyOf": [schema_of(inner), {"type": "null"}]}
    if origin is tuple:
        return _array(arguments)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return {"type": "string", "enum": [one.value for one in hint]}
    if hint not in _PLAIN:
        raise RuntimeError(f"{hint} is no member that a shape can hold")
    return _PLAIN[hint]


def _array(arguments: tuple[Any, ...]) -> Schema:
    if arguments[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(arguments[0])}
    # as items of any of the types: what reads prefixItems is rarer than it should be
    items = [schema_of(one) for one in dict.fromkeys(arguments)]
    count = len(arguments)
    return {
        "type": "array",
        "items": items[0] if len(items) == 1 else {"anyOf": items},
        "minItems": count,
        "maxItems": count,
    }
