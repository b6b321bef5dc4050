"""Whether a custody log is what it was: its tree rebuilt from the events, compared with log, head and ledger in six numbered steps.

docs/spec/custody.md has the same numbers. Events are fed one after the other, a million or more: memory does not grow with them.
The trust roots are the verifier's own; what a removed, altered, reordered or never logged event is found by stands in its finding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from relay.core.checkpoint import verify_checkpoint
from relay.core.checks import Verifiers, check_ledger_fact, same
from relay.core.custody import custody_entry, parse_event
from relay.core.custody_export import ExportHead
from relay.core.custody_verdict import CustodyVerdict, Fault, GrowingTree
from relay.core.errors import Malformed, Unverified
from relay.core.identity import Role, parse_identity
from relay.core.ledgerproof import ProvenFact
from relay.core.limits import CUSTODY_FINDINGS_MAX
from relay.core.merkle import leaf_hash, verify_consistency, verify_inclusion
from relay.core.note import VerifierKey
from relay.core.tlogproof import parse_tlog_proof
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding, Result, Step

FORM, ORDER, ENTRIES, TREE, SIGNATURE, LEDGER = range(1, 7)
_NAMES: Final = {
    FORM: "form",
    ORDER: "order",
    ENTRIES: "entries",
    TREE: "tree",
    SIGNATURE: "signature",
    LEDGER: "ledger",
}


class CustodyAudit:
    """Feed every row in the order found, then `finish`. `now_ms` is the verifier's clock."""

    def __init__(self, head: ExportHead, trust: TrustRoots, verifiers: Verifiers, now_ms: int) -> None:
        """Raises `Malformed` for a head whose checkpoint is none."""
        self._head = head
        self._state = head.state
        self._trust = trust
        self._now_ms = now_ms
        self._newest_ms = 0
        self._next = 0
        self._events = 0
        self._faults: list[Fault] = []
        self._total = dict.fromkeys(_NAMES, 0)
        self._misplaced: list[tuple[int, bytes, bytes]] = []
        self._ledger: ProvenFact | None = None
        self._ledger_error: Unverified | Malformed | None = None
        try:
            self._ledger = self._check_ledger(verifiers)
        except (Unverified, Malformed) as error:
            self._ledger_error = error
        size = self._ledger.fact["size"] if self._ledger else 0
        self._tree = GrowingTree(stop=size if isinstance(size, int) else 0)

    def refused(self, index: int | None, error: Malformed) -> None:
        """A row that cannot be read; None where not even its index can be."""
        index = self._next if index is None else index
        self._place(index, logged=True)
        self._fault(index, FORM, str(error))

    def row(self, index: int, event: bytes, *, entry: bytes = b"", proof: bytes = b"") -> None:
        """One event with what shows that it was logged: the log's entry at its index, or its tlog-proof.

        Without `event`: the log has an entry there and no event is stored. With neither: an event that was never logged.
        """
        self._place(index, logged=bool(entry or proof))
        if not event:
            self._fault(index, ORDER, "the log holds an entry here, and its event is missing")
            return
        self._events += 1
        try:
            self._newest_ms = max(self._newest_ms, parse_event(event).at_ms)
        except Malformed as error:
            self._fault(index, FORM, str(error))
        made = custody_entry(event)
        if index < self._state.size:
            if proof:
                self._check_proof(index, made, proof)
            elif entry and entry != made:
                self._total[ENTRIES] += 1
                if len(self._misplaced) < CUSTODY_FINDINGS_MAX:
                    self._misplaced.append((index, made, entry))
        self._tree.add(made)

    def _place(self, index: int, *, logged: bool) -> None:
        if index >= self._state.size:
            self._fault(index, ORDER, f"was never logged: the log ends at {self._state.size} entries")
        elif index < self._next:
            self._fault(index, ORDER, f"stands after event {self._next - 1}")
        elif self._head.complete and index > self._next:
            self._missing(index)
        elif not logged:
            self._fault(index, ORDER, "has neither a log entry nor a proof")
        self._next = max(self._next, index + 1)

    def _missing(self, end: int) -> None:
        run = f"event {self._next}" if end - self._next == 1 else f"events {self._next} to {end - 1}"
        self._fault(self._next, ORDER, f"{run} missing: the log holds {self._state.size} entries")

    def _check_proof(self, index: int, made: bytes, data: bytes) -> None:
        try:
            proof = parse_tlog_proof(data)
            same("proof", "its index", proof.index, index)
            same("proof", "its extra", proof.extra, None)
            if proof.checkpoint != self._head.checkpoint:
                raise Unverified("proof", "is under another checkpoint than the head")
            verify_inclusion(leaf_hash(made), index, self._state.size, proof.hashes, self._state.root)
        except (Unverified, Malformed) as error:
            self._fault(index, ENTRIES, f"is not what was logged here: {error}")

    def _fault(self, index: int, step: int, what: str) -> None:
        self._total[step] += 1
        if len(self._faults) < CUSTODY_FINDINGS_MAX:
            self._faults.append(Fault(index=index, step=step, what=what))

    def _check_ledger(self, verifiers: Verifiers) -> ProvenFact:
        """The ledger's word on this log: whose ledger, which origin. Sizes and roots are compared at the end."""
        keeper, origin = self._head.keeper, self._state.origin
        if self._head.ledger is None:
            raise Unpinned("ledger", "no ledger's word on this log is at hand")
        court = parse_identity(keeper, what="custody export", field="keeper").role is Role.COURT
        if court:
            same("ledger", "the origin pinned for this court", self._trust.court(keeper).origin, origin)
            ledgers = {self._trust.court(keeper).ledger}
        else:
            ledgers = {log.ledger for log in self._trust.logs_of(keeper)}
        if self._head.ledger.ledger not in ledgers:
            raise Unpinned("ledger", f"{self._head.ledger.ledger} is not pinned as a ledger of {keeper}")
        wanted = {"type": "custody" if court else "anchor", "origin": origin}
        return check_ledger_fact("ledger", self._head.ledger, self._head.ledger.ledger, wanted, self._trust, verifiers)

    def finish(self) -> CustodyVerdict:
        """After the last row."""
        if self._head.complete and self._next < self._state.size:
            self._missing(self._state.size)
        self._explain_misplaced()
        self._tree.flush()
        steps = [self._counted(FORM, "every event is canonical and of its form")]
        steps.append(self._counted(ORDER, self._order_words()))
        steps.append(self._counted(ENTRIES, "every event is what the log holds under its index"))
        steps.append(_run(TREE, self._check_tree))
        steps.append(_run(SIGNATURE, self._check_signature))
        steps.append(_run(LEDGER, self._compare_ledger))
        return CustodyVerdict(
            verdict=_conclude(steps),
            keeper=self._head.keeper,
            state=self._state,
            complete=self._head.complete,
            events=self._events,
            ledger=self._ledger,
            steps=tuple(steps),
            faults=tuple(sorted(self._faults, key=lambda f: (f.index, f.step))),
            faults_total=sum(self._total.values()),
        )

    def _explain_misplaced(self) -> None:
        """An event that stands where another was logged is named with the index it was logged under."""
        logged = {entry: index for index, _, entry in self._misplaced}
        for index, made, _ in self._misplaced:
            was = logged.get(made)
            what = "is not what was logged here" if was is None else f"was logged as event {was}, not here"
            if len(self._faults) < CUSTODY_FINDINGS_MAX:
                self._faults.append(Fault(index=index, step=ENTRIES, what=what))

    def _order_words(self) -> str:
        if self._head.complete:
            return f"events 0 to {self._state.size - 1}, each once" if self._state.size else "no event"
        return f"an extract: {self._events} of {self._state.size} events; it does not show that none was left out"

    def _counted(self, number: int, good: str) -> Step:
        count = self._total[number]
        first = min((f for f in self._faults if f.step == number), key=lambda f: f.index, default=None)
        if not count:
            return Step(number=number, name=_NAMES[number], result=Result.OK, detail=good)
        more = f" (and {count - 1} more)" if count > 1 else ""
        detail = f"event {first.index}: {first.what}{more}" if first else f"{count} events"
        return Step(number=number, name=_NAMES[number], result=Result.FAILED, detail=detail)

    def _check_tree(self) -> str:
        if not self._head.complete:
            return "an extract: every event shown is proven by itself"
        if self._tree.size != self._state.size:
            raise Unverified("tree", f"{self._tree.size} events, the head says {self._state.size}")
        if self._tree.frontier.root() != self._state.root:
            raise Unverified("tree", "the events do not have the head's root")
        return f"the tree of {self._state.size} events has the head's root"

    def _check_signature(self) -> str:
        """A key that was pinned when the newest event was logged, or is now."""
        keeper, origin = self._head.keeper, self._state.origin
        known = [k for k in self._trust.pinned_keys if (k.use, k.party, k.name) == ("custody", keeper, origin)]
        if not known:
            raise Unpinned("signature", f"no custody key of {origin} is pinned for {keeper}")
        refusals = []
        for key in known:
            refusal = key.why_not(self._newest_ms) and key.why_not(self._now_ms)
            if refusal:
                refusals.append(f"the key {refusal}")
                continue
            try:
                verify_checkpoint(self._head.checkpoint, VerifierKey.ed25519(key.name, key.public_key))
            except Unverified as error:
                refusals.append(error.reason)
            else:
                return f"signed by the custody key of {keeper}"
        raise Unverified("signature", "; ".join(refusals))

    def _compare_ledger(self) -> str:
        if self._ledger is None:
            raise self._ledger_error or Unpinned("ledger", "was not examined")
        size, root = self._ledger.fact["size"], str(self._ledger.fact["root"])
        if not isinstance(size, int) or size < 1:
            raise Malformed("ledger", "size", "must be a number of at least 1")
        if size > self._state.size:
            gone = f"events {self._state.size} to {size - 1}"
            raise Unverified("ledger", f"holds {size} events, the log ends at {self._state.size}: {gone} are gone")
        if self._head.complete and self._tree.root_at_stop.hex() != root:
            raise Unverified("ledger", f"events 0 to {size - 1} are not those whose root it holds")
        verify_consistency(size, self._state.size, self._head.consistency, bytes.fromhex(root), self._state.root)
        newer = self._state.size - size
        return f"{self._ledger.ledger} holds the first {size} events" + (f"; {newer} are newer" if newer else "")


def _run(number: int, check: Callable[[], str]) -> Step:
    try:
        result, detail = Result.OK, check()
    except Unpinned as error:
        result, detail = Result.NOT_RUN, str(error)
    except (Unverified, Malformed) as error:
        result, detail = Result.FAILED, str(error)
    return Step(number=number, name=_NAMES[number], result=result, detail=detail)


def _conclude(steps: list[Step]) -> Finding:
    results = {step.result for step in steps}
    if Result.FAILED in results:
        return Finding.INCONSISTENT
    return Finding.UNVERIFIABLE if Result.NOT_RUN in results else Finding.CONSISTENT
