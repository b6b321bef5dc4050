"""The sealed stream and its frames: any content in any pieces comes through; every change, cut, exchange or repetition is refused."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.disclosure import FrameDecoder, FrameEncoder, ManifestFrame, PayloadData, PayloadEnd, RecordFrame
from relay.core.errors import Malformed, Unverified
from relay.core.limits import CHUNK_PLAINTEXT_BYTES
from relay.core.records import PayloadDigest, Provenance, RecordDraft, issue_record, sd_jwt_text
from relay.core.sealing import (
    Kem,
    SealingPublicKey,
    StreamOpener,
    StreamSealer,
    chunk_count,
    hpke_open,
    hpke_seal,
    new_sealing_key,
    new_stream,
)
from relay.setup.keys import FileSigner

DIGEST = bytes(range(32))
SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {kem: new_sealing_key(kem, os.urandom) for kem in Kem}
SIZES = (
    0,
    1,
    CHUNK_PLAINTEXT_BYTES - 1,
    CHUNK_PLAINTEXT_BYTES,
    CHUNK_PLAINTEXT_BYTES + 1,
    2 * CHUNK_PLAINTEXT_BYTES + 7,
)


def sealed(data: bytes, *, kem: Kem = Kem.X25519, step: int = 700_001) -> tuple[bytes, list[bytes]]:
    stream = new_stream(
        request_digest=DIGEST, recipient=KEYS[kem].public_key, plaintext_bytes=len(data), random_bytes=os.urandom
    )
    return stream.header, list(StreamSealer(stream).seal(data[i : i + step] for i in range(0, len(data), step)))


def opened(header: bytes, chunks: list[bytes], *, kem: Kem = Kem.X25519, digest: bytes = DIGEST) -> bytes:
    opener = StreamOpener(header, KEYS[kem], digest)
    plain = b"".join(opener.open(chunk) for chunk in chunks)
    opener.finish()
    return plain


@pytest.mark.parametrize("kem", Kem)
@pytest.mark.parametrize("size", SIZES)
def test_content_of_any_size_comes_through(kem: Kem, size: int) -> None:
    data = bytes(i % 253 for i in range(size))
    assert opened(*sealed(data, kem=kem), kem=kem) == data


def test_every_kind_of_tampering_with_chunks_is_unverified() -> None:
    header, chunks = sealed(os.urandom(3 * CHUNK_PLAINTEXT_BYTES + 10))
    first, second, third, last = chunks
    flipped = bytes([first[0] ^ 1]) + first[1:]
    for wrong in (
        [flipped, second, third, last],
        [second, first, third, last],
        [first, second, third],
        [first, second, third, last, last],
        [first, first, second, third, last],
        [first, second, last],
        [last],
        [first + second, third, last],
        [b"", first, second, third, last],
    ):
        with pytest.raises(Unverified):
            opened(header, wrong)


def test_chunk_of_another_stream_is_unverified() -> None:
    header, (_, tail) = sealed(bytes(CHUNK_PLAINTEXT_BYTES + 5))
    _, (head, _) = sealed(bytes(CHUNK_PLAINTEXT_BYTES + 5))
    with pytest.raises(Unverified):
        opened(header, [head, tail])


def test_answer_to_another_request_or_key_is_unverified() -> None:
    header, chunks = sealed(b"x")
    with pytest.raises(Unverified, match="request"):
        opened(header, chunks, digest=bytes(32))
    with pytest.raises(Unverified, match="kem"):
        opened(header, chunks, kem=Kem.MLKEM768_X25519)
    other = StreamOpener
    with pytest.raises(Unverified):
        other(header, new_sealing_key(Kem.X25519, os.urandom), DIGEST)


def test_header_has_one_spelling() -> None:
    header, _ = sealed(b"x")
    value = json.loads(header)
    for wrong in (
        json.dumps(value).encode(),
        header + b" ",
        b"",
        b"x" * 5000,
        json.dumps({**value, "chunk_bytes": 1}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps({**value, "more": 1}, sort_keys=True, separators=(",", ":")).encode(),
    ):
        with pytest.raises(Malformed):
            StreamOpener(wrong, KEYS[Kem.X25519], DIGEST)


def test_opener_that_never_saw_the_last_chunk_does_not_finish() -> None:
    header, chunks = sealed(bytes(CHUNK_PLAINTEXT_BYTES + 1))
    opener = StreamOpener(header, KEYS[Kem.X25519], DIGEST)
    opener.open(chunks[0])
    with pytest.raises(Unverified, match="cut off"):
        opener.finish()


@pytest.mark.parametrize("size", SIZES)
def test_stream_taken_up_at_any_chunk_is_the_same_to_the_byte(size: int) -> None:
    data = os.urandom(size)
    stream = new_stream(
        request_digest=DIGEST,
        recipient=KEYS[Kem.X25519].public_key,
        plaintext_bytes=size,
        random_bytes=os.urandom,
    )
    whole = list(StreamSealer(stream).seal([data]))
    assert len(whole) == chunk_count(size)
    for first in range(len(whole)):
        rest = data[first * CHUNK_PLAINTEXT_BYTES :]
        again = list(StreamSealer(stream, first).seal(rest[i : i + 333_333] for i in range(0, len(rest), 333_333)))
        assert again == whole[first:]


def test_plaintext_of_another_length_is_never_sealed_to_its_end() -> None:
    """The header's length is what the reader goes by; a wrong one is our own mistake and ends in an error, not in a stream."""
    stream = new_stream(
        request_digest=DIGEST, recipient=KEYS[Kem.X25519].public_key, plaintext_bytes=10, random_bytes=os.urandom
    )
    for wrong in (b"", b"short", b"longer than ten"):
        with pytest.raises(RuntimeError):
            list(StreamSealer(stream).seal([wrong]))


def test_opener_goes_on_behind_chunks_that_are_held() -> None:
    data = os.urandom(2 * CHUNK_PLAINTEXT_BYTES + 10)
    header, chunks = sealed(data)
    opener = StreamOpener(header, KEYS[Kem.X25519], DIGEST)
    opener.skip()
    with pytest.raises(Unverified):
        opener.open(chunks[0])
    opener = StreamOpener(header, KEYS[Kem.X25519], DIGEST)
    opener.skip()
    assert opener.open(chunks[1]) + opener.open(chunks[2]) == data[CHUNK_PLAINTEXT_BYTES:]
    opener.finish()


@pytest.mark.parametrize("kem", Kem)
def test_hpke_opens_for_its_key_and_purpose_only(kem: Kem) -> None:
    sealed_text = hpke_seal(KEYS[kem].public_key, b"secret", b"purpose")
    assert hpke_open(KEYS[kem], sealed_text, b"purpose") == b"secret"
    for key, text, info in (
        (KEYS[kem], sealed_text, b"other purpose"),
        (new_sealing_key(kem, os.urandom), sealed_text, b"purpose"),
        (KEYS[kem], sealed_text[:-1], b"purpose"),
        (KEYS[kem], b"", b"purpose"),
        (KEYS[kem], bytes([sealed_text[0] ^ 1]) + sealed_text[1:], b"purpose"),
    ):
        with pytest.raises(Unverified):
            hpke_open(key, text, info)


def test_key_of_low_order_cannot_be_sealed_to() -> None:
    with pytest.raises(Malformed):
        hpke_seal(SealingPublicKey(kem=Kem.X25519, raw=bytes(32)), b"x", b"y")


def record(seq: int, payloads: tuple[PayloadDigest, ...] = ()) -> str:
    draft = RecordDraft(
        iss="spiffe://a.example/custodian/lender", dossier="0" * 32, seq=seq, kind="repayment", kind_version=1,
        event_time_s=1, recorded_time_s=2, confidentiality="ordinary", retention="r",
        provenance=Provenance(source="", generation="", storage="", notarisation="", witnesses="", corroboration=""),
        fields={"name": "Wang", "amount": seq}, payloads=payloads,
    )  # fmt: skip
    issued = issue_record(draft, {"name"}, SIGNER.public_key, SIGNER.sign, os.urandom)
    return sd_jwt_text(issued.jws, issued.disclosures)


def digest_of(name: str, size: int) -> PayloadDigest:
    return PayloadDigest(name=name, media_type="text/plain", size=size, sha256="0" * 64)


def stream() -> bytes:
    encoder = FrameEncoder()
    made = [encoder.manifest("a.b.c"), encoder.record(0, record(0, (digest_of("a.txt", 5), digest_of("b.txt", 0))))]
    made += [encoder.payload_head(0, "a.txt", 5), b"he", b"llo", encoder.payload_head(0, "b.txt", 0)]
    made += [encoder.record(2, record(2)), encoder.end()]
    return b"".join(made)


WHOLE = stream()


def decode(pieces: list[bytes]) -> tuple[list[str], bytes]:
    """What arrived, in short, and the payload bytes."""
    decoder, seen, data = FrameDecoder(), [], b""
    for piece in pieces:
        for event in decoder.feed(piece):
            if isinstance(event, PayloadData):
                data += bytes(event.data)
            elif isinstance(event, ManifestFrame):
                seen.append("manifest")
            elif isinstance(event, RecordFrame):
                seen.append(f"record {event.record.seq}")
            elif isinstance(event, PayloadEnd):
                seen.append(f"payload {event.name}")
    decoder.finish()
    return seen, data


@settings(max_examples=60)
@given(st.lists(st.integers(1, len(WHOLE)), max_size=12))
def test_any_cutting_into_pieces_gives_the_same_frames(cuts: list[int]) -> None:
    borders = [0, *sorted(set(cuts)), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in pairwise(borders)]
    assert decode(pieces) == (["manifest", "record 0", "payload a.txt", "payload b.txt", "record 2"], b"hello")


def test_stream_cut_anywhere_is_malformed() -> None:
    for end in range(len(WHOLE)):
        with pytest.raises(Malformed):
            decode([WHOLE[:end]])


def test_bytes_after_the_end_are_malformed() -> None:
    with pytest.raises(Malformed, match="follow the end"):
        decode([WHOLE, b"x"])


@settings(max_examples=200)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_any_changed_byte_is_malformed_or_other_content(place: int, value: int) -> None:
    """Frames alone prove nothing, but whatever they hold they end in events or one error."""
    data = bytearray(WHOLE)
    data[place] = value
    try:
        seen, _ = decode([bytes(data)])
    except Malformed:
        return
    assert seen[0] == "manifest"


def test_frames_out_of_order_are_malformed() -> None:
    encoder = FrameEncoder()
    manifest, first, second = encoder.manifest("a.b.c"), encoder.record(0, record(0)), encoder.record(1, record(1))
    for pieces in ([first, manifest], [manifest, second, first], [manifest, manifest], [manifest, first, first]):
        with pytest.raises(Malformed):
            decode(pieces)
