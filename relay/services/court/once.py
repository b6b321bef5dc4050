"""Retrievals that the caller has named: each runs to its end once, whoever hangs up, and is found again under its name.

A caller that was killed asks again and gets the bundle that was made meanwhile, without a second disclosure. Only when the retrieval
itself broke off in the middle is it begun again, from what the court has kept of it, and the count of attempts says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

from relay.core.canonical import dumps
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.ports.court import CourtStore
from relay.services.court.asking import RetrievalCommand
from relay.services.court.retrieval import Done, Progress, Retrieval, Seen
from relay.telemetry.events import RETRIEVAL_ENDED, log_event

log = logging.getLogger(__name__)

REQUEST_ID_BYTES: Final = 32
_DOMAIN: Final = b"courtrelay/desk-retrieval/v1"


@dataclass(slots=True)
class Trail:
    """How far a named retrieval has come: the newest progress, and each record's verdict on arrival. Held while it is under way."""

    progress: Progress | None = None
    seen: dict[int, Seen] = field(default_factory=dict)


class NamedRetrievals:
    """Serves the court's desk and its pages beside `Retrieval`. `close` ends what is under way."""

    def __init__(self, retrieval: Retrieval, store: CourtStore) -> None:
        self._retrieval = retrieval
        self._store = store
        self._running: dict[bytes, asyncio.Task[Done]] = {}
        self._trails: dict[bytes, Trail] = {}

    def trail(self, request_id: bytes) -> Trail | None:
        """What a watcher may see of it; None when it is not under way. It changes while it is looked at."""
        return self._trails.get(request_id)

    async def run(self, command: RetrievalCommand) -> AsyncIterator[Progress | Seen | Done]:
        """As `Retrieval.run`; under a request id only `Done` comes. Raises `Conflict` when it was used for something else."""
        if not command.request_id:
            async for event in self._retrieval.run(command):
                yield event
            return
        if len(command.request_id) != REQUEST_ID_BYTES:
            reason = f"{len(command.request_id)} bytes; must be empty or {REQUEST_ID_BYTES}"
            raise Malformed("retrieval", "request_id", reason)
        task = self._running.get(command.request_id)
        if task is None:
            task = asyncio.create_task(self._to_its_end(command), name="named retrieval")
            self._running[command.request_id] = task
            self._trails[command.request_id] = Trail()
            task.add_done_callback(lambda done: self._ended(command.request_id, done))
        try:
            yield await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unavailable("the court's gateway is ending; ask again") from None
            raise

    def _ended(self, request_id: bytes, task: asyncio.Task[Done]) -> None:
        self._running.pop(request_id, None)
        self._trails.pop(request_id, None)
        if not task.cancelled() and task.exception() is not None:
            log_event(log, RETRIEVAL_ENDED, reason=task.exception())

    async def _to_its_end(self, command: RetrievalCommand) -> Done:
        held = await self._store.begin_named(command.request_id, _digest(command))
        if held.bundle_id:
            return Done(
                bundle_id=held.bundle_id, bundle_bytes=held.bundle_bytes, verdict=held.verdict, attempts=held.attempts
            )
        trail = self._trails[command.request_id]
        async for event in self._retrieval.run(command):
            if isinstance(event, Done):
                return replace(event, attempts=held.attempts)
            if isinstance(event, Progress):
                trail.progress = event
            else:
                trail.seen[event.seq] = event
        raise Conflict("the retrieval ended without a result")

    async def close(self) -> None:
        """Cancel what is under way; it is asked for again later."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def _digest(command: RetrievalCommand) -> bytes:
    asked = [hashlib.sha256(command.grant).hexdigest(), command.dossier, command.officer, command.purpose]
    return hashlib.sha256(_DOMAIN + dumps(asked)).digest()
