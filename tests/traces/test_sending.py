"""Spans on their way out: nothing waits for a collector, and what is lost is counted and said."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from relay.app.otlp import BATCH, LAST_WITHIN_S, WAITING_MAX, Sending, open_sending
from relay.app.tracing import SpanRecorder
from relay.config.trace import TraceConfig
from relay.telemetry.trace import recording, span
from tests.support.frozen import SeededBytes
from tests.traces.collector import Collector, collecting
from tests.traces.test_trace import Ticks


class Held(SpanExporter):
    """Takes nothing until it is let go; then fails as often as it is told to."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.taken = 0
        self._refuse = refuse

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.begun.set()
        self.go.wait()
        if self._refuse:
            return SpanExportResult.FAILURE
        self.taken += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        return


def make(sending: Sending, count: int) -> None:
    into = SpanRecorder(sending.take, sample=1.0, random_bytes=SeededBytes("spans"), now_ns=Ticks())
    with recording(into):
        for number in range(count):
            with span("work", root=True, size=number):
                pass


def lost(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    rows = [one.__dict__["fields"] for one in caplog.records if one.__dict__.get("event") == "spans_dropped"]
    return [(row["count"], row["reason"]) for row in rows]


async def test_collector_that_hangs_holds_nothing_up_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter = Held()
    sending = Sending(exporter, "https://collector.example/v1/traces", Resource({}))
    make(sending, WAITING_MAX + 100)  # returns although nobody takes anything
    sending.tell_once()
    sending.tell_once()
    assert lost(caplog) == [(100, "the queue is full")]
    exporter.go.set()
    await sending.close()
    assert exporter.taken == WAITING_MAX
    assert len(caplog.records) == 1, "and nothing else is said"


async def test_collector_that_refuses_is_said_once_for_many(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held(refuse=True)
    exporter.go.set()
    sending = Sending(exporter, "https://collector.example/v1/traces", Resource({}))
    make(sending, BATCH + 7)
    await sending.close()
    assert lost(caplog) == [(BATCH + 7, "the collector did not take them")]


async def test_end_of_a_process_begins_no_batch_too_late(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    exporter = Held()
    sending = Sending(exporter, "https://collector.example/v1/traces", Resource({}), lambda: now[0])
    make(sending, 3 * BATCH)
    await asyncio.to_thread(exporter.begun.wait)
    closing = asyncio.create_task(sending.close())
    while sending._counting.until is None:
        await asyncio.sleep(0)
    now[0] += LAST_WITHIN_S + 1
    exporter.go.set()
    await closing
    assert exporter.taken + sum(count for count, _ in lost(caplog)) == 3 * BATCH
    assert {reason for _, reason in lost(caplog)} == {"the process ended first"}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as made:
        yield made


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_real_exporter_to_a_real_collector(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Proxies of the environment are not used: this one would lead nowhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    caplog.set_level(logging.INFO)
    collector.status = status
    config = TraceConfig(endpoint=collector.url, ca=None, headers={"x-tenant": "court-1"}, sample=1.0)
    sending = open_sending(config, "court", "spiffe://a.example/court/x")
    make(sending, 3)
    await sending.close()
    if status == 200:
        assert [one.attributes["size"] for one in collector.named("work")] == [0, 1, 2]
        assert {one.role for one in collector.spans} == {"courtrelay-court"}
        assert {one["x-tenant"] for one in collector.headers} == {"court-1"}
        assert lost(caplog) == []
    else:
        assert lost(caplog) == [(3, "the collector did not take them")]
        assert not [one for one in caplog.records if one.name.startswith("opentelemetry")], "the library is quiet"
