"""Worked examples of what is logged: record, entry, tree, checkpoint, ledger proof."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from adapters.embedded.blocks import NO_BLOCK, Header, encode_tx, tx_id, validator_key
from adapters.embedded.proof import build_proof
from adapters.tlog import proof as tlog_proof
from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign
from relay.core.dossier import make_entry, tag
from relay.core.merkle import MemoryTree, leaf_hash, root_of, subtree_consistency_proof
from relay.core.note import Note, format_note, parse_note, sign_note
from relay.core.records import IssuedRecord, PayloadDigest, Provenance, RecordDraft, issue_record, sd_jwt_text
from relay.core.tlogproof import TlogProof, format_tlog_proof
from tests.spec.actors import (
    BANK,
    BANK_LEDGER,
    DOSSIER,
    DOSSIER_KEY,
    KEYS,
    LOG_KEY,
    ORIGIN,
    PAYLOAD,
    WITNESS_KEY,
    at,
    same_bytes,
)


def record() -> IssuedRecord:
    """The one record of the example dossier."""
    draft = RecordDraft(
        iss=BANK,
        dossier=DOSSIER,
        seq=0,
        kind="repayment",
        kind_version=1,
        event_time_s=at("08:00:00"),
        recorded_time_s=at("08:00:05"),
        confidentiality="ordinary",
        retention="loan",
        provenance=Provenance(
            source="core banking", generation="automatic", storage="", notarisation="", witnesses="", corroboration=""
        ),
        fields={"amount": "1200.00", "currency": "CNY", "payer_name": "Zhang San"},
        payloads=(
            PayloadDigest(
                name="receipt.txt",
                media_type="text/plain",
                size=len(PAYLOAD),
                sha256=hashlib.sha256(PAYLOAD).hexdigest(),
            ),
        ),
    )
    key = KEYS["record"]
    return issue_record(draft, {"payer_name"}, key.public, key.sign, same_bytes(1))


RECORD: Final = record()
SD_JWT: Final = sd_jwt_text(RECORD.jws, RECORD.disclosures)


def filler(index: int) -> bytes:
    """A record entry of somebody else's dossier."""
    return make_entry(*(hashlib.sha256(f"{part} {index}".encode()).digest() for part in ("tag", "commitment")))


ENTRY: Final = make_entry(tag(DOSSIER_KEY, 0), RECORD.commitment)
ENTRIES: Final = [ENTRY if i == 1 else filler(i) for i in range(300)]
LEAVES: Final = [leaf_hash(entry) for entry in ENTRIES]
SMALL: Final = MemoryTree(LEAVES[:5])
LARGE: Final = MemoryTree(LEAVES)
CHECKPOINT: Final = Checkpoint(origin=ORIGIN, size=5, root=SMALL.root())


def notes() -> dict[str, str]:
    """Examples of checkpoint.md."""
    text = checkpoint_text(CHECKPOINT)
    signed = sign_note(text, LOG_KEY, KEYS["log"].sign)
    cosigned = cosign(text, WITNESS_KEY, KEYS["witness"].sign, at("09:00:10"))
    note = format_note(Note(text=text, signatures=(signed, cosigned)))
    proof = TlogProof(index=1, hashes=tuple(SMALL.inclusion_proof(1)), checkpoint=note)
    return {
        "log-vkey": LOG_KEY.format(),
        "witness-vkey": WITNESS_KEY.format(),
        "checkpoint-note": format_note(Note(text=text, signatures=(signed,))).decode(),
        "cosigned-message": f"cosignature/v1\ntime {at('09:00:10')}\n{text}",
        "cosigned-note": note.decode(),
        "tlog-proof": format_tlog_proof(proof).decode(),
    }


def hexes(*hashes: bytes) -> str:
    """One hash a line."""
    return "\n".join(h.hex() for h in hashes)


def tree() -> dict[str, str]:
    """Examples of entry.md and the tags of tag.md."""
    package = [
        f"subtree root   {root_of(LEAVES[256:300]).hex()}",
        f"log root       {LARGE.root().hex()}",
        *(f"proof hash {i}   {h.hex()}" for i, h in enumerate(subtree_consistency_proof(256, 300, 300, LARGE))),
    ]
    return {
        "tags": hexes(*(tag(DOSSIER_KEY, seq) for seq in range(3))),
        "entry": ENTRY.hex(),
        "leaves": hexes(*LEAVES[:5]),
        "roots": hexes(*(SMALL.root(size) for size in range(1, 6))),
        "inclusion": hexes(*SMALL.inclusion_proof(1)),
        "consistency": hexes(*SMALL.consistency_proof(3)),
        "package": "\n".join(package),
    }


def claims(token: str) -> str:
    """The payload of a JWS, indented for reading."""
    payload = b64url_decode(token.split(".")[1], what="example", field="payload")
    return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)


def header_of(token: str) -> str:
    """The header of a JWS, exact."""
    return b64url_decode(token.split(".")[0], what="example", field="header").decode()


def records() -> dict[str, str]:
    """Examples of record.md."""
    (disclosure,) = RECORD.disclosures
    return {
        "record-header": header_of(RECORD.jws),
        "record-claims": claims(RECORD.jws),
        "record-disclosure-json": b64url_decode(disclosure, what="example", field="").decode(),
        "record-disclosure": disclosure,
        "record-disclosure-digest": b64url_encode(hashlib.sha256(disclosure.encode()).digest()),
        "record-sd-jwt": SD_JWT,
        "record-commitment": RECORD.commitment.hex(),
        "record-payload": PAYLOAD.decode(),
    }


def ledger() -> dict[str, str]:
    """Examples of ledger-quorum.md."""
    facts = {"origin": ORIGIN, "size": 5, "root": CHECKPOINT.root.hex()}
    tx = encode_tx({"type": "anchor", **facts, "sender": BANK})
    other = encode_tx({"type": "anchor", **facts, "origin": "other.example/log", "sender": BANK})
    transactions = MemoryTree([leaf_hash(other), leaf_hash(tx)])
    header = Header(
        ledger=BANK_LEDGER,
        height=1,
        time_ms=at("09:00:00") * 1000,
        previous=NO_BLOCK,
        tx_root=transactions.root(),
        tx_count=2,
    )
    text = header.text()
    signers = [(validator_key(BANK_LEDGER, name, KEYS[name].public), KEYS[name].sign) for name in ("v1", "v2")]
    note = format_note(Note(text=text, signatures=tuple(sign_note(text, key, sign) for key, sign in signers)))
    return {
        "transaction": tx.decode(),
        "transaction-other": other.decode(),
        "transaction-id": tx_id(tx).hex(),
        "block-hash": header.hash.hex(),
        "block-note": note.decode(),
        "quorum-proof": build_proof(note, tx, 1, transactions.inclusion_proof(1)).decode(),
    }


def tlog() -> dict[str, str]:
    """Examples of ledger-tlog.md."""
    cosigned = parse_note(notes()["cosigned-note"].encode())
    quorum = tlog_proof.find_quorum(cosigned, [LOG_KEY], [WITNESS_KEY], 2, latest_s=at("10:00:00"))
    assert quorum is not None
    return {
        "tlog-block-hash": tlog_proof.block_hash(cosigned.text).hex(),
        "tlog-transaction-id": tlog_proof.tx_id(cosigned.text).hex(),
        "tlog-ledger-proof": tlog_proof.build_proof(quorum).decode(),
    }
