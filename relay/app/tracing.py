"""Records spans where the configuration has a table `[trace]` (docs/traces.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from relay.app.runtime import random_bytes, workers
from relay.config.roles import Common
from relay.core.errors import Malformed
from relay.telemetry.trace import Span, recording


async def open_tracing(stack: AsyncExitStack, role: str, common: Common) -> None:
    """Record spans until the stack closes, where the configuration says so. Raises `Malformed` when the extra is missing."""
    config = common.trace
    if config is None:
        return
    try:
        from relay.app.otlp import open_sending
    except ImportError as error:
        raise Malformed("configuration", "trace", f"needs the extra courtrelay[otel]: {error}") from None
    sending = open_sending(config, role, common.identity)
    stack.push_async_callback(sending.close)
    await stack.enter_async_context(workers(("lost spans", sending.tell())))
    stack.enter_context(
        recording(SpanRecorder(sending.take, sample=config.sample, random_bytes=random_bytes, now_ns=time.time_ns))
    )


class SpanRecorder:
    """relay.telemetry.trace.Recorder over whatever takes spans. `sample`: the share of ways, 0 to 1."""

    def __init__(
        self,
        take: Callable[[Span], None],
        *,
        sample: float,
        random_bytes: Callable[[int], bytes],
        now_ns: Callable[[], int],
    ) -> None:
        self._take = take
        self._bound = round(sample * (1 << 64))
        self._random = random_bytes
        self._now_ns = now_ns

    def random_bytes(self, count: int) -> bytes:
        """Never all zero, which no id may be."""
        made = self._random(count)
        return made if any(made) else b"\x01" * count

    def now_ns(self) -> int:
        """See the port."""
        return self._now_ns()

    def sampled(self, trace_id: bytes) -> bool:
        """By the id's own randomness: asked twice about one way, the answer is the same."""
        return int.from_bytes(trace_id[8:], "big") < self._bound

    def ended(self, span: Span) -> None:
        """See the port."""
        self._take(span)
