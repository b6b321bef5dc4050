"""The record kinds a custodian accepts: one JSON Schema (draft 2020-12) a kind and version, in `kinds/<kind>.v<version>.json`."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from relay.core.deposit import CONFIDENTIALITY
from relay.core.errors import Malformed
from relay.core.fields import TOKEN
from relay.core.kinds import KindInfo, Stage
from relay.core.scope import Profile
from relay.schemas.profiles import read_profiles

_FILE: Final = re.compile(r"([a-z][a-z0-9_]{0,63})\.v([1-9][0-9]{0,5})\.json")
_WHAT: Final = "record"
_NAME_CHARS_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class _Kind:
    info: KindInfo
    schema: dict[str, Any]
    validator: Any


class KindCatalogue:
    """Implements relay.ports.common.RecordCatalogue with the packaged schemas. Raises RuntimeError for a broken package."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int], _Kind] = {}
        for entry in files("relay.schemas").joinpath("kinds").iterdir():
            match = _FILE.fullmatch(entry.name)
            if match is not None:
                name, version = match[1], int(match[2])
                self._kinds[name, version] = _load(name, version, entry.read_bytes())
        if not self._kinds:
            raise RuntimeError("the package holds no record kinds")
        self._profiles = read_profiles()

    def names(self) -> list[str]:
        """All kinds, sorted."""
        return sorted({name for name, _ in self._kinds})

    def schema(self, name: str, version: int) -> dict[str, Any]:
        """The JSON Schema of a kind's `fields`. Raises `Malformed`."""
        return self._find(name, version).schema

    def kind(self, name: str, version: int) -> KindInfo:
        """See the port."""
        return self._find(name, version).info

    def check(self, name: str, version: int, fields: Mapping[str, object]) -> None:
        """See the port. The reason never repeats a value: values may be personal."""
        errors = self._find(name, version).validator.iter_errors(dict(fields))
        first = min(errors, key=_order, default=None)
        if first is not None:
            raise Malformed(_WHAT, _path(first), _reason(first))

    def personal(self, name: str) -> frozenset[str]:
        """See the port."""
        found = [kind.info.personal for (known, _), kind in self._kinds.items() if known == name]
        return frozenset().union(*found) if found else self._find(name, 1).info.personal

    def profile(self, name: str) -> Profile:
        """See the port."""
        found = self._profiles.get(name)
        if found is None:
            raise Malformed("grant", "profile", f"{name[:64]!a} is none of {', '.join(sorted(self._profiles))}")
        return found

    def profiles(self) -> list[Profile]:
        """All profiles, by name."""
        return [self._profiles[name] for name in sorted(self._profiles)]

    def _find(self, name: str, version: int) -> _Kind:
        found = self._kinds.get((name, version))
        if found is not None:
            return found
        versions = sorted(v for n, v in self._kinds if n == name)
        if versions:
            known = ", ".join(str(v) for v in versions)
            raise Malformed(_WHAT, "kind_version", f"{version} of kind {name} is not known; known: {known}")
        near = difflib.get_close_matches(name, self.names(), 3, 0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; docs/spec/record-kinds.md lists all kinds"
        raise Malformed(_WHAT, "kind", f"{name[:64]!a} is not a known record kind{hint}")


def _load(name: str, version: int, data: bytes) -> _Kind:
    schema = json.loads(data)  # that it is a schema, the tests have seen: here it would take longer than all else
    if schema["x-confidentiality"] not in CONFIDENTIALITY:
        raise RuntimeError(f"kind {name} has an unknown confidentiality class")
    personal = frozenset(n for n, p in schema["properties"].items() if p.get("x-personal"))
    if not all(TOKEN.fullmatch(member) for member in personal):
        raise RuntimeError(f"kind {name} has a personal member whose name a disclosure manifest cannot hold")
    info = KindInfo(
        name=name,
        version=version,
        stage=Stage(schema["x-stage"]).value,
        confidentiality=schema["x-confidentiality"],
        retention=schema["x-retention"],
        lender_unfavourable=schema["x-lender-unfavourable"],
        personal=personal,
        schema_sha256=hashlib.sha256(data).digest(),
    )
    return _Kind(info, schema, _Validator(schema))


def _is_integer(_checker: TypeChecker, value: object) -> bool:
    """`1.0` counts as an integer for JSON Schema but has no one spelling; records hold none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _matches(_validator: Any, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    """`$` as ECMA-262 means it: the very end. Python's `$` would let a line feed stand behind it."""
    exact = f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern
    if isinstance(value, str) and not re.search(exact, value):
        yield ValidationError("does not match")


def _members() -> Callable[..., Iterator[ValidationError]]:
    """`properties` with one validator a member, made once: the library makes one for each member of each record, half of all its time."""
    made: dict[int, Any] = {}  # by the schema's id, which stays its own: the validator holds the schema

    def each(
        validator: Any, properties: dict[str, Any], instance: object, _schema: object
    ) -> Iterator[ValidationError]:
        for name, schema in properties.items():
            if isinstance(instance, dict) and name in instance:
                if id(schema) not in made:
                    made[id(schema)] = validator.evolve(schema=schema)
                for error in made[id(schema)].iter_errors(instance[name]):
                    error.relative_path.appendleft(name)
                    yield error

    return each


_Validator: Any = extend(  # type: ignore[no-untyped-call]  # the library does not type it
    Draft202012Validator,
    {"pattern": _matches, "properties": _members()},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def _place(error: ValidationError) -> list[str | int]:
    """Where the error is, the missing or unknown member included."""
    place: list[str | int] = list(error.absolute_path)
    limit: Any = error.validator_value
    instance: Any = error.instance
    schema: Any = error.schema
    if error.validator == "required":
        place.append(next(name for name in limit if name not in instance))
    elif error.validator == "additionalProperties":
        place.append(min(set(instance) - set(schema.get("properties", {}))))
    return place


def _order(error: ValidationError) -> list[tuple[int, str]]:
    """Sorts errors by path, array positions as numbers."""
    return [(part, "") if isinstance(part, int) else (0, part) for part in _place(error)]


def _path(error: ValidationError) -> str:
    path = "fields"
    for part in _place(error):
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            shown = part[:_NAME_CHARS_SHOWN]
            path += f".{shown if shown.isprintable() else ascii(shown)}"
    return path


def _reason(error: ValidationError) -> str:
    """What is wrong, told from the schema alone."""
    limit: Any = error.validator_value
    reasons = {
        "required": "is missing",
        "additionalProperties": "is not a member of this kind",
        "type": f"must be of type {limit}",
        "pattern": f"does not have the required form {limit}",
        "enum": f"must be one of {', '.join(str(v) for v in limit)}" if error.validator == "enum" else "",
        "maxLength": f"is longer than {limit} characters",
        "minLength": "must not be empty",
        "maximum": f"is above {limit}",
        "minimum": f"is below {limit}",
        "maxItems": f"has more than {limit} values",
        "minItems": f"has fewer than {limit} values",
    }
    return reasons.get(str(error.validator), f"does not satisfy {error.validator}")
