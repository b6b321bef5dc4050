"""What a peer said when it ended a call, even when gRPC for Python puts a word of its own over it.

A peer may refuse while requests are still being streamed to it. The library then finds that it can send no more and sets the call's status
to INTERNAL, over the peer's, if nobody has read that yet. Who asked for something would be told an accident instead of the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

T = TypeVar("T")

OVERWRITTEN: Final = "Internal error from Core"


class Told:
    """Of one call, from before its first await on. Anything that is no call of gRPC's is let be."""

    def __init__(self, calling: object) -> None:
        self._first: grpc.aio.AioRpcError | None = None
        if isinstance(calling, grpc.aio.Call):
            calling.add_done_callback(self._keep)

    def _keep(self, calling: Any) -> None:
        """Called when the status is first there, and before anybody else has seen it."""
        code = _at_once(calling.code())
        if code in (None, grpc.StatusCode.OK):
            return
        details, trailing = _at_once(calling.details()), _at_once(calling.trailing_metadata())
        self._first = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details)

    def instead_of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """What the peer said, where that was overwritten; otherwise the error itself."""
        overwritten = error.code() is grpc.StatusCode.INTERNAL and error.details() == OVERWRITTEN
        return self._first if overwritten and self._first is not None else error


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T | None:
    """The value of a coroutine that has it; None of one that would wait for it."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    except (grpc.aio.BaseError, asyncio.CancelledError):
        return None
    coroutine.close()
    return None
