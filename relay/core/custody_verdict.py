"""What a custody log's audit says: its steps, the faults it names, and the tree it grows meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.ledgerproof import ProvenFact
from relay.core.merkle import Frontier, leaf_hash
from relay.core.verdict import Finding, Step

FORMAT: Final = "courtrelay-custody-verdict/v1"
_BATCH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with the event at one index; `step` is the number of the step that found it."""

    index: int
    step: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyVerdict:
    """The outcome. `after_ledger`: events newer than the ledger's head, which only the keeper's signature covers."""

    verdict: Finding
    keeper: str
    state: Checkpoint
    complete: bool
    events: int
    ledger: ProvenFact | None
    steps: tuple[Step, ...]
    faults: tuple[Fault, ...]
    faults_total: int

    @property
    def after_ledger(self) -> int:
        """Events of the log that no head on a ledger covers yet."""
        covered = self.ledger.fact.get("size") if self.ledger else 0
        return self.state.size - (covered if isinstance(covered, int) else 0)

    def as_json(self) -> dict[str, object]:
        """The document of docs/spec/custody.md."""
        return {
            "format": FORMAT,
            "verdict": self.verdict.value,
            "keeper": self.keeper,
            "origin": self.state.origin,
            "size": self.state.size,
            "root": self.state.root.hex(),
            "complete": self.complete,
            "events": self.events,
            "ledger": self.ledger.ledger if self.ledger else "",
            "ledger_ms": self.ledger.time_ms if self.ledger else 0,
            "after_ledger": self.after_ledger,
            "steps": [
                {"number": s.number, "name": s.name, "result": s.result.value, "detail": s.detail} for s in self.steps
            ],
            "faults": [{"index": f.index, "step": f.step, "what": f.what} for f in self.faults],
            "faults_total": self.faults_total,
        }


@dataclass(slots=True)
class GrowingTree:
    """Grows by batches; remembers the root at one size on the way."""

    stop: int
    frontier: Frontier = field(default_factory=Frontier.empty)
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    root_at_stop: bytes = b""

    def add(self, entry: bytes) -> None:
        """The next leaf."""
        self.waiting.append(leaf_hash(entry))
        self.size += 1
        if len(self.waiting) == _BATCH or self.size == self.stop:
            self.flush()

    def flush(self) -> None:
        """Take in what waits; afterwards the frontier's root is that of all leaves."""
        self.frontier.append_leaves(self.waiting)
        self.waiting = []
        if self.size == self.stop:
            self.root_at_stop = self.frontier.root()
