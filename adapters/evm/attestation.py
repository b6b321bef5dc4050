"""Attestations: what pinned attesters, each with an endpoint of its own, say is a final block of a chain without seals.

A signed note (docs/spec/checkpoint.md) with a text of six lines and exactly the threshold of signatures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from relay.core.base64strict import b64encode
from relay.core.errors import Unverified
from relay.core.note import Note, Signature, VerifierKey, check_ed25519, format_note, parse_note
from relay.core.trust import LedgerRoot

FIRST_LINE: Final = "courtrelay.org/evm-header/v1"
_STEP: Final = "attestation"


def attestation_text(ledger: str, chain_id: int, height: int, time_ms: int, block_hash: bytes) -> str:
    """The text that attesters sign: chain and block, time in milliseconds since 1970 UTC, base64 of the 32-byte hash."""
    lines = (FIRST_LINE, ledger, str(chain_id), str(height), str(time_ms), b64encode(block_hash))
    return "".join(f"{line}\n" for line in lines)


def attester_key(ledger: str, name: str, public_key: bytes) -> VerifierKey:
    """The note key of an attester."""
    return VerifierKey.ed25519(f"{ledger}/{name}", public_key)


def join_attestation(text: str, signatures: Iterable[Signature]) -> str:
    """The note of a text and the signatures of the wanted attesters, in the one order there is."""
    ordered = sorted(signatures, key=lambda signature: signature.name)
    return format_note(Note(text=text, signatures=tuple(ordered))).decode()


def check_attestation(note_text: str, expected: str, time_ms: int, root: LedgerRoot) -> None:
    """Exactly the threshold of pinned attesters, in order of their names, signed the expected text while their keys were valid.

    `time_ms` is the block's time. Raises `Malformed`, `Unverified`.
    """
    note = parse_note(note_text.encode("utf-8", "surrogatepass"))
    if note.text != expected:
        raise Unverified(_STEP, "is not about this header, ledger and chain")
    names = [signature.name for signature in note.signatures]
    if len(names) != root.threshold:
        raise Unverified(_STEP, f"{len(names)} signatures; exactly {root.threshold} are needed")
    if names != sorted(set(names)):
        raise Unverified(_STEP, "signatures must be of different attesters in the order of their names")
    pinned = {f"{root.ledger}/{validator.name}" for validator in root.validators}
    valid = {
        f"{root.ledger}/{validator.name}": attester_key(root.ledger, validator.name, validator.public_key)
        for validator in root.validators
        if validator.valid_from_ms <= time_ms < validator.valid_to_ms
    }
    for signature in note.signatures:
        if signature.name not in pinned:
            raise Unverified(_STEP, f"{signature.name} is not a pinned attester")
        key = valid.get(signature.name)
        if key is None:
            raise Unverified(_STEP, f"the key of {signature.name} was not valid at the block's time")
        if key.key_id != signature.key_id:
            raise Unverified(_STEP, f"the signature of {signature.name} names another key")
        if not check_ed25519(key.public_key, signature.signature, expected.encode()):
            raise Unverified(_STEP, f"the signature of {signature.name} does not hold")
