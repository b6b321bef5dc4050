"""Polygon Plasma (October 2021): one path had many encodings, and each was another exit of the same coins. Here a proof has one
spelling, and what is done twice is recognised by the ledger's facts alone, whatever the bytes of its proof.
"""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from adapters.embedded.blocks import validator_key
from relay.core.bundle import ledger_proof_bytes, parse_ledger_proof
from relay.core.canonical import dumps, loads
from relay.core.checkpoint import checkpoint_text, cosign
from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import item_id
from relay.core.note import Note, VerifierKey, format_note, parse_note, sign_note
from relay.core.tlogproof import TlogProof, format_tlog_proof, parse_tlog_proof
from relay.setup.keys import load_signing_key
from relay.store.relay import SqliteRelayStore
from tests.ledgers.bench import Bench
from tests.regression.refusing import refusal
from tests.store.test_relay_store import LEDGER, ORIGIN, anchor, block, hashed


def json_spellings(data: bytes) -> Iterator[bytes]:
    """The same value for a lenient reader: spaces, escapes, order, number forms."""
    value = json.loads(data)
    yield json.dumps(value).encode()
    yield json.dumps(value, indent=1).encode()
    yield json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode()
    yield from (data + end for end in (b" ", b"\n", b"\r\n", b"\t"))
    yield from (start + data for start in (b" ", b"\n", b"\t"))
    inside = False
    for place, byte in enumerate(data):
        char = bytes([byte])
        if char == b'"' and data[place - 1 : place] != b"\\":
            inside = not inside
        elif inside and char.isalnum() and data[place - 1 : place] != b"\\":
            yield data[:place] + b"\\u%04x" % byte + data[place + 1 :]
        elif not inside and char in (b",", b":", b"{"):
            yield data[: place + 1] + b" " + data[place + 1 :]


def base64_spellings(text: bytes) -> Iterator[bytes]:
    """The same bytes for a lenient reader of base64."""
    yield from (text + end for end in (b" ", b"\r", b"\t"))
    yield from (text[:n] + b"\r" + text[n:] for n in range(1, len(text)))
    last = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    if text.endswith(b"=") and not text.endswith(b"=="):
        place = last.index(text[-2:-1])
        yield from (text[:-2] + last[place ^ n : (place ^ n) + 1] + b"=" for n in (1, 2, 3))


def tlog_spellings(data: bytes) -> Iterator[bytes]:
    head, _, note = data.partition(b"\n\n")
    lines = head.split(b"\n")
    for i, line in enumerate(lines):
        others = [line + b"\r", line + b" ", b" " + line, line.replace(b" ", b"  "), line.replace(b" ", b"\t")]
        if line.startswith(b"index"):
            others += [line.replace(b" ", b" " + b"0" * n) for n in range(1, 30)] + [line.replace(b" ", b" +")]
        if i > 1:
            others += base64_spellings(line)
        yield from (b"\n".join([*lines[:i], o, *lines[i + 1 :]]) + b"\n\n" + note for o in others if o != line)


def test_inclusion_proof_has_one_spelling() -> None:
    hashes = tuple(bytes([n]) * 31 + b"\x01" for n in range(6))
    data = format_tlog_proof(TlogProof(index=7, hashes=hashes, checkpoint=b"log\n8\nroot\n\nsignature\n"))
    assert format_tlog_proof(parse_tlog_proof(data)) == data
    spellings = set(tlog_spellings(data)) - {data}
    assert len(spellings) >= 256
    for other in spellings:
        assert refusal(parse_tlog_proof, other)
    line = base64.b64encode(hashes[1])
    assert {base64.b64decode(other) for other in base64_spellings(line)} == {hashes[1]}


async def test_ledger_proof_has_one_spelling(bench: Bench) -> None:
    """The outer document and the family's own body, each in some hundred spellings of one value."""
    proof = (await bench.submission(3)).anchor
    outer = ledger_proof_bytes(proof)
    assert bench.proven(proof, bench.lender_root).fact["size"] == 3
    assert parse_ledger_proof(outer, what="proof") == proof
    for data, check in (
        (outer, lambda d: parse_ledger_proof(d, what="proof")),
        (proof.body, lambda d: bench.proven(replace(proof, body=d), bench.lender_root)),
    ):
        spellings = set(json_spellings(data)) - {data}
        assert len(spellings) >= 256
        for other in spellings:
            assert json.loads(other) == json.loads(data)
            assert "canonical" in refusal(check, other)


def by_other_validators(bench: Bench, proof: LedgerProof) -> Iterator[LedgerProof]:
    """All proofs of one fact that can be valid: each threshold of validators may sign the block."""
    body = loads(proof.body, what="", bytes_max=10**6)
    text = parse_note(str(body["block"]).encode()).text
    root = bench.lender_root
    for chosen in combinations(root.validators, root.threshold):
        lines = []
        for validator in chosen:
            signer = load_signing_key(bench.home / f"lender-ledger/validators/{validator.name}.pem")
            lines.append(sign_note(text, validator_key(root.ledger, validator.name, validator.public_key), signer.sign))
        note = format_note(Note(text=text, signatures=tuple(lines)))
        yield replace(proof, body=dumps({**body, "block": note.decode()}))


async def test_many_valid_proofs_of_one_checkpoint_have_one_effect(bench: Bench) -> None:
    """Other validators, other cosignature times, other attempts: all valid, one receipt, one block on the court's ledger."""
    good = await bench.submission(3)
    witness, log = bench.key("witness"), parse_note(good.checkpoint).signatures[0]
    text = checkpoint_text(bench.checkpoint(3))
    receipts, sent = set(), set()
    for attempt, proof in enumerate(by_other_validators(bench, good.anchor), 1):
        anchored = bench.proven(proof, bench.lender_root)
        assert anchored.fact["size"] == 3
        cosigned_s = anchored.time_ms // 1000 + attempt
        key = VerifierKey.cosigner(parse_note(good.checkpoint).signatures[1].name, witness.public_key)
        note = format_note(Note(text=text, signatures=(log, cosign(text, key, witness.sign, cosigned_s))))
        receipts.add(await bench.court.submit(bench.replaced(good, checkpoint=note, anchor=proof, attempt=attempt)))
        sent.add((note, proof.body))
    assert (len(sent), len(receipts)) == (4, 1)
    assert await bench.court.latest(bench.origin) in receipts
    assert (await bench.court._node.head()).height == 1


async def test_anchors_of_the_same_facts_are_one_item(tmp_path: Path) -> None:
    """Its id is made of ledger, origin, size and root: a transaction written 300 times is one item on its way."""
    assert list(inspect.signature(item_id).parameters) == ["ledger", "origin", "size", "root"]
    store = await SqliteRelayStore.open(tmp_path)
    for height in range(1, 301):
        again = replace(anchor(3, height), tx_id=hashed("tx", height), time_ms=height)
        assert (await store.take_block(LEDGER, block(height, again))).total() == (height == 1)
    assert sum((await store.counts()).values()) == 1
    found = await store.find_item(ORIGIN, 3)
    assert found is not None
    assert found.id == item_id(LEDGER, ORIGIN, 3, hashed("root", 3))
    await store.close()
