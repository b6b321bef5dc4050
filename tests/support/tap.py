"""A tap on real gRPC: every message as serialized, with its direction; every status that leaves a server; every line that is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from relay.app.runtime import JsonLines
from relay.transport import gate
from relay.transport.status import to_status


@dataclass(frozen=True)
class Seen:
    """`at` is the role whose server it passed; `direction` is `in` (to the server), `out` or `status`."""

    at: str
    method: str
    direction: str
    data: bytes


@dataclass
class Tap:
    """What passed, in order."""

    seen: list[Seen] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def passed(self, *roles: str, since: int = 0) -> list[Seen]:
        """Messages and statuses at the servers of these roles."""
        return [one for one in self.seen[since:] if one.at in roles]

    def server(self, at: str, inner: Any) -> Any:
        """Stands before a gRPC server while servicers are added, and wraps their serializers."""
        return _Tapped(self, at, inner)


class _Tapped:
    def __init__(self, tap: Tap, at: str, inner: Any) -> None:
        self._tap, self._at, self._inner = tap, at, inner

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        for handler in handlers:
            methods = handler._method_handlers
            methods.update({name: self._wrapped(name, one) for name, one in methods.items()})
        self._inner.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        wrapped = {name: self._wrapped(f"/{service}/{name}", one) for name, one in handlers.items()}
        self._inner.add_registered_method_handlers(service, wrapped)

    def _wrapped(self, method: str, handler: Any) -> Any:
        read, write = handler.request_deserializer, handler.response_serializer

        def noted(direction: str, data: bytes) -> bytes:
            self._tap.seen.append(Seen(self._at, method, direction, bytes(data)))
            return data

        return handler._replace(
            request_deserializer=lambda data: read(noted("in", data)),
            response_serializer=lambda message: noted("out", write(message)),
        )


class _Lines(logging.Handler):
    def __init__(self, keep: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        self._keep(self.format(record))


@contextmanager
def tapping(role_of: Callable[[str], str]) -> Iterator[Tap]:
    """A tap that also notes statuses (with `role_of` naming the server of a method) and all logging, debug included."""
    tap = Tap()

    def recorded(error: BaseException, method: str) -> Any:
        code, details, trailer = to_status(error, method)
        tap.seen.append(Seen(role_of(method), method, "status", repr((code, details, trailer)).encode()))
        return code, details, trailer

    root, handler = logging.getLogger(), _Lines(tap.lines.append)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.INFO)  # one line for every step of its loop
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "to_status", recorded)
        try:
            yield tap
        finally:
            root.removeHandler(handler)
            root.setLevel(before)
