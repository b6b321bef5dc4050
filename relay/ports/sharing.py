"""How several workers share one relay's jobs: leases say who works, fencing numbers decide whose writes count."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, eq=False)
class Lease:
    """The right to do one job until somebody is given it with a higher number. `token` 0: not held."""

    name: str
    token: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The answer to a sign of life: the leases still held, and how many workers live (this one among them)."""

    kept: frozenset[str]
    workers: int


class Leases(Protocol):
    """Leases end by the store's clock. Two workers that both believe they hold one do no harm: the store refuses the lower number."""

    async def beat(self, held: Collection[Lease]) -> Beat:
        """A sign of life that prolongs what is held."""

    async def take(self, wanted: Sequence[Lease], limit: int) -> list[Lease]:
        """Take up to `limit` leases that nobody holds; each gets a number higher than any before. Returns those taken."""

    async def give_back(self, lease: Lease) -> None:
        """End a lease before its time, so that another worker need not wait."""

    async def leave(self) -> None:
        """This worker is no longer counted."""
