"""A ledger in memory with the rules of a lender's and a court's, so that the package works as it is. Your own takes its place.

It proves nothing to anyone: the key that signs its blocks is the hash of its name.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.conformance.skeleton.proof import FAMILY, build_proof, verify_proof
from relay.core.canonical import dumps
from relay.core.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint, verify_cosignatures
from relay.core.errors import Conflict, Denied, Malformed, NotFound, Unverified
from relay.core.grants import parse_grant_statement, verify_grant_statement
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import TREE_SIZE_MAX
from relay.core.merkle import verify_consistency
from relay.core.note import VerifierKey
from relay.core.trust import LedgerRoot, Validator
from relay.ports.ledgers import Submission

FINAL_DEPTH: Final = 2
LEDGERS: Final[dict[str, Ledger]] = {}
Block = dict[str, Any]


class Ledger:
    """At most one transaction a block; a block is canonical JSON, linked by SHA-256, and final under FINAL_DEPTH others."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.chain: list[Block] = []
        self._made = 0

    def root(self) -> LedgerRoot:
        """What trust roots pin of it."""
        key = self._key.public_key().public_bytes_raw()
        validator = Validator(name="memory", public_key=key, valid_from_ms=0, valid_to_ms=253_402_300_799_000)
        return LedgerRoot(ledger=self.name, kind=FAMILY, threshold=1, validators=(validator,))

    @property
    def final_height(self) -> int:
        """The highest final block."""
        return max(0, len(self.chain) - FINAL_DEPTH)

    def append(self, fact: dict[str, Any] | None) -> Block:
        """A new block with this transaction, or empty. `made` tells blocks of one height apart."""
        parent = self.chain[-1]["hash"] if self.chain else bytes(32)
        time_ms = max(time.time_ns() // 1_000_000, self.chain[-1]["time"] if self.chain else 0)
        self._made += 1
        block: Block = {"height": len(self.chain) + 1, "time": time_ms, "fact": fact}
        data = dumps({**block, "ledger": self.name, "parent": parent.hex(), "made": self._made})
        self.chain.append({**block, "parent": parent, "data": data, "hash": hashlib.sha256(data).digest()})
        return self.chain[-1]

    def reorganise(self, depth: int) -> None:
        """Other, empty blocks instead of the newest ones, and one more."""
        del self.chain[-depth:]
        for _ in range(depth + 1):
            self.append(None)

    def having(self, **members: object) -> list[Block]:
        """Blocks whose transaction has these members, in their order. A real ledger keeps an index."""
        return [b for b in self.chain if b["fact"] and all(b["fact"].get(k) == v for k, v in members.items())]

    def prove(self, tx_id: bytes) -> LedgerProof:
        """Raises `NotFound` for what is not in a final block."""
        for block in self.chain[: self.final_height]:
            if block["hash"] == tx_id and block["fact"]:
                return build_proof(self.name, block["data"], self._key.sign(block["data"]))
        raise NotFound("no such transaction in a final block")

    def extend(
        self, kind: str, log: Checkpoint, old_size: int | None = None, consistency: tuple[bytes, ...] = ()
    ) -> Block:
        """A growing log's rule: the same facts again are the first transaction, all else must extend the last."""
        fact = {"type": kind, "origin": log.origin, "size": log.size, "root": log.root.hex()}
        same = self.having(**fact)
        if same:
            return same[0]
        known = self.having(type=kind, origin=log.origin)
        last: dict[str, Any] = known[-1]["fact"] if known else {"size": 0, "root": ""}
        if log.size <= last["size"] or old_size not in (None, last["size"]):
            raise Conflict(f"the last size of {log.origin} here is {last['size']}")
        if old_size:
            verify_consistency(old_size, log.size, consistency, bytes.fromhex(last["root"]), log.root)
        elif consistency:
            raise Unverified("consistency", "a first checkpoint has no consistency proof")
        return self._final(self.append(fact)) if kind != "anchor" else self.append(fact)

    def submit(self, submission: Submission, keys: Mapping[str, str]) -> Block:
        """What a court's ledger asks of a checkpoint: log signature, cosignature, and the anchor on the lender's ledger."""
        checkpoint = signed(submission.checkpoint, keys["log"])
        _, note = parse_checkpoint(submission.checkpoint)
        if not verify_cosignatures(note, [VerifierKey.parse(keys["witness"])]):
            raise Unverified("witness", "the cosignature is missing")
        if max(submission.old_size, submission.attempt) > TREE_SIZE_MAX:
            raise Malformed("submission", "old_size", "is a number that no tree has")
        shown = verify_proof(submission.anchor, Ledger(keys["source"]).root()).fact
        if (shown["origin"], shown["size"], shown["root"]) != (
            checkpoint.origin,
            checkpoint.size,
            checkpoint.root.hex(),
        ):
            raise Unverified("anchor", "is of another checkpoint")
        return self.extend("checkpoint", checkpoint, submission.old_size, submission.consistency)

    def record(self, statement: bytes, keys: Mapping[str, str]) -> Block:
        """The first registration and the first revocation of a grant count, by issuer and digest."""
        said = parse_grant_statement(statement)
        if said.iss != keys["issuer"]:
            raise Denied(f"{said.iss} is not registered here")
        verify_grant_statement(said, VerifierKey.parse(keys["grant"]).public_key)
        fact = {"type": "grant", "action": said.action, "grant": said.grant, "issuer": said.iss}
        same = self.having(**fact)
        if said.action == "revoke" and not self.having(**{**fact, "action": "register"}):
            raise Conflict("a grant that was never registered cannot be revoked")
        return same[0] if same else self._final(self.append({**fact, "exp": said.exp, "statement": said.jws.token}))

    def _final(self, block: Block) -> Block:
        while self.final_height < block["height"]:
            self.append(None)
        return block


def signed(note: bytes, key: str) -> Checkpoint:
    """The checkpoint, if the one registered key of its log signed it."""
    known = VerifierKey.parse(key)
    if parse_checkpoint(note)[0].origin != known.name:
        raise Denied("this log is not registered here")
    return verify_checkpoint(note, known)
