"""Reading a request by its row of the table: every bound first, one spelling, nothing that the row does not name."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import unquote_to_bytes

from jsonschema import ValidationError
from jsonschema.protocols import Validator
from starlette.requests import ClientDisconnect, Request

from relay.core.canonical import loads_strict
from relay.core.errors import Malformed
from relay.web.api.problems import NOTHING, Problem, malformed
from relay.web.api.table import JSON, Body, Param, Route

QUERY_BYTES_MAX: Final = 8192
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,15}")
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_PAIR: Final = re.compile(r"([A-Za-z_]{1,64})=(.+)", re.DOTALL)


class Reader:
    """Reads requests for one route. `validators` has one for each parameter, by place and name, and one for the body."""

    def __init__(self, route: Route, validators: Mapping[str, Validator], spool: Path) -> None:
        self._route = route
        self._validators = validators
        self._spool = spool
        self.takes_file = route.body is not None and not route.body.schema

    def path(self, request: Request) -> dict[str, Any]:
        """Values of the path. What does not fit is an address of nothing."""
        found: dict[str, Any] = {}
        for param in self._of("path"):
            value = _typed(param, request.path_params[param.name])
            if self._fault(param, value):
                raise Problem(name="not-found", detail=NOTHING)
            found[param.name] = value
        return found

    def query(self, request: Request) -> dict[str, Any]:
        """Values of the query, each at most once, none that the row does not name."""
        raw = request.scope["query_string"]
        if len(raw) > QUERY_BYTES_MAX:
            raise Problem(name="uri-too-long", detail=f"{len(raw)} bytes; at most {QUERY_BYTES_MAX}")
        texts = _pairs(raw)
        params = {param.name: param for param in self._of("query")}
        for name in texts:
            if name not in params:
                raise malformed(f"query.{name}", "is not a parameter of this operation")
        return self._values(params, texts, "query")

    def headers(self, request: Request) -> dict[str, Any]:
        """Values of the headers that the row names, each at most once."""
        params = {param.name: param for param in self._of("header")}
        texts: dict[str, str] = {}
        for name in params:
            values = request.headers.getlist(name)
            if len(values) > 1:
                raise malformed(f"header.{name}", "comes more than once")
            if values:
                texts[name] = values[0]
        return self._values(params, texts, "header")

    async def json(self, request: Request) -> dict[str, Any]:
        """The JSON object of the body. Strict: one spelling of every value, no member twice, none that is not known."""
        body = self._route.body
        if body is None or not body.schema:
            return {}
        _check_media_type(request, body)
        data = bytearray()
        async for part in _bounded(request, body.bytes_max):
            data += part
        try:
            value = loads_strict(bytes(data), what="body", bytes_max=body.bytes_max)
        except Malformed as error:
            if error.field:  # a place in the text: it is no JSON at all
                raise malformed(f"body, {error.field}", error.reason) from None
            raise  # JSON, but in a spelling that readers may understand differently
        fault = first_fault(self._validators["body"], value)
        if fault:
            raise malformed(*fault)
        if not isinstance(value, dict):
            raise malformed("body", "must be a JSON object")
        return value

    async def file(self, request: Request) -> BinaryIO:
        """The body as an unnamed file, which the caller closes."""
        body = self._route.body
        if body is None or body.schema:
            raise RuntimeError("the row of this operation takes no file")
        _check_media_type(request, body)
        file = tempfile.TemporaryFile(dir=self._spool)  # noqa: SIM115  # handed on
        try:
            async for part in _bounded(request, body.bytes_max):
                await asyncio.to_thread(file.write, part)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _of(self, place: str) -> list[Param]:
        return [param for param in self._route.params if param.place == place]

    def _values(self, params: Mapping[str, Param], texts: Mapping[str, str], place: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, param in params.items():
            if name not in texts:
                if param.required:
                    raise malformed(f"{place}.{name}", "is missing")
                continue
            value = _typed(param, texts[name])
            if fault := self._fault(param, value):
                raise malformed(f"{place}.{name}", fault)
            found[name] = value
        return found

    def _fault(self, param: Param, value: object) -> str:
        fault = first_fault(self._validators[f"{param.place}.{param.name}"], value)
        return fault[1] if fault else ""


def first_fault(validator: Validator, value: Any) -> tuple[str, str] | None:
    """Where (a JSON pointer) and why, of the first fault by its place."""
    faults = sorted(validator.iter_errors(value), key=lambda e: [str(part) for part in e.absolute_path])
    if not faults:
        return None
    pointer = "".join(f"/{part}" for part in faults[0].absolute_path)
    return pointer or "body", _reason(faults[0])


def _reason(fault: ValidationError) -> str:
    """In a few words, without repeating a stranger's value at length."""
    if fault.validator == "pattern":
        return f"must match {fault.validator_value}"
    if fault.validator == "format":
        return f"is no {fault.validator_value}"
    return str(fault.message)[:300]


def _typed(param: Param, given: str) -> object:
    """An integer where the schema says so and the text is one in its one spelling; else the text, which the schema then refuses."""
    return int(given) if param.schema.get("type") == "integer" and _INTEGER.fullmatch(given) else given


def _pairs(raw: bytes) -> dict[str, str]:
    """A query's pairs. `+` is a space, as forms write it (WHATWG URL section 5.1)."""
    found: dict[str, str] = {}
    for pair in raw.split(b"&") if raw else []:
        try:
            match = _PAIR.fullmatch(unquote_to_bytes(pair.replace(b"+", b" ")).decode("utf-8"))
        except UnicodeDecodeError:
            raise malformed("query", "is not UTF-8") from None
        if match is None:
            raise malformed("query", "must be name=value pairs, none of them empty")
        if match[1] in found:
            raise malformed(f"query.{match[1]}", "comes more than once")
        found[match[1]] = match[2]
    return found


def _check_media_type(request: Request, body: Body) -> None:
    given = request.headers.get("content-type", "")
    media_type, _, parameters = given.partition(";")
    charset = parameters.strip().lower()
    known = media_type.strip().lower() in body.media_types
    if not known or (charset and (body.media_types != (JSON,) or charset != "charset=utf-8")):
        raise Problem(name="media-type", detail=f"must be {' or '.join(body.media_types)}")


async def _bounded(request: Request, bytes_max: int) -> AsyncIterator[bytes]:
    """The body's parts; refused as soon as it is known to be too large."""
    length = request.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise malformed("header.content-length", "is no length")
    too_large = Problem(name="too-large", detail=f"at most {bytes_max} bytes")
    if int(length) > bytes_max:
        raise too_large
    count = 0
    try:
        async for part in request.stream():
            count += len(part)
            if count > bytes_max:
                raise too_large
            yield part
    except ClientDisconnect:
        raise Problem(name="timeout", detail="the body ended before its announced length") from None
    request.state.body_read = True
