"""C2SP signed-note: a text and its signature lines, parsed strictly and written back byte for byte.

A note is UTF-8 text that ends in a newline, an empty line, and lines `— <key name> base64(key id ‖ signature)`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from relay.core.base64strict import b64decode, b64encode
from relay.core.errors import Malformed, Unverified
from relay.core.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, ORIGIN_CHARS_MAX

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
KEY_ID_BYTES: Final = 4
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES_MAX: Final = 8192

_FIELD: Final = 2**255 - 19
_EIGHTH: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER: Final = frozenset({0, 1, _EIGHTH, _FIELD - _EIGHTH, _FIELD - 1})
"""y of the points whose order divides 8: under such a key, the zero key among them, anybody signs anything."""

_DASH: Final = "— "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_VKEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line. `signature` is what follows the key id; its form depends on the key's algorithm."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text (ending in a newline) and its signatures in their order."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key with the name and algorithm it signs under (`vkey` in the signed-note document)."""

    name: str
    algorithm: int
    public_key: bytes

    @classmethod
    def ed25519(cls, name: str, public_key: bytes) -> VerifierKey:
        """A key for plain note signatures (type 0x01)."""
        return cls(name=name, algorithm=ED25519, public_key=public_key)

    @classmethod
    def cosigner(cls, name: str, public_key: bytes) -> VerifierKey:
        """A key for Ed25519 cosignatures (type 0x04, C2SP tlog-cosignature)."""
        return cls(name=name, algorithm=COSIGNATURE_V1, public_key=public_key)

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name ‖ newline ‖ type ‖ key)."""
        return key_id(self.name, self.algorithm, self.public_key)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `name+hexid+base64`. Raises `Malformed`."""
        match = _VKEY.fullmatch(text) if len(text) <= ORIGIN_CHARS_MAX + 128 else None
        if match is None:
            raise Malformed("verifier key", "", "must be <name>+<8 hex digits>+<base64>")
        check_name(match[1], "verifier key")
        data = b64decode(match[3], what="verifier key", field="key")
        if len(data) != 1 + PUBLIC_KEY_BYTES or data[0] not in (ED25519, COSIGNATURE_V1):
            raise Malformed("verifier key", "key", "must be an Ed25519 key of type 01 or 04")
        key = cls(name=match[1], algorithm=data[0], public_key=data[1:])
        if key.key_id.hex() != match[2]:
            raise Malformed("verifier key", "id", "does not belong to this name and key")
        return key

    def format(self) -> str:
        """The inverse of `parse`."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.algorithm]) + self.public_key)}"


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """signed-note, "Signatures": the four bytes that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:KEY_ID_BYTES]


def check_name(name: str, what: str) -> str:
    """A key name: not empty, no white space, no plus, bounded. Raises `Malformed`."""
    if not 0 < len(name) <= ORIGIN_CHARS_MAX or _NAME.fullmatch(name) is None:
        raise Malformed(what, "name", f"must be 1 to {ORIGIN_CHARS_MAX} characters without spaces and plus signs")
    return name


def parse_note(data: bytes) -> Note:
    """Read a note. Raises `Malformed`; what it accepts, `format_note` writes back to the same bytes."""
    what = "note"
    if len(data) > NOTE_BYTES_MAX:
        raise Malformed(what, "", f"{len(data)} bytes; at most {NOTE_BYTES_MAX}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(what, f"byte {error.start}", "is not UTF-8") from None
    if _CONTROL.search(whole):
        raise Malformed(what, "", "holds a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not text or not lines.endswith("\n"):
        raise Malformed(what, "", "must be a text, an empty line and signature lines")
    rows = lines[:-1].split("\n")
    if len(rows) > NOTE_SIGNATURES_MAX:
        raise Malformed(what, "signatures", f"{len(rows)} lines; at most {NOTE_SIGNATURES_MAX}")
    return Note(text=text + "\n", signatures=tuple(_signature(row, i) for i, row in enumerate(rows)))


def _signature(line: str, number: int) -> Signature:
    field = f"signature {number}"
    if not line.startswith(_DASH):
        raise Malformed("note", field, "must start with an em dash and a space")
    name, space, encoded = line[len(_DASH) :].partition(" ")
    if not space:
        raise Malformed("note", field, "must hold a key name and base64")
    check_name(name, "note")
    data = b64decode(encoded, what="note", field=field)
    if not KEY_ID_BYTES < len(data) <= SIGNATURE_BYTES_MAX:
        raise Malformed("note", field, "has an impossible length")
    return Signature(name=name, key_id=data[:KEY_ID_BYTES], signature=data[KEY_ID_BYTES:])


def format_note(note: Note) -> bytes:
    """The note's bytes."""
    return (note.text + "\n" + "".join(map(signature_line, note.signatures))).encode()


def signature_line(signature: Signature) -> str:
    """One line as it stands in a note, its newline too."""
    return f"{_DASH}{signature.name} {b64encode(signature.key_id + signature.signature)}\n"


def check_ed25519(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032 verification; False for any key or signature of the wrong form, and for every key of small order."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != 64:
        return False
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    if y >= _FIELD or y in _SMALL_ORDER:  # OpenSSL takes both
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_note(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> Signature:
    """A type 0x01 signature over the text."""
    if key.algorithm != ED25519:
        raise RuntimeError("a plain note signature needs a key of type 0x01")
    return Signature(name=key.name, key_id=key.key_id, signature=sign(text.encode()))


def matching(note: Note, keys: Iterable[VerifierKey]) -> list[tuple[VerifierKey, Signature]]:
    """Signature lines whose name and key id are those of a known key; lines of unknown keys are passed over."""
    known = {(key.name, key.key_id): key for key in keys}
    found = [(known[s.name, s.key_id], s) for s in note.signatures if (s.name, s.key_id) in known]
    if len({(key.name, key.key_id) for key, _ in found}) != len(found):
        raise Unverified("signature", "the same key stands on two signature lines")
    return found


def verify(note: Note, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """The known keys whose type 0x01 signature holds; at least one. A bad signature of a known key is fatal.

    Raises `Unverified`.
    """
    good = []
    for key, signature in matching(note, [k for k in keys if k.algorithm == ED25519]):
        if not check_ed25519(key.public_key, signature.signature, note.text.encode()):
            raise Unverified("signature", f"the signature of {key.name} does not hold")
        good.append(key)
    if not good:
        raise Unverified("signature", "no known key signed this note")
    return good
