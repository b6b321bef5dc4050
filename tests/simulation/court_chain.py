"""The court's ledger: accepts a checkpoint that extends the last of its origin, once; and judges whoever writes to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from relay.core.checkpoint import parse_checkpoint, verify_cosignatures
from relay.core.errors import Conflict, NotFound, RelayError, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.merkle import verify_consistency
from relay.core.note import VerifierKey
from relay.ports.ledgers import GrantState, Receipt, Submission
from tests.simulation.chain import FORGOTTEN_BEFORE_MS, LenderChain
from tests.simulation.dice import Dice
from tests.simulation.network import Net
from tests.simulation.proofs import make_proof


@dataclass
class CourtChain:
    """The ledger and what it saw: effects in order, and violations by those who wrote."""

    ledger: str
    dice: Dice
    witness: VerifierKey
    chains: Mapping[str, LenderChain]
    """Lender's ledger by origin."""
    effects: list[Receipt] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    down: bool = False
    submissions: int = 0
    repeats: int = 0
    _attempts: dict[bytes, int] = field(default_factory=dict)

    def of(self, origin: str) -> list[Receipt]:
        """Accepted checkpoints of an origin, oldest first."""
        return [receipt for receipt in self.effects if receipt.origin == origin]

    def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        """Exactly these facts."""
        return next((r for r in self.of(origin) if (r.size, r.root) == (size, root)), None)

    def accept(self, submission: Submission) -> Receipt:
        """relay.ports.ledgers.CourtRegistry.submit."""
        checkpoint, note = parse_checkpoint(submission.checkpoint)
        self.submissions += 1
        held = self.find(checkpoint.origin, checkpoint.size, checkpoint.root)
        if held is not None:
            self.repeats += 1
            return held
        if not verify_cosignatures(note, [self.witness]):
            raise Unverified("witness", "the court's gateway has not cosigned this")
        last = self.of(checkpoint.origin)[-1:]
        size, root = (last[0].size, last[0].root) if last else (0, b"")
        if submission.old_size != size or checkpoint.size <= size:
            raise Conflict(f"size {checkpoint.size} from {submission.old_size} does not extend size {size}")
        if size:
            verify_consistency(size, checkpoint.size, list(submission.consistency), root, checkpoint.root)
        chain = self.chains[checkpoint.origin]
        if chain.final_anchor(checkpoint.origin, checkpoint.size, checkpoint.root) is None:
            self.violations.append(f"{checkpoint.origin} size {checkpoint.size} was forwarded without a final anchor")
        height = len(self.effects) + 1
        tx_id = hashlib.sha256(f"{self.ledger} {height}".encode()).digest()
        receipt = Receipt(
            ledger=self.ledger, origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root, height=height,
            tx_id=tx_id, time_ms=FORGOTTEN_BEFORE_MS + height,
        )  # fmt: skip
        self.effects.append(receipt)
        self.dice.trace(f"effect {checkpoint.origin} {checkpoint.size}")
        return receipt

    def judge_attempt(self, submission: Submission) -> None:
        """The attempt epoch of one checkpoint rises with every try, across crashes."""
        last = self._attempts.get(submission.checkpoint, 0)
        if submission.attempt <= last:
            self.violations.append(f"a try bears attempt {submission.attempt}, one before it bore {last}")
        self._attempts[submission.checkpoint] = submission.attempt

    def prove(self, tx_id: bytes) -> LedgerProof:
        """relay.ports.ledgers.CourtRegistry.prove."""
        for receipt in self.effects:
            if receipt.tx_id == tx_id:
                fact = {
                    "type": "checkpoint",
                    "origin": receipt.origin,
                    "size": receipt.size,
                    "root": receipt.root.hex(),
                }
                return make_proof(self.ledger, receipt.height, tx_id, receipt.time_ms, fact)
        raise NotFound("no such transaction")


class CourtClient:
    """relay.ports.ledgers.CourtRegistry of one process."""

    def __init__(self, net: Net, chain: CourtChain) -> None:
        self._net = net
        self._chain = chain
        self.ledger = chain.ledger

    async def latest(self, origin: str) -> Receipt | None:
        held = await self._net.read("court.latest", self._up(lambda: self._chain.of(origin)))
        if held and self._chain.dice.maybe("stale read of the court ledger"):
            held = held[:-1]
        return held[-1] if held else None

    async def submit(self, submission: Submission) -> Receipt:
        self._chain.judge_attempt(submission)
        return await self._net.write("court.submit", self._up(lambda: self._chain.accept(submission)))

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        found = await self._net.read("court.find", self._up(lambda: self._chain.find(origin, size, root)))
        return None if found and self._chain.dice.maybe("stale read of the court ledger") else found

    async def prove(self, tx_id: bytes) -> LedgerProof:
        return await self._net.read("court.prove", self._up(lambda: self._chain.prove(tx_id)))

    def _up(self, make: Callable[[], object]) -> Callable[[], object]:
        async def call() -> object:
            if self._chain.down:
                raise Unavailable("the court ledger does not answer")
            return make()

        return call

    async def record_grant(self, statement: bytes) -> bytes:
        raise RelayError("no grants here")

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        raise RelayError("no grants here")

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        raise RelayError("no custody logs here")

    async def close(self) -> None:
        pass
