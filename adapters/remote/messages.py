"""Messages of adapter.proto ↔ values of the port, with every bound that the file states. Used by both ends.

Readers (`…_from`) and the single checks raise `Malformed(what, field, reason)`: `what` is whose message it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from adapters.remote.v1 import adapter_pb2 as pb
from relay.core.checkpoint import Checkpoint, parse_origin
from relay.core.errors import Malformed
from relay.core.fields import IDENTIFIER, TOKEN
from relay.core.identity import URI_CHARS_MAX
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import JSON_INT_MAX, NOTE_BYTES_MAX, PROOF_HASHES_MAX, TIME_S_MAX, TREE_SIZE_MAX
from relay.core.merkle import HASH_BYTES
from relay.ports.ledgers import Anchor, AnchorBlock, GrantState, LedgerHead, Receipt, Submission

VERSIONS: Final = (1,)
"""Versions of the protocol that this code speaks, both ends."""
VERSIONS_MAX: Final = 16
PROOF_BYTES_MAX: Final = 512 * 1024
STATEMENT_BYTES_MAX: Final = 32 * 1024
ID_BYTES_MAX: Final = 64
"""Block hashes and transaction ids of any ledger."""
TIME_MS_MAX: Final = TIME_S_MAX * 1000 + 999
NAME_CHARS_MAX: Final = 64
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What an adapter says of itself; see HelloReply."""

    version: int
    name: str
    adapter_version: str
    family: str
    proof_kind: str
    ledger: str
    source: bool
    court: bool


def number(value: int, what: str, field: str, *, low: int = 0, high: int = JSON_INT_MAX) -> int:
    """A whole number within [low, high]."""
    if not isinstance(value, int) or not low <= value <= high:
        raise Malformed(what, field, f"must be a whole number from {low} to {high}")
    return value


def octets(value: bytes, what: str, field: str, *, low: int = 1, high: int = ID_BYTES_MAX) -> bytes:
    """Between `low` and `high` bytes."""
    if not isinstance(value, bytes) or not low <= len(value) <= high:
        raise Malformed(what, field, f"must be {low} to {high} bytes")
    return value


def digest(value: bytes, what: str, field: str) -> bytes:
    """Exactly 32 bytes."""
    return octets(value, what, field, low=DIGEST_BYTES, high=DIGEST_BYTES)


def origin(text: str, what: str) -> str:
    """A log's name that can be written in UTF-8."""
    try:
        parse_origin(text)
    except Malformed as error:
        raise Malformed(what, "origin", error.reason) from None
    if not text.isprintable():
        raise Malformed(what, "origin", "must be visible characters")
    return text


def identifier(text: str, what: str, field: str) -> str:
    """A ledger's id."""
    if IDENTIFIER.fullmatch(text) is None:
        raise Malformed(what, field, "must be 1 to 255 visible ASCII characters")
    return text


def token(text: str, what: str, field: str) -> str:
    """A family's or a proof format's name."""
    if TOKEN.fullmatch(text) is None:
        raise Malformed(what, field, "must be a lower-case name of letters, digits, _ and -")
    return text


def issuer(text: str, what: str) -> str:
    """A lender's SPIFFE id, not yet judged."""
    if not 0 < len(text) <= URI_CHARS_MAX or not text.isascii() or not text.isprintable():
        raise Malformed(what, "issuer", f"must be 1 to {URI_CHARS_MAX} visible ASCII characters")
    return text


def hashes(values: Iterable[bytes], what: str) -> tuple[bytes, ...]:
    """A consistency proof of a tree that can be."""
    held = tuple(values)
    if len(held) > PROOF_HASHES_MAX or any(len(one) != HASH_BYTES for one in held):
        raise Malformed(what, "consistency", f"must be at most {PROOF_HASHES_MAX} hashes of {HASH_BYTES} bytes")
    return held


def own(ledger: str, expected: str, what: str) -> str:
    """A message's ledger, which must be the one that is spoken of."""
    if ledger != expected:
        raise Malformed(what, "ledger", f"is {identifier(ledger, what, 'ledger')}, expected {expected}")
    return ledger


def checkpoint_of(name: str, size: int, root: bytes, what: str) -> Checkpoint:
    """A checkpoint's facts."""
    return Checkpoint(
        origin=origin(name, what),
        size=number(size, what, "size", low=1, high=TREE_SIZE_MAX),
        root=digest(root, what, "root"),
    )


def anchor_to(anchor: Anchor) -> pb.Anchor:
    """An anchor, as it is."""
    return pb.Anchor(
        ledger=anchor.ledger,
        origin=anchor.origin,
        size=anchor.size,
        root=anchor.root,
        height=anchor.height,
        block_hash=anchor.block_hash,
        tx_id=anchor.tx_id,
        time_ms=anchor.time_ms,
    )


def anchor_from(message: pb.Anchor | Anchor, ledger: str, what: str) -> Anchor:
    """An anchor on that ledger."""
    facts = checkpoint_of(message.origin, message.size, message.root, what)
    return Anchor(
        ledger=own(message.ledger, ledger, what),
        origin=facts.origin,
        size=facts.size,
        root=facts.root,
        height=number(message.height, what, "height", low=1),
        block_hash=octets(message.block_hash, what, "block_hash"),
        tx_id=octets(message.tx_id, what, "tx_id"),
        time_ms=number(message.time_ms, what, "time_ms", high=TIME_MS_MAX),
    )


def head_to(head: LedgerHead) -> pb.LedgerHead:
    """A head, as it is."""
    return pb.LedgerHead(height=head.height, block_hash=head.block_hash, final_height=head.final_height)


def head_from(message: pb.LedgerHead, what: str) -> LedgerHead:
    """A head whose final block is not above it."""
    height = number(message.height, what, "height")
    return LedgerHead(
        height=height,
        block_hash=octets(message.block_hash, what, "block_hash", low=1 if height else 0),
        final_height=number(message.final_height, what, "final_height", high=height),
    )


def block_to(block: AnchorBlock) -> pb.Block:
    """A block, as it is."""
    return pb.Block(
        height=block.height,
        block_hash=block.block_hash,
        parent_hash=block.parent_hash,
        time_ms=block.time_ms,
        anchors=[anchor_to(anchor) for anchor in block.anchors],
        final_height=block.final_height,
    )


def block_from(message: pb.Block, ledger: str, what: str) -> AnchorBlock:
    """A block and its anchors. That it fits to the one before is for the caller to see."""
    block = AnchorBlock(
        height=number(message.height, what, "height", low=1),
        block_hash=octets(message.block_hash, what, "block_hash"),
        parent_hash=octets(message.parent_hash, what, "parent_hash"),
        time_ms=number(message.time_ms, what, "time_ms", high=TIME_MS_MAX),
        anchors=tuple(anchor_from(anchor, ledger, what) for anchor in message.anchors),
        final_height=number(message.final_height, what, "final_height"),
    )
    if any((a.height, a.block_hash) != (block.height, block.block_hash) for a in block.anchors):
        raise Malformed(what, "anchors", f"an anchor in block {block.height} says that it is in another")
    return block


def proof_to(proof: LedgerProof) -> pb.LedgerProof:
    """A proof, as it is."""
    return pb.LedgerProof(kind=proof.kind, ledger=proof.ledger, body=proof.body)


def proof_from(message: pb.LedgerProof | LedgerProof, what: str) -> LedgerProof:
    """A proof of any ledger and kind; its body is the family's own."""
    return LedgerProof(
        kind=token(message.kind, what, "proof.kind"),
        ledger=identifier(message.ledger, what, "proof.ledger"),
        body=octets(message.body, what, "proof.body", high=PROOF_BYTES_MAX),
    )


def receipt_to(receipt: Receipt) -> pb.Receipt:
    """A receipt, as it is."""
    return pb.Receipt(
        ledger=receipt.ledger,
        origin=receipt.origin,
        size=receipt.size,
        root=receipt.root,
        height=receipt.height,
        tx_id=receipt.tx_id,
        time_ms=receipt.time_ms,
    )


def receipt_from(message: pb.Receipt, ledger: str, what: str) -> Receipt:
    """A receipt of that ledger."""
    facts = checkpoint_of(message.origin, message.size, message.root, what)
    return Receipt(
        ledger=own(message.ledger, ledger, what),
        origin=facts.origin,
        size=facts.size,
        root=facts.root,
        height=number(message.height, what, "height", low=1),
        tx_id=octets(message.tx_id, what, "tx_id"),
        time_ms=number(message.time_ms, what, "time_ms", high=TIME_MS_MAX),
    )


def submission_from(message: pb.SubmitRequest | Submission, what: str) -> Submission:
    """A submission within its bounds; its signatures and proofs are the ledger's to judge."""
    return Submission(
        checkpoint=octets(message.checkpoint, what, "checkpoint", high=NOTE_BYTES_MAX),
        old_size=number(message.old_size, what, "old_size", high=TREE_SIZE_MAX),
        consistency=hashes(message.consistency, what),
        anchor=proof_from(message.anchor, what),
        attempt=number(message.attempt, what, "attempt"),
    )


def grant_state_from(message: pb.GrantStateReply, what: str) -> GrantState:
    """A grant's state that does not contradict itself."""
    state = GrantState(
        registered_ms=number(message.registered_ms, what, "registered_ms", high=TIME_MS_MAX),
        revoked_ms=number(message.revoked_ms, what, "revoked_ms", high=TIME_MS_MAX),
        registration=octets(message.registration, what, "registration", low=0),
    )
    if bool(state.registered_ms) != bool(state.registration) or (state.revoked_ms and not state.registered_ms):
        raise Malformed(what, "registration", "must be there exactly when the grant was registered")
    return state


def greeting_from(message: pb.HelloReply, what: str) -> Greeting:
    """A greeting of a version that was offered."""
    for field, text in (("name", message.name), ("adapter_version", message.adapter_version)):
        if len(text) > NAME_CHARS_MAX or IDENTIFIER.fullmatch(text) is None:
            raise Malformed(what, field, f"must be 1 to {NAME_CHARS_MAX} visible ASCII characters")
    return Greeting(
        version=message.version,
        name=message.name,
        adapter_version=message.adapter_version,
        family=token(message.family, what, "family"),
        proof_kind=token(message.proof_kind, what, "proof_kind"),
        ledger=identifier(message.ledger, what, "ledger"),
        source=message.source,
        court=message.court,
    )
