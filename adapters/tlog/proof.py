"""Ledger proofs of kind `tlog`: a checkpoint with its log's signature and a quorum of cosignatures (docs/spec/ledger-tlog.md). Pure.

No byte of a proof is free: canonical JSON, the log's signature first, then exactly as many cosignatures as are needed, in the
order of the witnesses' names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.canonical import dumps, loads
from relay.core.checkpoint import Checkpoint, parse_checkpoint, parse_checkpoint_text, verify_cosignatures
from relay.core.errors import Unverified
from relay.core.fields import Fields
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.limits import NOTE_BYTES_MAX, TIME_S_MAX
from relay.core.note import Note, Signature, VerifierKey, format_note, verify
from relay.core.trust import LedgerRoot, Validator

KIND: Final = "tlog"
FORMAT: Final = "courtrelay-tlog-proof/v1"
PROOF_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX + 1024
THRESHOLD_MIN: Final = 2
"""The log and one witness: a checkpoint says no time, and nobody's but a witness's would count."""
_TX: Final = b"courtrelay/tlog/v1"
_WHAT: Final = "tlog proof"


def block_hash(text: str) -> bytes:
    """Hash of a checkpoint as a block: SHA-256 of its three lines. Signatures are no part of it."""
    return hashlib.sha256(text.encode()).digest()


def tx_id(text: str) -> bytes:
    """Id of the one transaction in that block."""
    return hashlib.sha256(_TX + text.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """A checkpoint's note with just the signatures that a proof needs, and the time in seconds since which it had them."""

    note: Note
    time_s: int


def find_quorum(
    note: Note, log_keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey], threshold: int, *, latest_s: int
) -> Quorum | None:
    """The earliest cosignatures that make up the threshold, None while there are too few; those dated after `latest_s` wait.

    `threshold` counts the log. Raises `Unverified` when the log did not sign, or a signature of a known key does not hold
    or stands twice.
    """
    log_key = verify(note, log_keys)[0]
    earliest: dict[str, tuple[int, VerifierKey]] = {}
    for key, time_s in verify_cosignatures(note, witnesses):
        if time_s <= latest_s and (key.name not in earliest or time_s < earliest[key.name][0]):
            earliest[key.name] = (time_s, key)
    chosen = sorted(earliest.values(), key=lambda one: (one[0], one[1].name))[: threshold - 1]
    if len(chosen) < threshold - 1:
        return None
    keys = [log_key, *sorted((key for _, key in chosen), key=lambda key: key.name)]
    return Quorum(
        note=Note(text=note.text, signatures=tuple(_line(note, key) for key in keys)),
        time_s=max(time_s for time_s, _ in chosen),
    )


def _line(note: Note, key: VerifierKey) -> Signature:
    return next(s for s in note.signatures if (s.name, s.key_id) == (key.name, key.key_id))


def build_proof(quorum: Quorum) -> bytes:
    """A proof's body."""
    return dumps({"format": FORMAT, "checkpoint": format_note(quorum.note).decode()})


def verify_tlog(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """Check a proof against the pinned log and witnesses. Raises `Malformed`, `Unverified`."""
    # 1. The proof is of this ledger and of this family.
    if proof.ledger != root.ledger or proof.kind != KIND or root.kind != KIND:
        raise Unverified(
            "ledger", f"the proof is of {proof.ledger} ({proof.kind}), pinned is {root.ledger} ({root.kind})"
        )
    # 2. The body is canonical JSON with exactly the known members.
    fields = Fields(loads(proof.body, what=_WHAT, bytes_max=PROOF_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    data = fields.string("checkpoint", chars_max=NOTE_BYTES_MAX).encode()
    fields.done()
    # 3. The checkpoint is a note of the pinned log, of at least one entry.
    checkpoint, note = parse_checkpoint(data)
    origin = root.validators[0].name
    if checkpoint.origin != origin or not checkpoint.size:
        raise Unverified("checkpoint", f"is of {checkpoint.origin} at size {checkpoint.size}; pinned is {origin}")
    # 4. There are exactly the threshold of signatures: the log's, then those of different witnesses in the order of their names.
    _check_order(note, root, origin)
    # 5. Every cosignature holds, and its key was valid at its own time. The last of these times is the time of the fact.
    time_s = max(_cosigned_s(note, signature, root) for signature in note.signatures[1:])
    # 6. The log's signature holds, and its key was valid at that time.
    _check_log(note, root, origin, time_s)
    # 7. What the checkpoint says is the fact.
    return _fact(root.ledger, note.text, time_s)


def _check_order(note: Note, root: LedgerRoot, origin: str) -> None:
    if root.threshold < THRESHOLD_MIN:
        raise Unverified("quorum", f"the pinned threshold is {root.threshold}; a tlog needs the log and a witness")
    names = [s.name for s in note.signatures]
    if len(names) != root.threshold:
        raise Unverified(
            "quorum", f"{len(names)} signatures; exactly {root.threshold} are needed, the log's among them"
        )
    if names[0] != origin:
        raise Unverified("quorum", f"the first signature is of {names[0]}; must be of the log {origin}")
    if names[1:] != sorted(set(names[1:])):
        raise Unverified("quorum", "cosignatures must be of different witnesses in the order of their names")


def _cosigned_s(note: Note, signature: Signature, root: LedgerRoot) -> int:
    """Seconds since 1970 UTC of one cosignature by a pinned witness, whose name is not the log's."""
    pinned = [v for v in root.validators[1:] if v.name == signature.name and v.name != root.validators[0].name]
    if not pinned:
        raise Unverified("quorum", f"{signature.name} is not a pinned witness")
    keys = {VerifierKey.cosigner(v.name, v.public_key): v for v in pinned}
    signed = verify_cosignatures(Note(text=note.text, signatures=(signature,)), list(keys))
    if not signed:
        raise Unverified("quorum", f"the cosignature of {signature.name} names another key")
    key, time_s = signed[0]
    _check_valid(keys[key], time_s)
    return time_s


def _check_log(note: Note, root: LedgerRoot, origin: str, time_s: int) -> None:
    keys = {VerifierKey.ed25519(v.name, v.public_key): v for v in root.validators if v.name == origin}
    signed = verify(Note(text=note.text, signatures=note.signatures[:1]), list(keys))
    _check_valid(keys[signed[0]], time_s)


def _check_valid(validator: Validator, time_s: int) -> None:
    if time_s > TIME_S_MAX or not validator.valid_from_ms <= time_s * 1000 < validator.valid_to_ms:
        raise Unverified("quorum", f"the key of {validator.name} was not valid at {time_s}")


def _fact(ledger: str, text: str, time_s: int) -> ProvenFact:
    checkpoint: Checkpoint = parse_checkpoint_text(text)
    return ProvenFact(
        ledger=ledger,
        height=checkpoint.size,
        block_hash=block_hash(text),
        tx_id=tx_id(text),
        time_ms=time_s * 1000,
        fact={
            "type": "anchor",
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "sender": checkpoint.origin,
        },
    )
