"""C2SP tlog-proof: one entry's inclusion, checkable offline, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.errors import Malformed
from relay.core.limits import NOTE_BYTES_MAX, PROOF_HASHES_MAX, TREE_SIZE_MAX
from relay.core.merkle import HASH_BYTES

FIRST_LINE: Final = b"c2sp.org/tlog-proof@v1"
PROOF_BYTES_MAX: Final = NOTE_BYTES_MAX + 16 * 1024

_INDEX: Final = re.compile(rb"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """`checkpoint` is the note's bytes, verbatim; `extra` is opaque and not authenticated."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read a proof. Raises `Malformed`; what it accepts, `format_tlog_proof` writes back to the same bytes."""
    what = "tlog-proof"
    if len(data) > PROOF_BYTES_MAX:
        raise Malformed(what, "", f"{len(data)} bytes; at most {PROOF_BYTES_MAX}")
    head, blank, checkpoint = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not blank or lines.pop(0) != FIRST_LINE:
        raise Malformed(what, "line 1", f"must be {FIRST_LINE.decode()}")
    extra = None
    if lines and lines[0].startswith(b"extra "):
        extra = b64decode(lines.pop(0)[len(b"extra ") :], what=what, field="extra")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None or int(index[1]) > TREE_SIZE_MAX:
        raise Malformed(what, "index", "must be `index <decimal number without leading zeros>`")
    if len(lines) > PROOF_HASHES_MAX:
        raise Malformed(what, "hashes", f"{len(lines)} lines; at most {PROOF_HASHES_MAX}")
    hashes = tuple(b64decode(line, what=what, field=f"hash {i}") for i, line in enumerate(lines))
    if any(len(h) != HASH_BYTES for h in hashes):
        raise Malformed(what, "hashes", f"every hash must be {HASH_BYTES} bytes")
    return TlogProof(index=int(index[1]), hashes=hashes, checkpoint=checkpoint, extra=extra)


def format_tlog_proof(proof: TlogProof) -> bytes:
    """The proof's bytes."""
    lines = [FIRST_LINE]
    if proof.extra is not None:
        lines.append(b"extra " + b64encode(proof.extra).encode())
    lines.append(f"index {proof.index}".encode())
    lines.extend(b64encode(h).encode() for h in proof.hashes)
    return b"\n".join(lines) + b"\n\n" + proof.checkpoint
