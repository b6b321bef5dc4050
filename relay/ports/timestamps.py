"""What trusted time needs: authorities that can be asked, and a place for what they said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from relay.core.timestamp import ImprintHash
from relay.ports.held import HeldCheckpoint


class TimestampAuthority(Protocol):
    """One RFC 3161 authority. It is trusted with nothing: what it answers is verified before it is kept."""

    @property
    def name(self) -> str:
        """As the trust roots pin it."""

    @property
    def hash_name(self) -> ImprintHash:
        """What it wants the stamped bytes to be hashed with."""

    async def ask(self, request: bytes) -> bytes:
        """The TimeStampResp to a TimeStampReq, bounded in size and time. Asking twice does no harm. Raises `Unavailable`."""


class TimestampStore(Protocol):
    """Tokens by checkpoint and authority. Every write returns only after its transaction is durable."""

    async def unstamped(self, authority: str, since_ms: int, count_max: int) -> list[HeldCheckpoint]:
        """Checkpoints with cosignature and receipt (of that block time or later) that this authority has not stamped, newest first."""

    async def save_timestamp(self, origin: str, size: int, authority: str, token: bytes, time_ms: int) -> None:
        """Keep a token; the first of an authority stays."""

    async def timestamps(self, origin: str, sizes: Sequence[int]) -> dict[int, tuple[bytes, ...]]:
        """Tokens over these checkpoints by size, in the order of their authorities' names; sizes without any are left out."""
