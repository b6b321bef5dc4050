"""Worked examples of projection.md: two events of one loan, their entries in a log of five, and the proof of the second."""

from __future__ import annotations

import hashlib
from typing import Final

from eth_abi.abi import encode

from adapters.evm.mapping import EventMapping, read_mappings
from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign
from relay.core.merkle import MemoryTree, leaf_hash
from relay.core.note import Note, format_note, sign_note
from relay.core.projected_proof import make_proof
from relay.core.projection import Projection, dossier_id, dossier_key
from tests.spec.actors import KEYS, LOG_KEY, ORIGIN, WITNESS_KEY, at
from tests.spec.evidence import ENTRY, filler

CHAIN: Final = 1337
TABLE: Final[dict[str, object]] = {
    "address": "0xc0ffee0000000000000000000000000000000001",
    "event": "RecordStored(bytes32 indexed loan, bytes32 digest, uint64 time)",
    "digest": "digest",
    "dossier": "loan",
    "time": "time",
    "from_block": 0,
}


def _hash(text: str) -> bytes:
    return hashlib.sha256(b"courtrelay spec example " + text.encode()).digest()


LOAN: Final = (4711).to_bytes(32, "big")
PLACES: Final = ((77, 1, "contract", at("08:00:00")), (78, 0, "receipt", at("08:05:00")))
"""Height, log, what the digest is of, time."""


def mapping() -> EventMapping:
    """The example's one mapping."""
    return read_mappings([TABLE], CHAIN)[0]


def data(name: str, time: int) -> bytes:
    """The event's data, made by another encoder than the one that reads it."""
    return encode(["bytes32", "uint64"], [_hash(name), time])


def projecting() -> dict[str, str]:
    """Name → text, as the document shows it."""
    known, made = mapping(), Projection()
    events = [
        known.read(
            [known.event.topic, LOAN],
            data(name, time),
            height=height,
            block_hash=_hash(f"block {height}"),
            log=log,
            time_s=time + 9,
        )
        for height, log, name, time in PLACES
    ]
    taken = [made.take(event) for event in events]
    first, second = taken
    entries = [filler(0), ENTRY, first.entry, filler(3), second.entry]
    tree = MemoryTree([leaf_hash(entry) for entry in entries])
    text = checkpoint_text(Checkpoint(origin=ORIGIN, size=5, root=tree.root()))
    signed = sign_note(text, LOG_KEY, KEYS["log"].sign)
    cosigned = cosign(text, WITNESS_KEY, KEYS["witness"].sign, at("09:00:10"))
    note = format_note(Note(text=text, signatures=(signed, cosigned)))
    rows = [
        ("topic 0", known.event.topic),
        ("loan", LOAN),
        ("block 77", events[0].block_hash),
        ("block 78", events[1].block_hash),
        ("emitter, hashed", hashlib.sha256(known.emitter.encode()).digest()),
        ("dossier name", dossier_id(events[0])),
        ("dossier key", dossier_key(events[0], first.dossier)),
    ]
    return {
        "projection-mapping": known.source.text,
        "projection-data": "\n".join(data(name, time).hex() for _, _, name, time in PLACES),
        "projection-values": "\n".join(f"{name:<15}  {value.hex()}" for name, value in rows),
        "projection-entries": "\n".join(one.entry.hex() for one in taken),
        "projection-proof": make_proof(second, 4, tree.inclusion_proof(4), note).decode(),
    }
