"""Sealing: HPKE to one recipient, and the sealed stream that carries an answer of any length.

HPKE (RFC 9180, base mode, single shot) with HKDF-SHA256 and AES-256-GCM; the KEM is X25519 or the hybrid
MLKEM768-X25519, whose 32-byte private key is expanded with SHAKE256 as in X-Wing (draft-connolly-cfrg-xwing-kem section
5.2). HPKE draws its own randomness inside `cryptography`.

A stream is a header and chunks under AES-256-GCM with a fresh content key. The nonce is 7 zero bytes ‖ uint32 counter ‖
last-chunk flag (STREAM, Hoang, Reyhanitabar, Rogaway and Vizár 2015), the header's digest is the associated data: a
chunk opens only at its place in its stream, and a stream without its last chunk is never complete. The header says how
long the plaintext is, so that every chunk's size is known and a stream can be taken up again at any chunk.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Malformed, Unverified
from relay.core.limits import CHUNK_PLAINTEXT_BYTES, CHUNKS_MAX, SEALED_HEADER_BYTES_MAX

FORMAT: Final = "courtrelay-sealed/v1"
PRIVATE_KEY_BYTES: Final = 32
CONTENT_KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
PLAINTEXT_BYTES_MAX: Final = CHUNKS_MAX * CHUNK_PLAINTEXT_BYTES
_STREAM_INFO: Final = b"courtrelay/disclosure/v1"
_MLKEM_PUBLIC_BYTES: Final = 1184
_HEADER: Final = "sealed stream header"


class Kem(enum.StrEnum):
    """Key encapsulation; the value stands in documents."""

    MLKEM768_X25519 = "MLKEM768-X25519"
    X25519 = "X25519"

    @property
    def public_key_bytes(self) -> int:
        """Length of a raw public key."""
        return {Kem.MLKEM768_X25519: _MLKEM_PUBLIC_BYTES + 32, Kem.X25519: 32}[self]

    @property
    def enc_bytes(self) -> int:
        """Length of the encapsulated key in front of each HPKE ciphertext."""
        return {Kem.MLKEM768_X25519: 1088 + 32, Kem.X25519: 32}[self]


_SUITES: Final = {
    Kem.MLKEM768_X25519: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    Kem.X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingPublicKey:
    """`raw`: 32 bytes for X25519; ML-KEM-768 (1184) ‖ X25519 (32) for the hybrid. Raises `Malformed` for no key."""

    kem: Kem
    raw: bytes

    def __post_init__(self) -> None:
        """Refuse wrong lengths and ML-KEM keys that are out of range (FIPS 203 section 7.2)."""
        if len(self.raw) != self.kem.public_key_bytes:
            reason = f"{len(self.raw)} bytes; a {self.kem.value} key has {self.kem.public_key_bytes}"
            raise Malformed("sealing key", "public_key", reason)
        try:
            self.load()
        except ValueError:
            raise Malformed("sealing key", "public_key", f"is not a {self.kem.value} public key") from None

    def load(self) -> X25519PublicKey | MLKEM768X25519PublicKey:
        """The key as `cryptography` wants it."""
        x25519 = X25519PublicKey.from_public_bytes(self.raw[-32:])
        if self.kem is Kem.X25519:
            return x25519
        return MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES]), x25519)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingPrivateKey:
    """`raw`: 32 secret bytes for either KEM. Raises `Malformed` for another length."""

    kem: Kem
    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse another length."""
        if len(self.raw) != PRIVATE_KEY_BYTES:
            raise Malformed("sealing key", "private key", f"{len(self.raw)} bytes; must be {PRIVATE_KEY_BYTES}")

    def load(self) -> X25519PrivateKey | MLKEM768X25519PrivateKey:
        """The key as `cryptography` wants it."""
        if self.kem is Kem.X25519:
            return X25519PrivateKey.from_private_bytes(self.raw)
        mlkem, x25519 = self._halves()
        return MLKEM768X25519PrivateKey(mlkem, x25519)

    @property
    def public_key(self) -> SealingPublicKey:
        """The public half."""
        if self.kem is Kem.X25519:
            raw = X25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw()
        else:
            mlkem, x25519 = self._halves()
            raw = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return SealingPublicKey(kem=self.kem, raw=raw)

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        expanded = hashlib.shake_256(self.raw).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def new_sealing_key(kem: Kem, random_bytes: Callable[[int], bytes]) -> SealingPrivateKey:
    """A fresh key pair."""
    return SealingPrivateKey(kem=kem, raw=random_bytes(PRIVATE_KEY_BYTES))


def hpke_seal(recipient: SealingPublicKey, plaintext: bytes, info: bytes) -> bytes:
    """Encapsulated key ‖ ciphertext ‖ tag. Raises `Malformed` for a key of low order (RFC 9180 section 7.1.4)."""
    try:
        return _SUITES[recipient.kem].encrypt(plaintext, recipient.load(), info)
    except ValueError:
        reason = f"cannot be sealed to: not a usable {recipient.kem.value} key"
        raise Malformed("sealing key", "public_key", reason) from None


def hpke_open(private_key: SealingPrivateKey, sealed: bytes, info: bytes, *, what: str = "sealed text") -> bytes:
    """The plaintext. Raises `Unverified` when it was altered, or sealed to another key or for another purpose."""
    try:
        return _SUITES[private_key.kem].decrypt(sealed, private_key.load(), info)
    except (InvalidTag, ValueError):
        reason = "does not open: altered, or sealed to another key or for another purpose"
        raise Unverified(f"opening the {what}", reason) from None


def _nonce(index: int, last: bool) -> bytes:
    return bytes(7) + index.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


def chunk_count(plaintext_bytes: int) -> int:
    """How many chunks a plaintext has: the empty one has one, too."""
    return max(1, -(-plaintext_bytes // CHUNK_PLAINTEXT_BYTES))


def chunk_size(index: int, plaintext_bytes: int) -> int:
    """Plaintext bytes of one chunk."""
    return min(CHUNK_PLAINTEXT_BYTES, plaintext_bytes - index * CHUNK_PLAINTEXT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedStream:
    """What fixes every byte of a stream, besides its plaintext. One content key seals one plaintext, however often it is sent."""

    header: bytes
    content_key: bytes = field(repr=False)
    plaintext_bytes: int


def new_stream(
    *,
    request_digest: bytes,
    recipient: SealingPublicKey,
    plaintext_bytes: int,
    random_bytes: Callable[[int], bytes],
) -> SealedStream:
    """Draw a content key and seal it. Raises `Malformed` when the recipient's key cannot be used."""
    if not 0 <= plaintext_bytes <= PLAINTEXT_BYTES_MAX:
        raise RuntimeError(f"a stream cannot hold {plaintext_bytes} bytes")
    content_key = random_bytes(CONTENT_KEY_BYTES)
    header = dumps(
        {
            "format": FORMAT,
            "request": request_digest.hex(),
            "kem": recipient.kem.value,
            "sealed_key": b64url_encode(hpke_seal(recipient, content_key, _STREAM_INFO + request_digest)),
            "chunk_bytes": CHUNK_PLAINTEXT_BYTES,
            "plaintext_bytes": plaintext_bytes,
        }
    )
    return SealedStream(header=header, content_key=content_key, plaintext_bytes=plaintext_bytes)


class StreamSealer:
    """Seals the plaintext of a stream from chunk `first` on: the caller gives the bytes from that chunk's beginning."""

    def __init__(self, stream: SealedStream, first: int = 0) -> None:
        self._stream = stream
        self._aad = hashlib.sha256(stream.header).digest()
        self._aead = AESGCM(stream.content_key)
        self._chunks = chunk_count(stream.plaintext_bytes)
        self._held = bytearray(CHUNK_PLAINTEXT_BYTES)
        self._filled = 0
        self._index = first

    def push(self, buffer: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take plaintext in, yield the chunks it completes. Consume the iterator before the next call."""
        rest = memoryview(buffer).cast("B")
        while rest:
            if self._index == self._chunks:
                raise RuntimeError("more plaintext than the stream's header says")
            size = chunk_size(self._index, self._stream.plaintext_bytes)
            if not self._filled and len(rest) >= size:
                yield self._encrypt(rest[:size])
                rest = rest[size:]
                continue
            taken = min(len(rest), size - self._filled)
            self._held[self._filled : self._filled + taken] = rest[:taken]
            self._filled += taken
            rest = rest[taken:]
            if self._filled == size:
                self._filled = 0
                yield self._encrypt(memoryview(self._held)[:size])

    def seal(self, buffers: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
        """Every chunk from the first one on. RuntimeError when the plaintext has another length than the header says."""
        for buffer in buffers:
            yield from self.push(buffer)
        if not self._stream.plaintext_bytes and not self._index:
            yield self._encrypt(b"")
        if self._index != self._chunks:
            raise RuntimeError("less plaintext than the stream's header says")

    def _encrypt(self, plaintext: bytes | bytearray | memoryview) -> bytes:
        last = self._index == self._chunks - 1
        chunk = self._aead.encrypt(_nonce(self._index, last), plaintext, self._aad)
        self._index += 1
        return chunk


class StreamOpener:
    """Opens one answer, chunk by chunk in order. After any refusal it opens nothing more."""

    def __init__(self, header: bytes, private_key: SealingPrivateKey, request_digest: bytes) -> None:
        """Raises `Malformed` (form) or `Unverified` (another request, another KEM, another key)."""
        fields = Fields(loads(header, what=_HEADER, bytes_max=SEALED_HEADER_BYTES_MAX), what=_HEADER)
        fields.literal("format", FORMAT)
        fields.integer("chunk_bytes", low=CHUNK_PLAINTEXT_BYTES, high=CHUNK_PLAINTEXT_BYTES)
        request = fields.digest("request")
        kem = Kem(fields.literal("kem", *(k.value for k in Kem)))
        sealed_key = fields.b64url("sealed_key", size=kem.enc_bytes + CONTENT_KEY_BYTES + TAG_BYTES)
        self.plaintext_bytes: Final = fields.integer("plaintext_bytes", high=PLAINTEXT_BYTES_MAX)
        fields.done()
        if request != request_digest.hex():
            raise Unverified(_HEADER, f"request: answers request {request}, not {request_digest.hex()}")
        if kem is not private_key.kem:
            raise Unverified(_HEADER, f"kem: sealed with {kem.value}, the request asked for {private_key.kem.value}")
        content_key = hpke_open(private_key, sealed_key, _STREAM_INFO + request_digest, what="content key")
        self.chunks: Final = chunk_count(self.plaintext_bytes)
        self._aead = AESGCM(content_key)
        self._aad = hashlib.sha256(header).digest()
        self._index = 0
        self._closed = ""

    @property
    def complete(self) -> bool:
        """The last chunk was opened, or found where it was kept."""
        return self._index == self.chunks and not self._closed

    @property
    def next_size(self) -> int:
        """Plaintext bytes of the next chunk."""
        return chunk_size(self._index, self.plaintext_bytes)

    def skip(self) -> None:
        """Pass over the next chunk: its plaintext was opened before and is held."""
        self._index += 1

    def open(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """The plaintext of the next chunk. Raises `Unverified`."""
        if self._closed:
            raise self._refuse(self._closed)
        if self._index == self.chunks:
            raise self._refuse("comes after the last chunk")
        size = chunk_size(self._index, self.plaintext_bytes)
        if len(chunk) != size + TAG_BYTES:
            raise self._refuse(f"has {len(chunk)} bytes; the header's length makes it {size + TAG_BYTES}")
        try:
            plaintext = self._aead.decrypt(_nonce(self._index, self._index == self.chunks - 1), chunk, self._aad)
        except InvalidTag:
            raise self._refuse("does not open: altered, out of order, repeated, or of another stream") from None
        self._index += 1
        return plaintext

    def finish(self) -> None:
        """Raises `Unverified` unless the last chunk was opened."""
        if not self.complete:
            raise Unverified("sealed stream", f"ends after {self._index} of {self.chunks} chunks: it is cut off")

    def _refuse(self, reason: str) -> Unverified:
        self._closed = "comes after a refused chunk"
        return Unverified(f"sealed stream chunk {self._index}", reason)
