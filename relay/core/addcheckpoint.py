"""C2SP tlog-witness: the body of an `add-checkpoint` request. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.errors import Malformed
from relay.core.limits import NOTE_BYTES_MAX, PROOF_HASHES_MAX, TREE_SIZE_MAX
from relay.core.merkle import HASH_BYTES

BODY_BYTES_MAX: Final = NOTE_BYTES_MAX + 8192
_OLD: Final = re.compile(rb"old (0|[1-9][0-9]{0,18})")
_WHAT: Final = "add-checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """`old_size`: of the checkpoint that the witness is thought to hold; `proof` leads from it to `checkpoint`, a note's bytes."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a body. Raises `Malformed`; what it accepts, `format_add_checkpoint` writes back to the same bytes."""
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(_WHAT, "", f"{len(body)} bytes; at most {BODY_BYTES_MAX}")
    head, blank, checkpoint = body.partition(b"\n\n")
    lines = head.split(b"\n")
    old = _OLD.fullmatch(lines[0])
    if not blank or old is None or int(old[1]) > TREE_SIZE_MAX:
        raise Malformed(
            _WHAT, "line 1", "must be `old <decimal number without leading zeros>`, then hashes and an empty line"
        )
    if len(lines) - 1 > PROOF_HASHES_MAX:
        raise Malformed(_WHAT, "proof", f"{len(lines) - 1} lines; at most {PROOF_HASHES_MAX}")
    proof = tuple(b64decode(line, what=_WHAT, field=f"proof {i}") for i, line in enumerate(lines[1:]))
    if any(len(h) != HASH_BYTES for h in proof):
        raise Malformed(_WHAT, "proof", f"every hash must be {HASH_BYTES} bytes")
    return AddCheckpoint(old_size=int(old[1]), proof=proof, checkpoint=checkpoint)


def format_add_checkpoint(old_size: int, proof: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The body's bytes."""
    lines = [f"old {old_size}", *(b64encode(h) for h in proof)]
    return "\n".join(lines).encode() + b"\n\n" + checkpoint
