"""Signed notes, checkpoints, cosignatures and tlog-proofs: one spelling, and no signature is believed without its key."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.core.checkpoint import (
    Checkpoint,
    checkpoint_text,
    cosign,
    parse_checkpoint,
    parse_checkpoint_text,
    verify_checkpoint,
    verify_cosignatures,
)
from relay.core.errors import Malformed, Unverified
from relay.core.merkle import EMPTY_ROOT
from relay.core.note import Note, VerifierKey, format_note, parse_note, sign_note, verify
from relay.core.tlogproof import TlogProof, format_tlog_proof, parse_tlog_proof

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG_KEY = VerifierKey.ed25519("log.example/1", LOG.public_key().public_bytes_raw())
WITNESS_KEY = VerifierKey.cosigner("witness.example", WITNESS.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint(origin="log.example/1", size=7, root=bytes(range(32)))


def signed(checkpoint: Checkpoint = CHECKPOINT, *, cosigned: bool = True) -> bytes:
    text = checkpoint_text(checkpoint)
    signatures = [sign_note(text, LOG_KEY, LOG.sign)]
    if cosigned:
        signatures.append(cosign(text, WITNESS_KEY, WITNESS.sign, 1_700_000_000))
    return format_note(Note(text=text, signatures=tuple(signatures)))


def test_checkpoint_reads_back_and_verifies() -> None:
    note = signed()
    assert verify_checkpoint(note, LOG_KEY) == CHECKPOINT
    checkpoint, parsed = parse_checkpoint(note)
    assert format_note(parsed) == note
    assert checkpoint == CHECKPOINT
    ((key, time_s),) = verify_cosignatures(parsed, [WITNESS_KEY])
    assert (key.name, time_s) == ("witness.example", 1_700_000_000)


def test_every_changed_byte_is_malformed_or_unverified() -> None:
    note = signed()
    for place in range(len(note)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(note)
            changed[place] ^= flip
            with pytest.raises((Malformed, Unverified)):
                data = bytes(changed)
                assert verify_checkpoint(data, LOG_KEY) == CHECKPOINT
                good = verify_cosignatures(parse_note(data), [WITNESS_KEY])
                if not good:
                    raise Unverified("witness", "none")


def test_log_signature_is_no_cosignature_and_the_other_way_round() -> None:
    text = checkpoint_text(CHECKPOINT)
    as_log = VerifierKey.ed25519("witness.example", WITNESS_KEY.public_key)
    with pytest.raises(Unverified):
        verify(parse_note(signed()), [as_log])
    with pytest.raises(RuntimeError):
        cosign(text, LOG_KEY, LOG.sign, 1)


def test_key_of_another_log_is_refused() -> None:
    other = VerifierKey.ed25519("log.example/2", LOG_KEY.public_key)
    with pytest.raises(Unverified, match="the checkpoint is of"):
        verify_checkpoint(signed(), other)


def test_unknown_signatures_are_passed_over_but_count_for_nothing() -> None:
    stranger = Ed25519PrivateKey.generate()
    key = VerifierKey.ed25519("stranger", stranger.public_key().public_bytes_raw())
    text = checkpoint_text(CHECKPOINT)
    note = format_note(Note(text=text, signatures=(sign_note(text, key, stranger.sign),)))
    with pytest.raises(Unverified):
        verify_checkpoint(note, LOG_KEY)
    assert verify_cosignatures(parse_note(note), [WITNESS_KEY]) == []


@pytest.mark.parametrize(
    "text",
    [
        "log.example/1\n07\nAAAA\n",
        "log.example/1\n-7\nAAAA\n",
        "log.example/1\n7\nAAAA\n",
        "log example\n7\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log.example/1\n7\n" + base64.b64encode(bytes(32)).decode() + "\nextension\n",
        "log.example/1\n99999999999999999999\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log.example/1\n0\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log.example/1\r\n7\r\n" + base64.b64encode(bytes(32)).decode() + "\r\n",
        "",
    ],
)
def test_checkpoint_text_in_another_spelling_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_checkpoint_text(text)


def test_empty_tree_has_the_empty_root_only() -> None:
    empty = Checkpoint(origin="log.example/1", size=0, root=EMPTY_ROOT)
    assert parse_checkpoint_text(checkpoint_text(empty)) == empty


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_in_one_spelling_or_malformed(data: bytes) -> None:
    try:
        note = parse_note(data)
    except Malformed as refusal:
        assert refusal.what == "note"  # noqa: PT017
        return
    assert format_note(note) == data


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 70_000,
        b"text\n\n" + "— a YWJjZA==\n".encode() * 40,
        b"text\x00\n\n" + "— a YWJjZGVm\n".encode(),
        b"text\n\n- a YWJjZGVm\n",
        "text\n\n— a YWJjZGVm".encode(),
        b"\xff\n\n" + "— a YWJjZGVm\n".encode(),
    ],
    ids=["oversized", "too-many-signatures", "control", "hyphen", "no-newline", "no-utf8"],
)
def test_note_with_one_thing_wrong_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_note(data)


def test_verifier_key_has_one_spelling() -> None:
    text = LOG_KEY.format()
    assert VerifierKey.parse(text) == LOG_KEY
    name, identity, key = text.split("+", 2)
    for wrong in (
        f"{name}+00000000+{key}",
        f"{name}+{identity.upper()}x+{key}",
        f"{name}+{identity}",
        f"+{identity}+{key}",
    ):
        with pytest.raises(Malformed):
            VerifierKey.parse(wrong)


PROOF = TlogProof(index=3, hashes=(bytes(32), bytes(range(32))), checkpoint=b"x\n\ny\n")


@pytest.mark.parametrize("extra", [None, b"", b"more"])
def test_tlog_proof_reads_back(extra: bytes | None) -> None:
    proof = TlogProof(index=3, hashes=PROOF.hashes, checkpoint=PROOF.checkpoint, extra=extra)
    assert parse_tlog_proof(format_tlog_proof(proof)) == proof


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_changed_tlog_proof_is_another_proof_or_malformed(place: int, value: int) -> None:
    data = bytearray(format_tlog_proof(PROOF))
    data[place % len(data)] = value
    try:
        read = parse_tlog_proof(bytes(data))
    except Malformed:
        return
    assert format_tlog_proof(read) == bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"c2sp.org/tlog-proof@v2\nindex 3\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 03\n\nx",
        b"c2sp.org/tlog-proof@v1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 3\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 3\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\nx",
        b"x" * 100_000,
    ],
    ids=["version", "zero", "no-index", "short-hash", "too-many", "oversized"],
)
def test_tlog_proof_with_one_thing_wrong_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_tlog_proof(data)
