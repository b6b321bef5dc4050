"""What a ledger accepts: checks that need no state (before a transaction is queued) and the state's own rules (in its commit)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.embedded.genesis import Genesis, RegisteredKey, RegisteredLog
from relay.core.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint, verify_cosignatures
from relay.core.checks import Verifiers
from relay.core.errors import Conflict, Denied, Malformed, Unverified
from relay.core.grants import parse_grant_statement, verify_grant_statement
from relay.core.jose import thumbprint
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.limits import FUTURE_SKEW_S
from relay.core.merkle import verify_consistency
from relay.core.note import Note, VerifierKey
from relay.core.trust import LedgerRoot

SCHEMA: Final = """
CREATE TABLE block (
    height INTEGER PRIMARY KEY, hash BLOB NOT NULL, previous BLOB NOT NULL, time_ms INTEGER NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE tx (
    id BLOB PRIMARY KEY, height INTEGER NOT NULL REFERENCES block DEFERRABLE INITIALLY DEFERRED,
    position INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX tx_by_place ON tx (height, position);
CREATE TABLE fact (
    kind TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, tx BLOB NOT NULL,
    PRIMARY KEY (kind, origin, size)
) STRICT;
CREATE INDEX fact_by_tx ON fact (tx);
CREATE TABLE owner (origin TEXT PRIMARY KEY, sender TEXT NOT NULL) STRICT;
CREATE TABLE grant_state (
    issuer TEXT NOT NULL, digest BLOB NOT NULL, registered BLOB NOT NULL, revoked BLOB, PRIMARY KEY (issuer, digest)
) STRICT;
"""

Fact = dict[str, object]
Apply = Callable[[sqlite3.Connection, bytes], bytes]
"""Applies one transaction to the state inside the block's commit: (connection, own tx id) → id of the transaction that
stands for it, which is an earlier one when the same was written before. Raises what the caller shall see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A transaction that passed every check that needs no state."""

    fact: Fact
    apply: Apply


def draft_anchor(genesis: Genesis, checkpoint: Checkpoint, sender: str) -> Draft:
    """An anchor on a lender's ledger. The first sender of an origin owns it."""
    if genesis.mode != "lender":
        raise Denied("anchors belong on a lender's ledger")
    if checkpoint.size < 1:
        raise Malformed("anchor", "size", "must be at least 1")
    fact = _checkpoint_fact("anchor", checkpoint, sender)

    def apply(c: sqlite3.Connection, tx: bytes) -> bytes:
        c.execute("INSERT INTO owner VALUES (?, ?) ON CONFLICT DO NOTHING", (checkpoint.origin, sender))
        owner = c.execute("SELECT sender FROM owner WHERE origin = ?", (checkpoint.origin,)).fetchone()
        if owner[0] != sender:
            raise Denied(f"origin {checkpoint.origin} belongs to another sender")
        return _extend(c, "anchor", checkpoint, tx)

    return Draft(fact=fact, apply=apply)


def draft_checkpoint(
    genesis: Genesis,
    note_bytes: bytes,
    old_size: int,
    consistency: Sequence[bytes],
    source: LedgerProof,
    attempt: int,
    sender: str,
    verifiers: Verifiers,
) -> Draft:
    """A checkpoint on a court's ledger; `verifiers` has one for every source's kind. Raises `Denied`, `Malformed`, `Unverified`."""
    checkpoint, note = parse_checkpoint(note_bytes)
    log = _registered(genesis, checkpoint.origin)
    proven = _proven(source, log.source, verifiers)
    _check_signed(note_bytes, log.log_keys, proven.time_ms)
    _check_witnesses(genesis, note, proven.time_ms)
    anchored = {"type": "anchor", **_facts(checkpoint)}
    if any(proven.fact.get(name) != value for name, value in anchored.items()):
        raise Unverified("source", "the anchor on the lender's ledger is of another checkpoint")
    fact = _checkpoint_fact("checkpoint", checkpoint, sender)
    fact |= {
        "old_size": old_size,
        "attempt": attempt,
        "source": {"ledger": proven.ledger, "height": proven.height, "tx": proven.tx_id.hex()},
    }

    def apply(c: sqlite3.Connection, tx: bytes) -> bytes:
        return _extend(c, "checkpoint", checkpoint, tx, old_size, consistency)

    return Draft(fact=fact, apply=apply)


def draft_custody(
    genesis: Genesis, note_bytes: bytes, old_size: int, consistency: Sequence[bytes], sender: str, now_ms: int
) -> Draft:
    """A custody log's checkpoint on a court's ledger. Raises `Denied`, `Malformed`, `Unverified`."""
    checkpoint, _ = parse_checkpoint(note_bytes)
    keys = [k for k in genesis.custody if k.name == checkpoint.origin]
    if not keys:
        raise Denied(f"custody log {checkpoint.origin} is not registered here")
    _check_signed(note_bytes, keys, now_ms)
    fact = _checkpoint_fact("custody", checkpoint, sender)

    def apply(c: sqlite3.Connection, tx: bytes) -> bytes:
        return _extend(c, "custody", checkpoint, tx, old_size, consistency)

    return Draft(fact=fact, apply=apply)


def draft_grant(genesis: Genesis, statement_bytes: bytes, sender: str, now_ms: int) -> Draft:
    """A grant's registration or revocation on a court's ledger. Raises `Denied`, `Malformed`, `Unverified`."""
    statement = parse_grant_statement(statement_bytes)
    keys = [key for log in genesis.logs if log.custodian == statement.iss for key in log.grant_keys]
    if not keys:
        raise Denied(f"{statement.iss} is not registered here")
    key = next((k for k in keys if thumbprint(k.public_key) == statement.jws.kid), None)
    if key is None or not key.valid(now_ms):
        raise Unverified("grant statement", f"no grant key of {statement.iss} that counts now signed it")
    verify_grant_statement(statement, key.public_key)
    fact: Fact = {
        "type": "grant",
        "action": statement.action,
        "grant": statement.grant,
        "issuer": statement.iss,
        "statement": statement.jws.token,
        "sender": sender,
    }
    if statement.exp is not None:
        fact["exp"] = statement.exp
    state = (statement.iss, bytes.fromhex(statement.grant))  # nobody speaks for another lender's grant

    def apply(c: sqlite3.Connection, tx: bytes) -> bytes:
        row = c.execute("SELECT registered, revoked FROM grant_state WHERE issuer = ? AND digest = ?", state).fetchone()
        if statement.action == "register":
            if row is None:
                c.execute("INSERT INTO grant_state VALUES (?, ?, ?, NULL)", (*state, tx))
            return tx if row is None else bytes(row[0])
        if row is None:
            raise Conflict("a grant that was never registered cannot be revoked")
        if row[1] is None:
            c.execute("UPDATE grant_state SET revoked = ? WHERE issuer = ? AND digest = ?", (tx, *state))
        return tx if row[1] is None else bytes(row[1])

    return Draft(fact=fact, apply=apply)


def _registered(genesis: Genesis, origin: str) -> RegisteredLog:
    log = next((log for log in genesis.logs if log.origin == origin), None)
    if log is None:
        raise Denied(f"origin {origin} is not registered here")
    return log


def _proven(proof: LedgerProof, pinned: LedgerRoot, verifiers: Verifiers) -> ProvenFact:
    """What the proof shows, by the verifier of the kind that genesis pins: the proof does not choose."""
    if (proof.ledger, proof.kind) != (pinned.ledger, pinned.kind):
        reason = f"the proof is of {proof.ledger} ({proof.kind}), registered is {pinned.ledger} ({pinned.kind})"
        raise Unverified("source", reason)
    return verifiers[pinned.kind](proof, pinned)


def _check_signed(note: bytes, keys: Sequence[RegisteredKey], at_ms: int) -> None:
    """One of the keys that counted then signed it."""
    for key in keys:
        if not key.valid(at_ms):
            continue
        try:
            verify_checkpoint(note, VerifierKey.ed25519(key.name, key.public_key))
            return
        except Unverified:
            continue
    raise Unverified("signature", f"no registered key of {keys[0].name} that counted then signed this checkpoint")


def _check_witnesses(genesis: Genesis, note: Note, anchored_ms: int) -> None:
    """Every witness, with a key that counted when it cosigned; nobody cosigns what is not anchored yet."""
    keys = {VerifierKey.cosigner(k.name, k.public_key): k for k in genesis.witnesses}
    cosigned = {
        key.name
        for key, time_s in verify_cosignatures(note, list(keys))
        if keys[key].valid(time_s * 1000) and time_s * 1000 >= anchored_ms - FUTURE_SKEW_S * 1000
    }
    missing = sorted({k.name for k in genesis.witnesses} - cosigned)
    if missing:
        raise Unverified("witness", f"the cosignature of {missing[0]} is missing")


def _facts(checkpoint: Checkpoint) -> Fact:
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}


def _checkpoint_fact(kind: str, checkpoint: Checkpoint, sender: str) -> Fact:
    return {"type": kind, **_facts(checkpoint), "sender": sender}


def _extend(
    c: sqlite3.Connection,
    kind: str,
    checkpoint: Checkpoint,
    tx: bytes,
    old_size: int | None = None,
    consistency: Sequence[bytes] = (),
) -> bytes:
    """The state's rule for every growing log: the same facts again are the first transaction, all else must extend the last."""
    origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root
    same = c.execute(
        "SELECT root, tx FROM fact WHERE kind = ? AND origin = ? AND size = ?", (kind, origin, size)
    ).fetchone()
    if same is not None:
        if same[0] != root:
            raise Conflict(f"another root of {origin} at size {size} stands here already")
        return bytes(same[1])
    last = c.execute(
        "SELECT size, root FROM fact WHERE kind = ? AND origin = ? ORDER BY size DESC LIMIT 1", (kind, origin)
    ).fetchone() or (0, b"")
    if size <= last[0]:
        raise Conflict(f"a checkpoint of {origin} at size {size} does not extend size {last[0]}")
    if old_size is not None:
        if old_size != last[0]:
            raise Conflict(f"the last size of {origin} here is {last[0]}, not {old_size}")
        if last[0]:
            verify_consistency(last[0], size, consistency, last[1], root)
        elif consistency:
            raise Unverified("consistency", "a first checkpoint has no consistency proof")
    c.execute("INSERT INTO fact VALUES (?, ?, ?, ?, ?)", (kind, origin, size, root, tx))
    return tx
