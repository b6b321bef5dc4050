"""Calls that their caller may repeat: the same key leads to the same retrieval, whoever hung up and whatever was restarted."""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from relay.core.canonical import dumps
from relay.core.errors import NotFound
from relay.core.identity import parse_identity
from relay.ports.calls import CallStore
from relay.ports.common import Clock, RandomBytes
from relay.services.court.case_jobs import JobState

ID_BYTES: Final = 16
_DOMAIN: Final = b"courtrelay/api-call/v1"


class Retrieving(Protocol):
    """What is needed of `relay.services.court.cases.Cases`."""

    async def begin(
        self, grant_digest: str, dossier: str, officer: str, purpose: str, by: str, job_id: str = ""
    ) -> str:
        """See there."""

    async def job(self, job_id: str) -> JobState:
        """See there."""


class RepeatableCalls:
    """Serves the HTTP interface."""

    def __init__(self, cases: Retrieving, store: CallStore, clock: Clock, random_bytes: RandomBytes) -> None:
        self._cases = cases
        self._store = store
        self._clock = clock
        self._random = random_bytes

    async def retrieve(self, key: str, grant: str, dossier: str, officer: str, purpose: str, by: str) -> str:
        """The retrieval's job id. Raises `Conflict` when the caller used the key for something else, else as `Cases.begin`.

        Custody log and lender learn the officer and, in brackets, the name of the caller who spoke for them.

        The id is stored under the key before anything begins: a retrieval that was begun is found again by it.
        """
        digest = hashlib.sha256(_DOMAIN + dumps([grant, dossier, officer, purpose])).digest()
        chosen = self._random(ID_BYTES).hex()
        made = await self._store.reserve(by, key, digest, chosen, self._clock.now_ms())
        if made != chosen:
            try:
                return (await self._cases.job(made)).row.id
            except NotFound:
                pass  # it was kept, but did not begin: a wrong grant, or a gateway that ended in between
        spoken_for = f"{officer} ({parse_identity(by).name})"
        begun = await self._cases.begin(grant, dossier, spoken_for, purpose, by, made)
        if begun != made:
            await self._store.settle(by, key, begun)
        return begun
