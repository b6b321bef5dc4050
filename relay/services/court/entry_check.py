"""One place in a log as the court's mirror and both ledgers hold it: nothing of it says whose record it is, or what it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.checks import Verifiers, check_anchor, check_receipt
from relay.core.deposit_number import DepositNumber, log_code
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import ProvenFact
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding, Result, Step
from relay.ports.common import LogFiles
from relay.ports.court import CourtStore, HeldCheckpoint
from relay.services.court.checked import OF_AN_ENTRY, Fact
from relay.services.court.ledger_now import LedgerNow, LiveStep

NOT_FOUND_WORDS: Final = "The court holds no entry of this number."
_WORDS: Final = {
    Finding.CONSISTENT: "An entry stands at this place of the log, and both ledgers hold the checkpoint that covers it.",
    Finding.PENDING_FINALITY: "The entry has come to the court; the court's ledger has not accepted the checkpoint that covers it yet.",
    Finding.INCONSISTENT: "What the court holds of this entry contradicts itself. Tell the court's IT.",
    Finding.UNVERIFIABLE: "The entry is held here, but a proof of it could not be checked.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFound:
    """What was found of a place. `finding` is what the court holds gives, before the ledger is asked."""

    finding: Finding
    words: str
    steps: tuple[Step, ...] = ()
    live: tuple[LiveStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    does_not_prove: tuple[str, ...] = OF_AN_ENTRY


class _Steps:
    """The steps so far, and what the proofs showed."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.finding = Finding.CONSISTENT

    def ok(self, name: str, detail: str) -> None:
        self._add(name, Result.OK, detail)

    def bad(self, name: str, error: Unverified | Malformed) -> None:
        open_ = isinstance(error, Unpinned)
        self.finding = Finding.UNVERIFIABLE if open_ else Finding.INCONSISTENT
        self._add(name, Result.NOT_RUN if open_ else Result.FAILED, str(error))

    def pending(self, name: str, detail: str) -> None:
        if self.finding is Finding.CONSISTENT:
            self.finding = Finding.PENDING_FINALITY
        self._add(name, Result.NOT_RUN, detail)

    def _add(self, name: str, result: Result, detail: str) -> None:
        self.steps.append(Step(number=len(self.steps) + 1, name=name, result=result, detail=detail))


class EntryCheck:
    """Looks a place up."""

    def __init__(
        self, store: CourtStore, trust: TrustRoots, verifiers: Verifiers, ledger: LedgerNow, identity: str
    ) -> None:
        self._store = store
        self._trust = trust
        self._verifiers = verifiers
        self._ledger = ledger
        self._identity = identity

    def origins(self, number: DepositNumber) -> list[str]:
        """The pinned logs that the number's first part may stand for."""
        return [log.origin for log in self._trust.logs if log_code(log.origin) == number.log]

    async def check(self, number: DepositNumber) -> EntryFound:
        """Never raises for what is or is not held."""
        for origin in self.origins(number):
            mirror = await self._store.log(origin)
            if number.index < mirror.size:
                return await self._held(origin, number.index)
        return EntryFound(finding=Finding.NOT_FOUND, words=NOT_FOUND_WORDS)

    async def _held(self, origin: str, index: int) -> EntryFound:
        steps = _Steps()
        steps.ok("entry", "The court's copy of the log holds this entry.")
        facts = [Fact(label="Log", value=origin, form="code"), Fact(label="Place in the log", value=index)]
        held = await self._store.covering(origin, index)
        live: tuple[LiveStep, ...] = ()
        if held is None:
            steps.pending("anchoring", "No complete checkpoint covers this entry yet.")
        else:
            facts += await self._covered(steps, held, index)
            if held.receipt is not None:
                known = Checkpoint(origin=origin, size=held.size, root=held.root)
                live = (await self._ledger.holds(known, self._identity),)
        return EntryFound(
            finding=steps.finding, words=_WORDS[steps.finding], steps=tuple(steps.steps), live=live, facts=tuple(facts)
        )

    async def _covered(self, steps: _Steps, held: HeldCheckpoint, index: int) -> list[Fact]:
        checkpoint = Checkpoint(origin=held.origin, size=held.size, root=held.root)
        facts = [
            Fact(label="Checkpoint, entries", value=held.size),
            Fact(label="Checkpoint, root", value=held.root.hex(), form="code"),
        ]
        try:
            files = (await self._store.log(held.origin)).files
            await asyncio.to_thread(_included, files, index, checkpoint)
            steps.ok("entries", "The checkpoint covers this entry.")
        except (Unverified, Malformed) as error:
            steps.bad("entries", error)
        try:
            fact = await asyncio.to_thread(check_anchor, held.anchor, checkpoint, self._trust, self._verifiers)
            steps.ok("anchoring", "The checkpoint stands in a final block of the lender's ledger.")
            facts += _placed(_LENDERS, fact)
        except (Unverified, Malformed) as error:
            steps.bad("anchoring", error)
        if held.receipt is None:
            steps.pending("acceptance", "The court's ledger has not accepted the checkpoint yet.")
            return facts
        try:
            fact = await asyncio.to_thread(
                check_receipt, held.receipt, checkpoint, self._identity, self._trust, self._verifiers
            )
            steps.ok("acceptance", "The court's ledger accepted the checkpoint in a final block.")
            facts += _placed(_COURTS, fact)
        except (Unverified, Malformed) as error:
            steps.bad("acceptance", error)
        return facts


def _included(files: LogFiles, index: int, checkpoint: Checkpoint) -> None:
    (entry,) = files.entries(index, index + 1)
    proof = files.inclusion_proof(index, checkpoint.size)
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, proof, checkpoint.root)


def _placed(labels: tuple[str, str, str, str], fact: ProvenFact) -> list[Fact]:
    return [
        Fact(label=labels[0], value=fact.time_ms, form="time"),
        Fact(label=labels[1], value=fact.ledger, form="code"),
        Fact(label=labels[2], value=fact.height),
        Fact(label=labels[3], value=fact.block_hash.hex(), form="code"),
    ]


_LENDERS: Final = (
    "Anchored on the lender's ledger",
    "Lender's ledger",
    "Lender's ledger, block number",
    "Lender's ledger, block",
)
_COURTS: Final = (
    "Accepted on the court's ledger",
    "Court's ledger",
    "Court's ledger, block number",
    "Court's ledger, block",
)
