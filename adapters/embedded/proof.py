"""Ledger proofs of kind `quorum`: built by a node, verified by anyone (docs/spec/ledger-quorum.md). Pure.

No byte of a proof is free: canonical JSON, exactly the threshold of signatures in the order of validators' names, one spelling
of every number and hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.embedded.blocks import TX_BYTES_MAX, Header, parse_header, tx_id, validator_key
from relay.core.base64strict import b64decode, b64encode
from relay.core.canonical import dumps, loads
from relay.core.errors import Unverified
from relay.core.fields import Fields
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.limits import NOTE_BYTES_MAX, PROOF_HASHES_MAX
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.note import Note, check_ed25519, parse_note
from relay.core.trust import LedgerRoot

KIND: Final = "quorum"
FORMAT: Final = "courtrelay-quorum-proof/v1"
PROOF_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX + 2 * TX_BYTES_MAX
_WHAT: Final = "quorum proof"


def build_proof(block: bytes, tx: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """A proof's body from the signed block note, the transaction's bytes, its place and its Merkle path."""
    return dumps(
        {
            "format": FORMAT,
            "block": block.decode(),
            "tx": tx.decode(),
            "index": index,
            "path": [b64encode(h) for h in path],
        }
    )


def verify_quorum(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """Check a proof against the pinned validators of its ledger. Raises `Malformed`, `Unverified`."""
    # 1. The proof is of this ledger and of this family.
    if proof.ledger != root.ledger or proof.kind != KIND or root.kind != KIND:
        raise Unverified(
            "ledger", f"the proof is of {proof.ledger} ({proof.kind}), pinned is {root.ledger} ({root.kind})"
        )
    # 2. The body is canonical JSON with exactly the known members.
    fields = Fields(loads(proof.body, what=_WHAT, bytes_max=PROOF_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    block_text = fields.string("block", chars_max=NOTE_BYTES_MAX)
    tx = fields.string("tx", chars_max=TX_BYTES_MAX).encode()
    index = fields.integer("index")
    path = _path(fields)
    fields.done()
    # 3. The block is a note whose text is a header of this ledger.
    note = parse_note(block_text.encode())
    header = parse_header(note.text)
    if header.ledger != root.ledger:
        raise Unverified("block", f"the block is of ledger {header.ledger}, not {root.ledger}")
    # 4. Exactly the threshold of pinned validators, in order of their names, signed it, each valid at the block's time.
    _check_signatures(note, header, root)
    # 5. The transaction is a leaf of the block's tree.
    verify_inclusion(leaf_hash(tx), index, header.tx_count, path, header.tx_root)
    # 6. The transaction is canonical JSON; what it says is the fact.
    fact = loads(tx, what="transaction", bytes_max=TX_BYTES_MAX)
    return ProvenFact(
        ledger=root.ledger,
        height=header.height,
        block_hash=header.hash,
        tx_id=tx_id(tx),
        time_ms=header.time_ms,
        fact=fact,
    )


def _path(fields: Fields) -> list[bytes]:
    texts = fields.array("path", count_max=PROOF_HASHES_MAX, empty=True)
    hashes = []
    for text in texts:
        if not isinstance(text, str):
            raise fields.refuse("path", "must hold base64 strings")
        hashes.append(b64decode(text, what=_WHAT, field="path"))
    return hashes


def _check_signatures(note: Note, header: Header, root: LedgerRoot) -> None:
    known = {validator_key(root.ledger, v.name, v.public_key).name for v in root.validators}
    valid = {
        validator_key(root.ledger, v.name, v.public_key).name: v
        for v in root.validators
        if v.valid_from_ms <= header.time_ms < v.valid_to_ms
    }
    names = [s.name for s in note.signatures]
    if len(names) != root.threshold:
        raise Unverified("quorum", f"{len(names)} signatures; exactly {root.threshold} are needed")
    if names != sorted(set(names)):
        raise Unverified("quorum", "signatures must be of different validators in the order of their names")
    for signature in note.signatures:
        if signature.name not in known:
            raise Unverified("quorum", f"{signature.name} is not a pinned validator")
        validator = valid.get(signature.name)
        if validator is None:
            raise Unverified("quorum", f"the key of {signature.name} was not valid at the block's time")
        key = validator_key(root.ledger, validator.name, validator.public_key)
        if key.key_id != signature.key_id:
            raise Unverified("quorum", f"the signature of {signature.name} names another key")
        if not check_ed25519(key.public_key, signature.signature, note.text.encode()):
            raise Unverified("quorum", f"the signature of {signature.name} does not hold")
