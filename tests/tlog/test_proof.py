"""Ledger proofs of kind tlog: no byte is free, and nobody counts who is not pinned."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from adapters.tlog.proof import FORMAT, PROOF_BYTES_MAX, build_proof, find_quorum, verify_tlog
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.note import VerifierKey, parse_note
from relay.core.trust import LedgerRoot
from tests.tlog.bench import LEDGER, proven, root_of
from tests.tlog.writer import LOG, NOW_S, ORIGIN, WITNESSES, Key, Log

W1, W2, W3 = WITNESSES
STRANGER = Key("stranger.example/w", 4)


def log_of(size: int = 5) -> Log:
    log = Log(lambda _path, _data: None)
    log.grow(size)
    return log


def written(text: str, lines: Sequence[str]) -> LedgerProof:
    """A proof by hand."""
    value = {"checkpoint": f"{text}\n{''.join(lines)}", "format": FORMAT}
    body = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return LedgerProof(kind="tlog", ledger=LEDGER, body=body)


def usual(size: int = 5) -> LedgerProof:
    text = log_of(size).text(size)
    return written(text, [LOG.line(text), W1.line(text, NOW_S), W3.line(text, NOW_S + 7)])


def refused(proof: LedgerProof, root: LedgerRoot | None = None) -> str:
    with pytest.raises((Unverified, Malformed)) as refusal:
        verify_tlog(proof, root or root_of())
    return str(refusal.value)


def test_time_is_that_of_the_last_cosignature_needed() -> None:
    fact = proven(usual())
    assert (fact.time_ms, fact.height, fact.ledger) == ((NOW_S + 7) * 1000, 5, LEDGER)


def test_built_proof_takes_the_earliest_witnesses_and_leaves_out_the_rest() -> None:
    log = log_of()
    text = log.text(5)
    lines = [
        STRANGER.line(text, 1),
        W3.line(text, NOW_S + 1),
        W1.line(text, NOW_S + 9),
        LOG.line(text),
        W2.line(text, NOW_S + 3),
    ]
    note = parse_note(f"{text}\n{''.join(lines)}".encode())
    keys = [VerifierKey.parse(w.vkey) for w in WITNESSES]
    quorum = find_quorum(note, [VerifierKey.parse(LOG.vkey)], keys, 3, latest_s=NOW_S + 100)
    assert quorum is not None
    assert quorum.time_s == NOW_S + 3
    assert [s.name for s in quorum.note.signatures] == [ORIGIN, W2.name, W3.name]
    proof = LedgerProof(kind="tlog", ledger=LEDGER, body=build_proof(quorum))
    assert proven(proof).time_ms == (NOW_S + 3) * 1000
    assert find_quorum(note, [VerifierKey.parse(LOG.vkey)], keys, 3, latest_s=NOW_S + 2) is None


def test_every_changed_byte_is_refused() -> None:
    proof = usual()
    for place in range(len(proof.body)):
        for flip in (0x01, 0x20, 0x80):
            body = bytearray(proof.body)
            body[place] ^= flip
            refused(replace(proof, body=bytes(body)))


@given(data=st.data())
@run(max_examples=200, deadline=None)
def test_cut_or_longer_bytes_are_refused(data: st.DataObject) -> None:
    body = usual().body
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    with_what = data.draw(st.binary(max_size=8))
    changed = body[:start] + with_what + body[end:]
    if changed != body:
        refused(replace(usual(), body=changed))


def test_too_few_too_many_doubled_or_disordered_cosignatures_are_refused() -> None:
    text = log_of().text(5)
    own, one, two, three = LOG.line(text), W1.line(text, NOW_S), W2.line(text, NOW_S), W3.line(text, NOW_S)
    assert "exactly 3" in refused(written(text, [own, one]))
    assert "exactly 3" in refused(written(text, [own, one, two, three]))
    assert "different witnesses" in refused(written(text, [own, one, one]))
    assert "different witnesses" in refused(written(text, [own, one, W1.line(text, NOW_S + 1)]))
    assert "in the order" in refused(written(text, [own, two, one]))
    assert "first signature" in refused(written(text, [one, two, own]))


def test_unknown_witness_does_not_count() -> None:
    text = log_of().text(5)
    proof = written(text, [LOG.line(text), STRANGER.line(text, NOW_S), W1.line(text, NOW_S)])
    assert "not a pinned witness" in refused(proof)
    other_key = Key(W1.name, 4, "another seed")
    assert "another key" in refused(written(text, [LOG.line(text), other_key.line(text, NOW_S), W2.line(text, NOW_S)]))


def test_log_cannot_cosign_itself() -> None:
    text = log_of().text(5)
    as_witness = Key(ORIGIN, 4)
    proof = written(text, [LOG.line(text), as_witness.line(text, NOW_S), W1.line(text, NOW_S)])
    assert "not a pinned witness" in refused(proof)
    rotated = root_of((LOG, Key(ORIGIN, 1, "second"), W1))
    line = Key(ORIGIN, 4, "second").line(text, NOW_S)
    assert "not a pinned witness" in refused(written(text, [LOG.line(text), line, W1.line(text, NOW_S)]), rotated)


def test_log_signature_of_another_key_is_refused() -> None:
    text = log_of().text(5)
    thief = Key(ORIGIN, 1, "thief")
    assert "no known key" in refused(written(text, [thief.line(text), W1.line(text, NOW_S), W2.line(text, NOW_S)]))
    plain = LOG.line(text).replace(ORIGIN, W1.name, 1)
    assert "first signature" in refused(written(text, [plain, W2.line(text, NOW_S), W3.line(text, NOW_S)]))


def test_checkpoint_of_another_origin_is_refused() -> None:
    """A pinned witness that runs a log of its own cannot put it in the place of the pinned one."""
    own = Key(W1.name, 1)
    other = replace(log_of(), key=own, origin=W1.name)
    text = other.text(5)
    proof = written(text, [own.line(text), W2.line(text, NOW_S), W3.line(text, NOW_S)])
    assert f"pinned is {ORIGIN}" in refused(proof)


def test_checkpoint_without_entries_proves_nothing() -> None:
    assert "size 0" in refused(usual(0))


def test_cosignature_of_another_text_or_time_is_refused() -> None:
    log = log_of(6)
    text = log.text(6)
    stolen = W1.line(log.text(5), NOW_S)
    assert "does not hold" in refused(written(text, [LOG.line(text), stolen, W2.line(text, NOW_S)]))
    name, encoded = W1.line(text, NOW_S)[2:].split(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[11] ^= 1  # the time's last byte
    moved = f"— {name} {base64.b64encode(raw).decode()}\n"
    assert "does not hold" in refused(written(text, [LOG.line(text), moved, W2.line(text, NOW_S)]))


def test_keys_count_only_in_their_period() -> None:
    root, proof = root_of(), usual()

    def with_period(number: int, **period: int) -> LedgerRoot:
        validators = list(root.validators)
        validators[number] = replace(validators[number], **period)
        return replace(root, validators=tuple(validators))

    # the log's at the time of the fact, each witness's at its own time
    assert proven(proof, with_period(0, valid_from_ms=(NOW_S + 7) * 1000)).height == 5
    assert "not valid" in refused(proof, with_period(0, valid_from_ms=(NOW_S + 8) * 1000))
    assert "not valid" in refused(proof, with_period(0, valid_to_ms=(NOW_S + 7) * 1000))
    assert proven(proof, with_period(1, valid_to_ms=(NOW_S + 1) * 1000)).height == 5
    assert "not valid" in refused(proof, with_period(1, valid_to_ms=NOW_S * 1000))
    assert "not valid" in refused(proof, with_period(3, valid_from_ms=(NOW_S + 8) * 1000))


def test_witness_and_log_that_changed_their_keys_stay_provable() -> None:
    root, change = root_of(), (NOW_S + 100) * 1000
    old = [replace(v, valid_to_ms=change) for v in root.validators]
    new = [replace(v, public_key=Key(v.name, 4, v.name + "2").public, valid_from_ms=change) for v in root.validators]
    both = replace(root, validators=(*old, *new))
    assert proven(usual(), both).height == 5


def test_time_beyond_the_year_9999_is_refused() -> None:
    text = log_of().text(5)
    late = 253_402_300_800
    proof = written(text, [LOG.line(text), W1.line(text, late), W2.line(text, NOW_S)])
    assert "not valid" in refused(proof)


@pytest.mark.parametrize(
    "change", [{"kind": "quorum"}, {"ledger": "tlog:other"}, {"body": b""}, {"body": b" " * (PROOF_BYTES_MAX + 1)}]
)
def test_proof_of_another_ledger_or_form_is_refused(change: dict[str, Any]) -> None:
    refused(replace(usual(), **change))


def test_pinned_threshold_without_a_witness_is_refused() -> None:
    text = log_of().text(5)
    assert "the log and a witness" in refused(written(text, [LOG.line(text)]), root_of(threshold=1))


def test_other_members_or_spellings_of_the_body_are_refused() -> None:
    value = json.loads(usual().body)
    for changed in (
        {**value, "extra": 1},
        {"checkpoint": value["checkpoint"]},
        {**value, "format": "courtrelay-tlog-proof/v2"},
        {**value, "checkpoint": 7},
    ):
        body = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        refused(replace(usual(), body=body))
    assert "canonical" in refused(replace(usual(), body=json.dumps(value, indent=1, ensure_ascii=False).encode()))
