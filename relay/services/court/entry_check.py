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
from relay.core.verdict import Finding, Result
from relay.ports.common import LogFiles
from relay.ports.court import CourtStore, HeldCheckpoint
from relay.services.court.checked import OF_AN_ENTRY, OF_NO_ENTRY, Fact
from relay.services.court.ledger_now import CheckStep, LedgerNow
from relay.services.court.said import Text

_WORDS: Final = {
    Finding.CONSISTENT: Text(
        "An entry stands at this place of the log, and both ledgers hold the checkpoint that covers it."
    ),
    Finding.PENDING_FINALITY: Text(
        "The entry has come to the court; its ledger has not accepted the checkpoint that covers it yet."
    ),
    Finding.INCONSISTENT: Text("What the court holds of this entry contradicts itself. Tell the court's IT."),
    Finding.UNVERIFIABLE: Text("The entry is held here, but a proof of it could not be checked."),
    Finding.NOT_FOUND: Text("The court holds no entry of this number."),
}
HELD: Final = Text("Held by the court")
COVERED: Final = Text("Covered by a checkpoint")
ANCHORED: Final = Text("On the lender's ledger")
ACCEPTED: Final = Text("On the court's ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFound:
    """What was found of a place. `finding` is what the court holds gives, before the ledger is asked."""

    finding: Finding
    words: Text
    steps: tuple[CheckStep, ...] = ()
    live: tuple[CheckStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    does_not_prove: tuple[str, ...] = OF_AN_ENTRY


class _Steps:
    """The steps so far, and what they give together."""

    def __init__(self) -> None:
        self.steps: list[CheckStep] = []
        self.finding = Finding.CONSISTENT

    def ok(self, name: Text, detail: Text) -> None:
        self.steps.append(CheckStep(name=name, result=Result.OK, detail=detail))

    def bad(self, name: Text, error: Unverified | Malformed) -> None:
        """A contradiction stays the finding, whatever cannot be checked beside it."""
        open_ = isinstance(error, Unpinned)
        if self.finding is not Finding.INCONSISTENT:
            self.finding = Finding.UNVERIFIABLE if open_ else Finding.INCONSISTENT
        detail = Text("The proof could not be checked.") if open_ else Text("The proof does not hold.")
        result = Result.NOT_RUN if open_ else Result.FAILED
        self.steps.append(CheckStep(name=name, result=result, detail=detail, said=str(error)))

    def pending(self, name: Text, detail: Text) -> None:
        if self.finding is Finding.CONSISTENT:
            self.finding = Finding.PENDING_FINALITY
        self.steps.append(CheckStep(name=name, result=Result.NOT_RUN, detail=detail))


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
        origins = self.origins(number)
        for origin in origins:
            if number.index < (await self._store.log(origin)).size:
                return await self._held(origin, number.index)
        live = tuple([await self._ledger.ends_before(origin, number.index) for origin in origins])
        words = _WORDS[Finding.NOT_FOUND]
        return EntryFound(finding=Finding.NOT_FOUND, words=words, live=live, does_not_prove=OF_NO_ENTRY)

    async def _held(self, origin: str, index: int) -> EntryFound:
        steps = _Steps()
        steps.ok(HELD, Text("The court's copy of the log holds this entry."))
        facts = [Fact(label=Text("Log"), value=origin, form="code"), Fact(label=Text("Place in the log"), value=index)]
        held = await self._store.covering(origin, index)
        live: tuple[CheckStep, ...] = ()
        if held is None:
            steps.pending(ANCHORED, Text("No complete checkpoint covers this entry yet."))
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
            Fact(label=Text("Checkpoint, entries"), value=held.size),
            Fact(label=Text("Checkpoint, root"), value=held.root.hex(), form="code"),
        ]
        try:
            files = (await self._store.log(held.origin)).files
            await asyncio.to_thread(_included, files, index, checkpoint)
            steps.ok(COVERED, Text("The checkpoint covers this entry."))
        except (Unverified, Malformed) as error:
            steps.bad(COVERED, error)
        try:
            fact = await asyncio.to_thread(check_anchor, held.anchor, checkpoint, self._trust, self._verifiers)
            steps.ok(ANCHORED, Text("The checkpoint stands in a final block of the lender's ledger."))
            facts += _placed(_LENDERS, fact)
        except (Unverified, Malformed) as error:
            steps.bad(ANCHORED, error)
        if held.receipt is None:
            steps.pending(ACCEPTED, Text("The court's ledger has not accepted the checkpoint yet."))
            return facts
        try:
            fact = await asyncio.to_thread(
                check_receipt, held.receipt, checkpoint, self._identity, self._trust, self._verifiers
            )
            steps.ok(ACCEPTED, Text("The court's ledger accepted the checkpoint in a final block."))
            facts += _placed(_COURTS, fact)
        except (Unverified, Malformed) as error:
            steps.bad(ACCEPTED, error)
        return facts


def _included(files: LogFiles, index: int, checkpoint: Checkpoint) -> None:
    (entry,) = files.entries(index, index + 1)
    proof = files.inclusion_proof(index, checkpoint.size)
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, proof, checkpoint.root)


def _placed(labels: tuple[Text, Text, Text, Text], fact: ProvenFact) -> list[Fact]:
    return [
        Fact(label=labels[0], value=fact.time_ms, form="time"),
        Fact(label=labels[1], value=fact.ledger, form="code"),
        Fact(label=labels[2], value=fact.height),
        Fact(label=labels[3], value=fact.block_hash.hex(), form="code"),
    ]


_LENDERS: Final = (
    Text("Anchored on the lender's ledger"),
    Text("Lender's ledger"),
    Text("Lender's ledger, block number"),
    Text("Lender's ledger, block"),
)
_COURTS: Final = (
    Text("Accepted on the court's ledger"),
    Text("Court's ledger"),
    Text("Court's ledger, block number"),
    Text("Court's ledger, block"),
)
