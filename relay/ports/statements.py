"""Where a court gateway keeps the statements of platforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.core.ledgerproof import LedgerProof


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOnLedger:
    """That a statement's custody event stands on the court's ledger: its tlog-proof under a head, and the ledger's proof of that head."""

    proof: bytes
    anchor: LedgerProof
    published_ms: int
    """Block time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStatement:
    """A statement that was checked and taken in. `event` stands at `index` of the court's custody log."""

    ledger: str
    version: int
    token: bytes
    event: bytes
    index: int
    shown: ShownOnLedger | None
    """None until it is shown."""


class StatementStore(Protocol):
    """Statements by ledger and version. Every write returns only after its transaction is durable."""

    async def latest_statement(self, ledger: str) -> KeptStatement | None:
        """The highest version of a ledger's."""

    async def add_statement(self, kept: KeptStatement) -> None:
        """Keep a new version. Raises `Conflict` unless it is the next one."""

    async def statements_not_shown(self) -> list[KeptStatement]:
        """Those whose event is not shown on the ledger yet, in the order of their events."""

    async def save_statement_shown(self, ledger: str, version: int, shown: ShownOnLedger) -> None:
        """Keep what shows it; the first stays."""

    async def shown_statements(self, ledgers: Sequence[str]) -> list[KeptStatement]:
        """Those of these ledgers that are shown, by ledger and version."""
