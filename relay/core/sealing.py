"""Sealing: HPKE to one recipient, and the sealed stream that carries an answer of any length.

HPKE (RFC 9180, base mode, single shot) with HKDF-SHA256 and AES-256-GCM; the KEM is X25519 or the hybrid
MLKEM768-X25519, whose 32-byte private key is expanded with SHAKE256 as in X-Wing (draft-connolly-cfrg-xwing-kem section
5.2). HPKE draws its own randomness inside `cryptography`.

A stream is a header and chunks under AES-256-GCM with a fresh content key. The nonce is 7 zero bytes ‖ uint32 counter ‖
last-chunk flag (STREAM, Hoang, Reyhanitabar, Rogaway and Vizár 2015), the header's digest is the associated data: a
chunk opens only at its place in its stream, and a stream without its last chunk is never complete.
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
from relay.core.limits import CHUNK_PLAINTEXT_BYTES, SEALED_HEADER_BYTES_MAX

FORMAT: Final = "courtrelay-sealed/v1"
PRIVATE_KEY_BYTES: Final = 32
CONTENT_KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
CHUNKS_MAX: Final = 2**32
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


class StreamSealer:
    """Seals one answer. `header` travels first; then the chunks of `push` and, at the end, the one of `finish`."""

    def __init__(
        self, *, request_digest: bytes, recipient: SealingPublicKey, random_bytes: Callable[[int], bytes]
    ) -> None:
        """Draws the content key. Raises `Malformed` when the recipient's key cannot be used."""
        content_key = random_bytes(CONTENT_KEY_BYTES)
        self.header: Final = dumps(
            {
                "format": FORMAT,
                "request": request_digest.hex(),
                "kem": recipient.kem.value,
                "sealed_key": b64url_encode(hpke_seal(recipient, content_key, _STREAM_INFO + request_digest)),
                "chunk_bytes": CHUNK_PLAINTEXT_BYTES,
            }
        )
        self._aad = hashlib.sha256(self.header).digest()
        self._aead = AESGCM(content_key)
        self._held = bytearray(CHUNK_PLAINTEXT_BYTES)
        self._filled = 0
        self._index = 0
        self._finished = False

    def push(self, buffer: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take plaintext in, yield the chunks it completes. Consume the iterator before the next call.

        A full chunk is held back until more plaintext comes: only then is it known not to be the last.
        """
        if self._finished:
            raise RuntimeError("this stream is finished; a content key is used once")
        rest = memoryview(buffer).cast("B")
        while rest:
            if self._filled == CHUNK_PLAINTEXT_BYTES:
                self._filled = 0
                yield self._encrypt(self._held, last=False)
            if not self._filled and len(rest) > CHUNK_PLAINTEXT_BYTES:
                yield self._encrypt(rest[:CHUNK_PLAINTEXT_BYTES], last=False)
                rest = rest[CHUNK_PLAINTEXT_BYTES:]
                continue
            taken = min(len(rest), CHUNK_PLAINTEXT_BYTES - self._filled)
            self._held[self._filled : self._filled + taken] = rest[:taken]
            self._filled += taken
            rest = rest[taken:]

    def finish(self) -> bytes:
        """The last chunk."""
        if self._finished:
            raise RuntimeError("this stream is finished already")
        self._finished = True
        return self._encrypt(memoryview(self._held)[: self._filled], last=True)

    def seal(self, buffers: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
        """Every chunk of a whole plaintext."""
        for buffer in buffers:
            yield from self.push(buffer)
        yield self.finish()

    def _encrypt(self, plaintext: bytearray | memoryview, *, last: bool) -> bytes:
        if self._index >= CHUNKS_MAX:
            raise RuntimeError("the stream has no counter left")
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
        fields.done()
        if request != request_digest.hex():
            raise Unverified(_HEADER, f"request: answers request {request}, not {request_digest.hex()}")
        if kem is not private_key.kem:
            raise Unverified(_HEADER, f"kem: sealed with {kem.value}, the request asked for {private_key.kem.value}")
        content_key = hpke_open(private_key, sealed_key, _STREAM_INFO + request_digest, what="content key")
        self._aead = AESGCM(content_key)
        self._aad = hashlib.sha256(header).digest()
        self._index = 0
        self._complete = False
        self._closed = ""

    def open(self, chunk: bytes | bytearray | memoryview, last: bool) -> bytes:
        """The plaintext of the next chunk; the transport says whether it is the last. Raises `Unverified`."""
        if self._closed:
            raise self._refuse(self._closed)
        size = len(chunk) - TAG_BYTES
        low = (0 if self._index == 0 else 1) if last else CHUNK_PLAINTEXT_BYTES
        if not low <= size <= CHUNK_PLAINTEXT_BYTES or self._index >= CHUNKS_MAX:
            raise self._refuse(f"{len(chunk)} bytes cannot be {'the last' if last else 'a full'} chunk")
        try:
            plaintext = self._aead.decrypt(_nonce(self._index, last), chunk, self._aad)
        except InvalidTag:
            reason = "does not open: altered, out of order, of another stream, or wrongly taken for the end"
            raise self._refuse(reason) from None
        self._index += 1
        if last:
            self._complete = True
            self._closed = "comes after the last chunk"
        return plaintext

    def finish(self) -> None:
        """Raises `Unverified` unless the last chunk was opened."""
        if not self._complete:
            raise Unverified("sealed stream", f"ends after {self._index} chunks without its last one: it is cut off")

    def _refuse(self, reason: str) -> Unverified:
        self._closed = self._closed or "comes after a refused chunk"
        self._complete = False
        return Unverified(f"sealed stream chunk {self._index}", reason)
