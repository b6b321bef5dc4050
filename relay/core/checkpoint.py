"""C2SP tlog-checkpoint and tlog-cosignature (Ed25519, cosignature/v1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.errors import Malformed, Unverified
from relay.core.limits import TREE_SIZE_MAX
from relay.core.merkle import EMPTY_ROOT, HASH_BYTES
from relay.core.note import (
    COSIGNATURE_V1,
    Note,
    Signature,
    VerifierKey,
    check_ed25519,
    check_name,
    matching,
    parse_note,
    verify,
)

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME_BYTES: Final = 8
_TIME_S_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's state: its origin, number of entries, and root (32 bytes)."""

    origin: str
    size: int
    root: bytes


def parse_origin(text: str) -> str:
    """An origin is a note key name. Raises `Malformed`."""
    return check_name(text, "origin")


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """Three lines: origin, size, base64 root."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{b64encode(checkpoint.root)}\n"


def parse_checkpoint_text(text: str) -> Checkpoint:
    """The inverse; extension lines are refused, for no monitor could audit them. Raises `Malformed`."""
    what = "checkpoint"
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Malformed(what, "", "must be exactly three lines: origin, size, root")
    if _DECIMAL.fullmatch(lines[1]) is None or int(lines[1]) > TREE_SIZE_MAX:
        raise Malformed(what, "size", "must be a decimal number without leading zeros")
    root = b64decode(lines[2], what=what, field="root")
    if len(root) != HASH_BYTES:
        raise Malformed(what, "root", f"must be {HASH_BYTES} bytes")
    if int(lines[1]) == 0 and root != EMPTY_ROOT:
        raise Malformed(what, "root", "a checkpoint of no entries must have the root of the empty tree")
    return Checkpoint(origin=parse_origin(lines[0]), size=int(lines[1]), root=root)


def parse_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """A checkpoint and the note around it. Raises `Malformed`. Verifies nothing."""
    note = parse_note(data)
    return parse_checkpoint_text(note.text), note


def verify_checkpoint(data: bytes, log_key: VerifierKey) -> Checkpoint:
    """The checkpoint if the log's key signed it; the key's name must be the origin. Raises `Malformed`, `Unverified`."""
    checkpoint, note = parse_checkpoint(data)
    if checkpoint.origin != log_key.name:
        raise Unverified("log signature", f"the checkpoint is of {checkpoint.origin}, the key of {log_key.name}")
    verify(note, [log_key])
    return checkpoint


def _cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def cosign(text: str, key: VerifierKey, sign: Callable[[bytes], bytes], time_s: int) -> Signature:
    """An Ed25519 cosignature with its time, seconds since 1970 UTC."""
    if key.algorithm != COSIGNATURE_V1:
        raise RuntimeError("a cosignature needs a key of type 0x04")
    signature = time_s.to_bytes(_TIME_BYTES, "big") + sign(_cosigned_message(text, time_s))
    return Signature(name=key.name, key_id=key.key_id, signature=signature)


def verify_cosignatures(note: Note, witness_keys: Sequence[VerifierKey]) -> list[tuple[VerifierKey, int]]:
    """Known witnesses that cosigned, with their times in seconds; unknown keys are passed over.

    Raises `Unverified` when a known witness's cosignature does not hold. The list may be empty: the caller counts the quorum.
    """
    good = []
    for key, signature in matching(note, [k for k in witness_keys if k.algorithm == COSIGNATURE_V1]):
        time_s = int.from_bytes(signature.signature[:_TIME_BYTES], "big")
        message = _cosigned_message(note.text, time_s)
        holds = check_ed25519(key.public_key, signature.signature[_TIME_BYTES:], message)
        if time_s > _TIME_S_MAX or not holds:
            raise Unverified("cosignature", f"the cosignature of {key.name} does not hold")
        good.append((key, time_s))
    return good
