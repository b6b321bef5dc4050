"""Spans on their way to a collector: OTLP over HTTP by the OpenTelemetry SDK (extra `otel`).

The work never waits for a collector: a span that has ended goes into a bounded queue, which a thread of the SDK empties. What finds the
queue full, or is not taken at the other end, is lost, counted and said in the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from relay.app.runtime import program_version
from relay.config.trace import TraceConfig
from relay.telemetry.events import SPANS_DROPPED, log_event
from relay.telemetry.trace import Span, TraceContext

log = logging.getLogger(__name__)

WAITING_MAX: Final = 2048
"""Spans that have ended and are not sent yet."""
BATCH: Final = 256
SEND_EVERY_S: Final = 0.5
ANSWER_WITHIN_S: Final = 3.0
"""What one batch may take, tries and all."""
LAST_WITHIN_S: Final = 2.0
"""At the end of the process: after so long no further batch is begun."""
TELL_EVERY_S: Final = 10.0


def open_sending(config: TraceConfig, role: str, identity: str) -> Sending:
    """To the collector of a configuration. It is told everything: neither proxies nor a password file of the machine are looked for."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # SPANS_DROPPED says it, once for many
    session = requests.Session()
    session.trust_env = False
    exporter = OTLPSpanExporter(
        endpoint=config.endpoint,
        certificate_file=None if config.ca is None else str(config.ca),
        headers=dict(config.headers),
        timeout=ANSWER_WITHIN_S,
        compression=Compression.NoCompression,
        session=session,
    )
    resource = {
        "service.namespace": "courtrelay",
        "service.name": f"courtrelay-{role}",
        "service.version": program_version(),
        "service.instance.id": identity,
    }
    return Sending(exporter, config.endpoint, Resource(resource))


class Counting(SpanExporter):
    """The exporter of another, with what it did not deliver counted. Called by the SDK's thread alone."""

    def __init__(self, inner: SpanExporter, monotonic: Callable[[], float]) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self.until: float | None = None
        self.over = 0
        """Spans that are sent or lost."""
        self.refused = 0
        self.late = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See the SDK."""
        result = SpanExportResult.FAILURE
        try:
            if self.until is not None and self._monotonic() > self.until:
                self.late += len(spans)
            else:
                result = self._inner.export(spans)
                self.refused += 0 if result is SpanExportResult.SUCCESS else len(spans)
        finally:
            self.over += len(spans)
        return result

    def shutdown(self) -> None:
        """See the SDK."""
        self._inner.shutdown()


class Sending:
    """Takes spans that have ended."""

    def __init__(
        self,
        exporter: SpanExporter,
        endpoint: str,
        resource: Resource,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._resource = resource
        self._monotonic = monotonic
        self._scope = InstrumentationScope("courtrelay", program_version())
        self._counting = Counting(exporter, monotonic)
        self._given = 0
        self._full = 0
        self._told = (0, 0, 0)
        self._sdk = BatchSpanProcessor(
            self._counting,
            max_queue_size=2 * WAITING_MAX,  # never full: what is too much is counted before it comes there
            schedule_delay_millis=SEND_EVERY_S * 1000,
            max_export_batch_size=BATCH,
        )

    def take(self, span: Span) -> None:
        """Returns at once; never raises."""
        if self._given - self._counting.over >= WAITING_MAX:
            self._full += 1
            return
        self._given += 1
        self._sdk.on_end(self._readable(span))

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.context),
            parent=None if span.parent is None else _context(span.parent),
            resource=self._resource,
            attributes=dict(span.attributes),
            links=[Link(_context(one)) for one in span.links],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self._scope,
        )

    async def tell(self) -> None:
        """Say from time to time what was lost. Never returns."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self.tell_once()

    def tell_once(self) -> None:
        """What was lost since the last time, by reason."""
        lost = (self._full, self._counting.refused, self._counting.late)
        reasons = ("the queue is full", "the collector did not take them", "the process ended first")
        for count, before, reason in zip(lost, self._told, reasons, strict=True):
            if count > before:
                log_event(log, SPANS_DROPPED, count=count - before, endpoint=self._endpoint, reason=reason)
        self._told = lost

    async def close(self) -> None:
        """Send what waits, but not for long."""
        self._counting.until = self._monotonic() + LAST_WITHIN_S
        await asyncio.to_thread(self._sdk.shutdown)
        self.tell_once()


def _context(context: TraceContext) -> SpanContext:
    return SpanContext(
        trace_id=int.from_bytes(context.trace_id, "big"),
        span_id=int.from_bytes(context.span_id, "big"),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT),
    )
