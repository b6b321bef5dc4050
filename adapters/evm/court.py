"""A court's chain behind the port: acceptances, custody heads and statements on grants are events of the contract CourtRegistry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.evm.abi import court_registry_interface
from adapters.evm.admission import OWN, Admission
from adapters.evm.chain import PAUSE_S, TRIES, Header, Placed
from adapters.evm.events import STATEMENT_BYTES_MAX, TOPICS
from adapters.evm.keccak import keccak256
from adapters.evm.opening import Opened, check_hash, check_name, check_number, check_size, open_ledger
from relay.core.checkpoint import Checkpoint
from relay.core.checks import Verifiers
from relay.core.errors import Conflict, Malformed, NotFound, Unavailable
from relay.core.fields import IDENTIFIER
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import PROOF_HASHES_MAX, TREE_SIZE_MAX
from relay.ports.ledgers import GrantState, Receipt, Submission

_CHECKPOINT: Final = ("accepted", "CheckpointAccepted")
_CUSTODY: Final = ("acceptedCustody", "CustodyHead")


class EvmCourt:
    """Implements relay.ports.CourtRegistry."""

    def __init__(self, opened: Opened, admission: Admission) -> None:
        self._opened = opened
        self._chain = opened.chain
        self._admission = admission

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._opened.config.ledger

    async def latest(self, origin: str) -> Receipt | None:
        """See the port."""
        if IDENTIFIER.fullmatch(origin) is None:
            return None
        for view, kind in (("last", _CHECKPOINT), ("lastCustody", _CUSTODY)):
            size, _ = await self._chain.view(view, origin)
            placed = await self._placed(kind, origin, size) if size else None
            if placed is not None:
                return self._receipt(placed)
        return None

    async def submit(self, submission: Submission) -> Receipt:
        """See the port."""
        consistency = _hashes(submission.consistency)
        old_size, attempt = check_size(submission.old_size, "old_size"), check_number(submission.attempt, "attempt")
        checkpoint = await asyncio.to_thread(self._admission.submission, submission)
        source = keccak256(submission.anchor.body)
        data = self._chain.interface.encode(
            "submit", *_facts(checkpoint), old_size, consistency, attempt, source
        )  # fmt: skip
        return self._receipt(await self._extend(_CHECKPOINT, checkpoint, data))

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        """See the port. What is accepted and not final yet is neither a receipt nor none: `Unavailable`."""
        placed = await self._placed(_CHECKPOINT, origin, size)
        if placed is None or placed.event.fact["root"] != root.hex():
            return None
        final = (await self._chain.head()).final_height
        if placed.event.height > final:
            raise Unavailable(
                f"{self.ledger} has {origin} at size {size} in block {placed.event.height}, not final yet: final is {final}"
            )
        return self._receipt(placed)

    async def prove(self, tx_id: bytes) -> LedgerProof:
        """See the port."""
        if len(tx_id) != 32:
            raise NotFound(f"{self.ledger} has no transaction with an id of {len(tx_id)} bytes")
        return await self._opened.prover.prove(tx_id, lambda _fact: True)

    async def record_grant(self, statement: bytes) -> bytes:
        """See the port."""
        if len(statement) > STATEMENT_BYTES_MAX:
            raise Malformed("statement", "", f"{len(statement)} bytes; at most {STATEMENT_BYTES_MAX} fit this ledger")
        told = await asyncio.to_thread(self._admission.statement, statement)
        issuer, digest = check_name(told.iss, "issuer"), bytes.fromhex(told.grant)
        revoke = told.action == "revoke"

        async def find() -> Placed | None:
            found = (await self._grant(issuer, digest))[revoke]
            if isinstance(found, Header):
                raise Conflict(
                    f"block {found.height} of {self.ledger} records this grant in a form that is no statement of {issuer}"
                )
            return found

        data = self._chain.interface.encode("recordGrant", issuer, digest, revoke, statement)
        sender = self._opened.sender
        return (await self._opened.written_final(lambda: sender.write(issuer, find, data))).event.tx_id

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        """See the port. A registration counts once it is final and the issuer's own word, a revocation as soon as a block holds any:
        where a writer has spoiled the one place for it, the issuer can no longer revoke, and no access is the safer reading.
        """
        nothing = GrantState(registered_ms=0, revoked_ms=0, registration=b"")
        if IDENTIFIER.fullmatch(issuer) is None or len(digest) != 32:
            return nothing
        registered, revoked = await self._grant(issuer, digest)
        if not isinstance(registered, Placed):
            return nothing
        if registered.event.height > (await self._chain.head()).final_height:
            return nothing
        return GrantState(
            registered_ms=registered.time_ms,
            revoked_ms=0 if revoked is None else revoked.time_ms,
            registration=registered.event.tx_id,
        )

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        """See the port."""
        hashes, old = _hashes(consistency), check_size(old_size, "old_size")
        head = await asyncio.to_thread(self._admission.custody, checkpoint)
        data = self._chain.interface.encode("custody", *_facts(head), old, hashes)
        return (await self._extend(_CUSTODY, head, data)).event.tx_id

    async def close(self) -> None:
        """See the port."""
        await self._opened.close()

    async def _extend(self, kind: tuple[str, str], checkpoint: Checkpoint, data: bytes) -> Placed:
        """Write what extends a log, unless it stands there already."""
        origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root

        async def find() -> Placed | None:
            placed = await self._placed(kind, origin, size)
            if placed is not None and placed.event.fact["root"] != root.hex():
                raise Conflict(f"another root of {origin} at size {size} stands on {self.ledger} already")
            return placed

        sender = self._opened.sender
        return await self._opened.written_final(lambda: sender.write(origin, find, data))

    async def _placed(self, kind: tuple[str, str], origin: str, size: int) -> Placed | None:
        if IDENTIFIER.fullmatch(origin) is None or not 1 <= size <= TREE_SIZE_MAX:
            return None
        view, event = kind
        topics = (TOPICS[event], keccak256(origin.encode()))
        return await self._chain.entry(view, (origin, size), topics, origin=origin, size=size)

    async def _grant(self, issuer: str, digest: bytes) -> list[Placed | Header | None]:
        """[registration, revocation] as the newest block has them; only the block where a writer recorded what no lender said."""
        topics = (TOPICS["GrantRecorded"], keccak256(issuer.encode()), digest)
        found: list[Placed | Header | None] = []
        for attempt in range(TRIES):
            found = []
            for block, action in zip(
                await self._chain.view("grantState", issuer, digest), ("register", "revoke"), strict=True
            ):
                placed = await self._chain.placed(block, topics, action=action) if block else None
                found.append(placed if placed is not None or not block else await self._chain.at(block))
            if not any(isinstance(one, Header) for one in found) or attempt == TRIES - 1:
                break
            await asyncio.sleep(PAUSE_S)  # a block may have left the chain between the two questions
        return found

    def _receipt(self, placed: Placed) -> Receipt:
        event = placed.event
        return Receipt(
            ledger=self.ledger,
            origin=str(event.fact["origin"]),
            size=int(event.fact["size"]),
            root=bytes.fromhex(event.fact["root"]),
            height=event.height,
            tx_id=event.tx_id,
            time_ms=placed.time_ms,
        )


def _facts(checkpoint: Checkpoint) -> tuple[str, int, bytes]:
    return (
        check_name(checkpoint.origin, "origin"),
        check_size(checkpoint.size, "size", 1),
        check_hash(checkpoint.root, "root"),
    )


def _hashes(consistency: Sequence[bytes]) -> list[bytes]:
    if len(consistency) > PROOF_HASHES_MAX:
        raise Malformed("transaction", "consistency", f"{len(consistency)} hashes; at most {PROOF_HASHES_MAX}")
    return [check_hash(one, "consistency") for one in consistency]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def open_court(config: Mapping[str, object], *, qbft: bool = False, verifiers: Verifiers = OWN) -> EvmCourt:
    """Connect to a court's chain; with `account` as a writer. Keys: see docs/evm.md. `verifiers` by proof kind, for lenders' ledgers.

    Raises `Malformed`.
    """
    opened = await open_ledger(config, court_registry_interface(), qbft=qbft)
    return EvmCourt(opened, Admission(opened.trust, verifiers, _now_ms))
