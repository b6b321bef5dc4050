"""Faults of a CourtRegistry."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from relay.conformance.skeleton.ledger import FINAL_DEPTH
from relay.conformance.writing import FORK, tree
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Conflict, Denied, NotFound, Unverified
from relay.core.grants import parse_grant_statement
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import GrantState, Receipt, Submission
from tests.conformance.faults import Around, plant


class Accepting(Around):
    """Writes a checkpoint past the ledger's own rules."""

    def write(self, submission: Submission) -> Receipt:
        checkpoint, _ = parse_checkpoint(submission.checkpoint)
        fact = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        block = self.node.append({"type": "checkpoint", **fact})
        for _ in range(FINAL_DEPTH):
            self.node.append(None)
        return self.good._receipt(block)  # type: ignore[no-any-return]


@plant(
    "court",
    "court.submit.attempt-changes-nothing",
    "court.submit.earlier-again",
    "court.submit.same-concurrent",
)
class TakesEveryAttemptForANewOne(Accepting):
    async def submit(self, submission: Submission) -> Receipt:
        before = len(self.node.chain)
        receipt = await self.good.submit(submission)
        if submission.attempt > 1 and len(self.node.chain) == before:
            return self.write(submission)
        return receipt  # type: ignore[no-any-return]


@plant("court", "court.submit.same-again")
class GivesANewReceiptEachTime(Around):
    """For the same attempt of the same submission."""

    last: dict[bytes, int] = {}

    async def submit(self, submission: Submission) -> Receipt:
        receipt = await self.good.submit(submission)
        key = hashlib.sha256(submission.checkpoint + bytes([submission.attempt % 256])).digest()
        times = self.last[key] = self.last.get(key, 0) + 1
        return replace(receipt, height=receipt.height + times - 1)


@plant("court", "court.submit.fork")
class AcceptsAFork(Accepting):
    async def submit(self, submission: Submission) -> Receipt:
        try:
            return await self.good.submit(submission)  # type: ignore[no-any-return]
        except Unverified:
            checkpoint, _ = parse_checkpoint(submission.checkpoint)
            if checkpoint.root != tree(FORK).root(checkpoint.size):
                raise
            return self.write(submission)


@plant("court", "court.submit.old-size-stale", "court.submit.rivals")
class AcceptsAStaleOldSize(Accepting):
    async def submit(self, submission: Submission) -> Receipt:
        try:
            return await self.good.submit(submission)  # type: ignore[no-any-return]
        except Conflict:
            checkpoint, _ = parse_checkpoint(submission.checkpoint)
            last = await self.good.latest(checkpoint.origin)
            if last is None or submission.old_size >= last.size or checkpoint.size <= last.size:
                raise
            return self.write(submission)


@plant("court", "court.submit.old-size-ahead")
class LetsAGapThrough(Accepting):
    async def submit(self, submission: Submission) -> Receipt:
        try:
            return await self.good.submit(submission)  # type: ignore[no-any-return]
        except Conflict:
            checkpoint, _ = parse_checkpoint(submission.checkpoint)
            last = await self.good.latest(checkpoint.origin)
            if last is None or not last.size < submission.old_size < checkpoint.size:
                raise
            return self.write(submission)


@plant("court", "court.submit.consistency-missing", "court.submit.good-after-refusals")
class TrustsSizesAlone(Accepting):
    async def submit(self, submission: Submission) -> Receipt:
        try:
            return await self.good.submit(submission)  # type: ignore[no-any-return]
        except Unverified as refusal:
            if submission.consistency or refusal.step != "consistency":
                raise
            return self.write(submission)


@plant("court", "court.submit.times-in-ms", "court.prove.same-place")
class CountsSecondsAtCourt(Around):
    async def submit(self, submission: Submission) -> Receipt:
        return _seconds(await self.good.submit(submission))

    async def latest(self, origin: str) -> Receipt | None:
        found = await self.good.latest(origin)
        return _seconds(found) if found else None

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        found = await self.good.find(origin, size, root)
        return _seconds(found) if found else None


def _seconds(receipt: Receipt) -> Receipt:
    return replace(receipt, time_ms=receipt.time_ms // 1000)


@plant("court", "court.submit.no-note")
class LeaksADecodingError(Around):
    async def submit(self, submission: Submission) -> Receipt:
        _ = submission.checkpoint.decode()
        return await self.good.submit(submission)  # type: ignore[no-any-return]


@plant("court", "court.find.other-root")
class FindsWithoutTheRoot(Around):
    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        found = self.good._node.having(type="checkpoint", origin=origin, size=size)
        return self.good._receipt(found[0]) if found else None


@plant("court", "court.find.other-size")
class FindsTheNextSize(Around):
    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        found = self.good._node.having(type="checkpoint", origin=origin, root=root.hex())
        return self.good._receipt(found[0]) if found else None


@plant("court", "court.latest.unknown-origin", "court.submit.unregistered")
class DeniesAQuestion(Around):
    async def latest(self, origin: str) -> Receipt | None:
        if origin.startswith("conformance.example"):
            raise Denied("not registered")
        return await self.good.latest(origin)  # type: ignore[no-any-return]


@plant("court", "court.prove.unknown-transaction")
class ProvesTheLastInstead(Around):
    async def prove(self, tx_id: bytes) -> LedgerProof:
        try:
            return await self.good.prove(tx_id)  # type: ignore[no-any-return]
        except NotFound:
            return await self.good.prove(self.node.having(type="checkpoint")[-1]["hash"])  # type: ignore[no-any-return]


@plant("court", "court.prove.at-once")
class AnswersBeforeFinal(Around):
    """The first question for a proof comes too early."""

    asked: set[bytes] = set()

    async def prove(self, tx_id: bytes) -> LedgerProof:
        if any(block["hash"] == tx_id for block in self.good._node.chain) and tx_id not in self.asked:
            self.asked.add(tx_id)
            raise NotFound("not final")
        return await self.good.prove(tx_id)  # type: ignore[no-any-return]


@plant("court", "court.grants.other-issuer")
class KeepsGrantsByDigestAlone(Around):
    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        return await self.good.grant_state(_issuer(self.node, digest), digest)  # type: ignore[no-any-return]


def _issuer(node: Any, digest: bytes) -> str:
    found = node.having(type="grant", grant=digest.hex())
    return str(found[0]["fact"]["issuer"]) if found else ""


@plant("court", "court.grants.revoked-stays")
class LosesARevocation(Around):
    """When the grant is registered again."""

    back: set[str] = set()

    async def record_grant(self, statement: bytes) -> bytes:
        tx = await self.good.record_grant(statement)
        said = parse_grant_statement(statement)
        if said.action == "register" and self.node.having(type="grant", action="revoke", grant=said.grant):
            self.back.add(said.grant)
        return tx  # type: ignore[no-any-return]

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        state = await self.good.grant_state(issuer, digest)
        return replace(state, revoked_ms=0) if digest.hex() in self.back else state


@plant("court", "court.grants.revoke-unregistered")
class RevokesTheUnknownSilently(Around):
    async def record_grant(self, statement: bytes) -> bytes:
        try:
            return await self.good.record_grant(statement)  # type: ignore[no-any-return]
        except Conflict:
            return bytes(32)


@plant("court", "court.grants.times-in-ms")
class CountsGrantsInSeconds(Around):
    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        state = await self.good.grant_state(issuer, digest)
        return replace(state, registered_ms=state.registered_ms // 1000, revoked_ms=state.revoked_ms // 1000)


@plant("court", "court.custody.forked")
class AcceptsAForkedCustodyLog(Around):
    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        try:
            return await self.good.append_custody_head(checkpoint, old_size, consistency)  # type: ignore[no-any-return]
        except Unverified as refusal:
            if refusal.step != "consistency":
                raise
            return bytes(32)


@plant("court", "court.close.then-use", "court.close.then-submit")
class LeaksAtItsEnd(Around):
    def __getattribute__(self, name: str) -> Any:
        good = object.__getattribute__(self, "good")
        if good._open is None and name not in ("close", "ledger"):
            raise RuntimeError("the channel is closed")
        return getattr(good, name)
