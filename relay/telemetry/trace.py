"""Traces: what belongs to one way is found again under one id, across processes and restarts (docs/traces.md).

The context travels as W3C Trace Context, version 00 (https://www.w3.org/TR/trace-context/). Without a recorder, which
relay.app.tracing installs where the configuration has a table `[trace]`, no id is made and nothing is kept: a context that a caller
gave is handed on, so that a process in the middle that records nothing does not cut the way in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol

HEADER: Final = "traceparent"
_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
TRACEPARENT_CHARS: Final = 55
SAMPLED: Final = 1
"""The one flag that version 00 names for us."""

Attribute = str | int | bool


@dataclass(frozen=True, slots=True)
class TraceContext:
    """`trace_id` has 16 bytes, `span_id` 8, neither all zero."""

    trace_id: bytes
    span_id: bytes
    sampled: bool

    def __str__(self) -> str:
        """As the header says it."""
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{SAMPLED if self.sampled else 0:02x}"


def parse_traceparent(text: object) -> TraceContext | None:
    """Version 00 exactly as it is written there; None for everything else, which then begins or continues nothing."""
    if not isinstance(text, str) or len(text) != TRACEPARENT_CHARS:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id = bytes.fromhex(found[1]), bytes.fromhex(found[2])
    if not any(trace_id) or not any(span_id):
        return None
    return TraceContext(trace_id, span_id, bool(int(found[3], 16) & SAMPLED))


@dataclass(slots=True, kw_only=True)
class Span:
    """One piece of work. Times are nanoseconds since 1970 UTC; `parent` and `links` are contexts of other spans."""

    name: str
    context: TraceContext
    parent: TraceContext | None
    links: tuple[TraceContext, ...]
    attributes: dict[str, Attribute]
    start_ns: int
    end_ns: int = 0
    error: str = ""
    """The kind of the error that ended it, never its words."""


class Recorder(Protocol):
    """Where ids, times and the share of ways to record come from, and where spans go that have ended."""

    def random_bytes(self, count: int) -> bytes:
        """For ids."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""

    def sampled(self, trace_id: bytes) -> bool:
        """Whether a way that begins here is recorded."""

    def ended(self, span: Span) -> None:
        """Takes a span. Returns at once and never raises."""


@dataclass(slots=True)
class _Here:
    """What this process records with; nothing until `record_with`."""

    recorder: Recorder | None = field(default=None)


_here: Final = _Here()
_current: ContextVar[TraceContext | None] = ContextVar("courtrelay_trace", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Record with it while the body runs: one recorder a process."""
    before, _here.recorder = _here.recorder, recorder
    try:
        yield
    finally:
        _here.recorder = before


def now_ns() -> int:
    """The recorder's time, for a span that will be told when it began; 0 when nothing is recorded."""
    return _here.recorder.now_ns() if _here.recorder is not None else 0


def current() -> TraceContext | None:
    """The span, or the caller's, that this task works under."""
    return _current.get()


def current_trace_id() -> str:
    """In hex, for a log line; empty when there is none."""
    context = _current.get()
    return context.trace_id.hex() if context is not None else ""


def traceparent() -> str:
    """The current context as text, to be sent or stored; empty when there is none."""
    context = _current.get()
    return str(context) if context is not None else ""


def take_up(text: object) -> None:
    """This task works under what a peer or a store says; what cannot be read is nothing. For a task that does one thing."""
    _current.set(parse_traceparent(text))


def span(
    name: str,
    *,
    under: str | None = None,
    links: tuple[str, ...] = (),
    root: bool = False,
    start_ns: int | None = None,
    **attributes: Attribute,
) -> AbstractContextManager[None]:
    """Around a piece of work: a child of `under` (a stored context; "" begins a new way if `root`), or of the current one.

    Without a parent nothing is recorded unless `root`. `start_ns`: when it began, if that was before now. An error that passes
    through is noted by its kind. The work goes on alike whether a span is recorded or not.
    """
    recorder = _here.recorder
    if recorder is None:
        return _NOTHING if under is None else _Under(parse_traceparent(under))
    parent = _current.get() if under is None else parse_traceparent(under)
    if parent is None and not root:
        return _Under(None)
    return _Recorded(recorder, _begin(recorder, name, parent, links, attributes, start_ns))


class _Under:
    """The body works under a context; nothing is recorded."""

    __slots__ = ("_before", "_context")

    def __init__(self, context: TraceContext | None) -> None:
        self._context = context
        self._before: TraceContext | None = None

    def __enter__(self) -> None:
        self._before = _current.get()
        _current.set(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if _current.get() is self._context:  # a generator that is closed elsewhere leaves the closer's alone
            _current.set(self._before)


class _Recorded(_Under):
    """The body works under a span's context, and the span ends with it."""

    __slots__ = ("_recorder", "_span")

    def __init__(self, recorder: Recorder, made: Span) -> None:
        super().__init__(made.context)
        self._recorder = recorder
        self._span = made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        made = self._span
        if kind is not None and kind is not GeneratorExit:  # a listener that has gone is no error
            made.error = kind.__name__
        made.end_ns = max(made.start_ns, self._recorder.now_ns())
        if made.context.sampled:
            self._recorder.ended(made)


_NOTHING: Final = nullcontext()


def _begin(
    recorder: Recorder,
    name: str,
    parent: TraceContext | None,
    links: tuple[str, ...],
    attributes: Mapping[str, Attribute],
    start_ns: int | None,
) -> Span:
    trace_id = parent.trace_id if parent is not None else recorder.random_bytes(16)
    sampled = parent.sampled if parent is not None else recorder.sampled(trace_id)
    now_ns = recorder.now_ns()
    return Span(
        name=name,
        context=TraceContext(trace_id, recorder.random_bytes(8), sampled),
        parent=parent,
        links=tuple(one for text in links if (one := parse_traceparent(text)) is not None),
        attributes=dict(attributes),
        start_ns=now_ns if start_ns is None else min(start_ns, now_ns),
    )
