"""W3C trace context and spans, without a collector."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.app.tracing import SpanRecorder
from relay.telemetry import trace
from relay.telemetry.trace import (
    Span,
    TraceContext,
    current_trace_id,
    parse_traceparent,
    recording,
    span,
    take_up,
    traceparent,
)
from tests.support.frozen import SeededBytes

CALLER = f"00-{'ab' * 16}-{'cd' * 8}-01"
UNSAMPLED = f"00-{'ab' * 16}-{'cd' * 8}-00"


class Ticks:
    """Time that goes on by one nanosecond a look."""

    def __init__(self) -> None:
        self.ns = 1_000_000

    def __call__(self) -> int:
        self.ns += 1
        return self.ns


def recorder(into: list[Span], *, sample: float = 1.0, seed: str = "traces") -> SpanRecorder:
    return SpanRecorder(into.append, sample=sample, random_bytes=SeededBytes(seed), now_ns=Ticks())


@pytest.fixture
def kept() -> Iterator[list[Span]]:
    spans: list[Span] = []
    take_up(None)
    with recording(recorder(spans)):
        yield spans
    take_up(None)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.booleans())
def test_what_is_written_is_read(trace_id: bytes, span_id: bytes, sampled: bool) -> None:
    context = TraceContext(trace_id, span_id, sampled)
    read = parse_traceparent(str(context))
    assert read == (context if any(trace_id) and any(span_id) else None)


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80), st.none(), st.integers()))
@example(CALLER.upper())
@example(CALLER + "\n")
@example(CALLER + "-00")
@example(CALLER.replace("00-", "01-", 1))
@example(CALLER.replace("00-", "ff-", 1))
@example(" " + CALLER[1:])
@example(CALLER.replace("ab", "٠1"))
@example(f"00-{'0' * 32}-{'cd' * 8}-01")
@example(f"00-{'ab' * 16}-{'0' * 16}-01")
def test_anything_else_is_nothing(said: object) -> None:
    well_formed = isinstance(said, str) and re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", said)
    assert (parse_traceparent(said) is not None) <= bool(well_formed)


@pytest.mark.parametrize(
    "said",
    [CALLER.upper(), CALLER + "\n", CALLER + "-00", "01" + CALLER[2:], f"00-{'0' * 32}-{'cd' * 8}-01", b"00", None, ""],
)
def test_forged_or_foreign_context_begins_nothing(said: object, kept: list[Span]) -> None:
    take_up(said)
    with span("work"):
        assert traceparent() == ""
    assert kept == []


def test_unknown_flags_do_not_matter() -> None:
    found = parse_traceparent(f"00-{'ab' * 16}-{'cd' * 8}-03")
    assert found is not None
    assert str(found) == CALLER, "flags that version 00 does not name are not handed on"


def test_child_of_the_current_span(kept: list[Span]) -> None:
    with span("outer", root=True, size=3):
        outer = traceparent()
        with span("inner"):
            inner = traceparent()
            assert current_trace_id() == outer[3:35]
        assert traceparent() == outer
    assert traceparent() == ""
    inner_span, outer_span = kept
    assert (inner_span.name, outer_span.name) == ("inner", "outer")
    assert str(inner_span.parent) == outer
    assert str(inner_span.context) == inner
    assert outer_span.parent is None
    assert outer_span.attributes == {"size": 3}
    assert outer_span.start_ns < inner_span.start_ns < inner_span.end_ns < outer_span.end_ns


def test_stored_context_goes_on_and_is_linked(kept: list[Span]) -> None:
    with span("after the restart", under=CALLER, links=(CALLER, "nonsense")):
        pass
    (made,) = kept
    assert str(made.parent) == CALLER
    assert [str(one) for one in made.links] == [CALLER]
    assert made.context.trace_id.hex() == "ab" * 16


def test_nothing_is_recorded_without_a_way_to_belong_to(kept: list[Span]) -> None:
    with span("a poll"):
        assert traceparent() == ""
    with span("stored nothing", under=""):
        assert traceparent() == ""
    assert kept == []


def test_error_is_noted_by_kind_and_never_by_words(kept: list[Span]) -> None:
    with pytest.raises(ValueError), span("work", root=True):
        raise ValueError("grant of somebody")
    assert kept[0].error == "ValueError"
    assert "somebody" not in repr(kept)


def test_listener_that_goes_away_is_no_error(kept: list[Span]) -> None:
    def work() -> Iterator[int]:
        with span("work", root=True):
            yield 1

    made = work()
    next(made)
    made.close()
    assert kept[0].error == ""


def test_start_before_now_and_never_after(kept: list[Span]) -> None:
    with span("seen", root=True, start_ns=5):
        pass
    with span("a clock that is ahead", root=True, start_ns=1 << 62):
        pass
    with span("a ledger that names no time", root=True, start_ns=-5):
        pass
    assert kept[0].start_ns == 5
    assert kept[2].start_ns == 0
    assert kept[1].start_ns <= kept[1].end_ns < 1 << 62


def test_caller_that_does_not_sample_is_handed_on_unrecorded(kept: list[Span]) -> None:
    with span("work", under=UNSAMPLED):
        handed = parse_traceparent(traceparent())
    assert handed is not None
    assert not handed.sampled
    assert kept == []


def test_process_without_a_recorder_hands_on_what_it_was_given() -> None:
    with span("relay.submit", under=CALLER):
        assert traceparent() == CALLER
    with span("work", root=True):
        assert traceparent() == ""
    assert traceparent() == ""
    assert trace.now_ns() == 0


@pytest.mark.parametrize(("sample", "low", "high"), [(0.0, 0, 0), (1.0, 400, 400), (0.25, 60, 140)])
def test_share_of_ways_that_is_recorded(sample: float, low: int, high: int) -> None:
    spans: list[Span] = []
    with recording(recorder(spans, sample=sample)):
        for _ in range(400):
            with span("way", root=True), span("step"):
                pass
    assert low <= len(spans) / 2 <= high
    assert len({one.context.trace_id for one in spans}) == len(spans) / 2, "a way is recorded whole or not at all"


def test_same_randomness_gives_the_same_spans() -> None:
    runs: list[list[str]] = []
    for _ in range(2):
        spans: list[Span] = []
        with recording(recorder(spans)):
            with span("way", root=True), span("step", size=1):
                pass
        runs.append([repr(one) for one in spans])
    assert runs[0] == runs[1]


async def test_tasks_do_not_see_each_others_spans(kept: list[Span]) -> None:
    seen: dict[str, str] = {}
    both_in = asyncio.Barrier(2)

    async def work(name: str) -> None:
        with span(name, root=True):
            await both_in.wait()
            seen[name] = current_trace_id()
            await both_in.wait()

    await asyncio.gather(work("one"), work("two"))
    assert seen["one"] != seen["two"]
    assert {one.name: one.context.trace_id.hex() for one in kept} == seen


def test_random_bytes_that_are_all_zero_make_no_forbidden_id() -> None:
    spans: list[Span] = []
    zero = SpanRecorder(spans.append, sample=1.0, random_bytes=bytes, now_ns=Ticks())
    with recording(zero), span("way", root=True):
        assert parse_traceparent(traceparent()) is not None
