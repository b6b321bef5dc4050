"""What reading a custody log needs: the stored events, and the ledger's newest word on the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from relay.core.ledgerproof import LedgerProof


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyFilter:
    """An empty member lets everything through. Times in ms of the keeper's clock, 0 is no bound."""

    action: str = ""
    outcome: str = ""
    actor: str = ""
    dossier: str = ""
    grant: str = ""
    request: str = ""
    from_ms: int = 0
    to_ms: int = 0
    """The first moment not let through."""

    @property
    def everything(self) -> bool:
        """Whether nothing is filtered."""
        return self == CustodyFilter()


class CustodyRows(Protocol):
    """The events of one custody log as they are stored, whatever they are."""

    async def end(self) -> int:
        """One more than the largest stored index, 0 without any."""

    async def between(self, start: int, end: int, wanted: CustodyFilter) -> list[tuple[int, bytes]]:
        """(index, event) with start <= index < end that the filter lets through, ascending.

        What is no JSON passes every filter: damage is shown, never hidden.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWord:
    """The newest head of a custody log on its keeper's ledger: its size, and the proof, verbatim."""

    size: int
    proof: LedgerProof


AskLedger = Callable[[], Awaitable[LedgerWord | None]]
"""Raises `Unavailable`; None while the ledger holds no head."""
