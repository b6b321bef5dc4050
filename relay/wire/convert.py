"""Between protobuf messages and domain values. Protobuf types stop here and in the servers and clients beside it."""

from __future__ import annotations

from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import NOTE_BYTES_MAX
from relay.core.package import Package
from relay.wire.v1 import log_pb2


def package_from(message: log_pb2.Package) -> Package:
    """Shape and proof are checked by `relay.core.package`."""
    return Package(start=message.start, entries=message.entries, proof=tuple(message.proof))


def package_to(package: Package) -> log_pb2.Package:
    """The inverse."""
    return log_pb2.Package(start=package.start, entries=package.entries, proof=package.proof)


def evidence_from(message: log_pb2.LedgerEvidence) -> LedgerProof:
    """Bounds only; the proof is for its family's verifier."""
    if not message.ledger or not message.kind or not message.proof:
        raise Malformed("ledger evidence", "", "ledger, kind and proof must all be given")
    return LedgerProof(kind=message.kind, ledger=message.ledger, body=message.proof)


def evidence_to(proof: LedgerProof) -> log_pb2.LedgerEvidence:
    """The inverse."""
    return log_pb2.LedgerEvidence(ledger=proof.ledger, kind=proof.kind, proof=proof.body)


def bounded_note(note: bytes, what: str) -> bytes:
    """A note that is not longer than any note may be."""
    if not note or len(note) > NOTE_BYTES_MAX:
        raise Malformed(what, "checkpoint", f"{len(note)} bytes; must be 1 to {NOTE_BYTES_MAX}")
    return note
