"""Adapters with one fault each, around the skeleton's good one, and the checks that must fail: those and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from relay.conformance.skeleton.ledger import LEDGERS, Ledger
from relay.conformance.skeleton.proof import verify_proof
from relay.core.ledgerproof import LedgerProofVerifier


class Around:
    """Passes everything on that a fault does not change."""

    def __init__(self, good: Any) -> None:
        self.good = good

    def __getattr__(self, name: str) -> Any:
        return getattr(self.good, name)

    @property
    def node(self) -> Ledger:
        return LEDGERS[self.good.ledger]

    @property
    def first_empty(self) -> int:
        """The height of the first block without a transaction: it lies between two anchors that the checks read."""
        return next((block["height"] for block in self.node.chain if not block["fact"]), 0)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """`caught` are the names of all the checks that must fail."""

    name: str
    port: str
    caught: frozenset[str]
    source: Callable[[Any], Any] = lambda good: good
    court: Callable[[Any], Any] = lambda good: good
    verify: LedgerProofVerifier = verify_proof
    deadline_s: float = 20.0


PLANTED: dict[str, Planted] = {}


def plant(port: str, *caught: str, deadline_s: float = 20.0) -> Callable[[Any], Any]:
    """A class around a source or a court, or a verifier; its name says what is wrong with it."""

    def register(faulty: Any) -> Any:
        name = faulty.__name__
        names = frozenset(c for c in caught)
        where = {"verify" if port == "both" else port: faulty}
        PLANTED[name] = Planted(name=name, port=port, caught=names, deadline_s=deadline_s, **where)
        return faulty

    return register
