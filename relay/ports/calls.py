"""What makes a call of the HTTP interface safe to repeat: the caller's own key for it, kept with what it led to."""

from __future__ import annotations

from typing import Protocol


class CallStore(Protocol):
    """Durable memory of calls by their caller's key. Every write returns only after its transaction is durable."""

    async def reserve(self, caller: str, key: str, digest: bytes, made: str, now_ms: int) -> str:
        """Keep a call that will make something under the id `made`, and return the id under which it was kept first.

        Raises `Conflict` when the caller used the key for something else. Calls older than a month are forgotten.
        """

    async def settle(self, caller: str, key: str, made: str) -> None:
        """It led to something that was there already."""
