"""An invitation's secrets: the link, and whose it is (docs/spec/invitation.md).

The link holds 256 random bits; the court keeps their SHA-256. Name and identity number are never kept: only the output of
scrypt (RFC 7914) over both in one spelling, salted with 16 stored bytes and with the link's own secret. Whoever has the court's
file alone cannot try a guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.fields import check_plain

SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
NAME_CHARS_MAX: Final = 100
NUMBER_CHARS_MAX: Final = 40
_DOMAIN: Final = b"courtrelay/invitation/v1"
_WHAT: Final = "invitation"
_NUMBER: Final = re.compile(r"[0-9A-Z]{4,32}")
_RESIDENT: Final = re.compile(r"[0-9]{17}[0-9X]")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
_DOTS: Final = dict.fromkeys(map(ord, "·•‧・∙⋅."), "·")
"""Written between the parts of a transcribed name, in whatever way a keyboard offers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScryptCost:
    """RFC 7914 section 2: cost `n`, block size `r`, parallelism `p`. Memory is 128 * n * r bytes."""

    n: int
    r: int
    p: int


COST: Final = ScryptCost(n=2**15, r=8, p=3)
"""32 MiB and some tenths of a second, a setting of OWASP's password storage guide. Stored with each row, so that it can be raised."""
HASH_BYTES: Final = 32


def parse_secret(text: str) -> bytes:
    """The secret of a link, unpadded base64url. Raises `Malformed`."""
    if len(text) > SECRET_BYTES * 2:
        raise Malformed(_WHAT, "link", "is not one of this court's links")
    secret = b64url_decode(text, what=_WHAT, field="link")
    if len(secret) != SECRET_BYTES:
        raise Malformed(_WHAT, "link", "is not one of this court's links")
    return secret


def format_secret(secret: bytes) -> str:
    """As it stands in the link: 43 characters."""
    return b64url_encode(secret)


def secret_digest(secret: bytes) -> bytes:
    """What the court keeps of a link. The secret has 256 random bits: a plain digest cannot be searched."""
    return hashlib.sha256(_DOMAIN + secret).digest()


def one_spelling(name: str, number: str) -> bytes:
    """Name and identity number as canonical bytes, whatever the keyboard: width, case, spaces, dots and hyphens do not count.

    Raises `Malformed`, also for a resident identity number whose check digit does not fit (GB 11643-1999): a slip of the pen.
    """
    if len(name) > NAME_CHARS_MAX or len(number) > NUMBER_CHARS_MAX:
        raise Malformed(_WHAT, "name" if len(name) > NAME_CHARS_MAX else "id_number", "is too long")
    plain = unicodedata.normalize("NFKC", name).casefold().translate(_DOTS)
    joined = check_plain("".join(plain.split()), _WHAT, "name")
    digits = re.sub(r"[\s()\-]", "", unicodedata.normalize("NFKC", number)).upper()
    if not _NUMBER.fullmatch(digits):
        raise Malformed(
            _WHAT, "id_number", "must be 4 to 32 letters and digits; spaces, hyphens and brackets do not count"
        )
    if _RESIDENT.fullmatch(digits):
        total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=False))
        if digits[-1] != _CHECK[total % 11]:
            raise Malformed(_WHAT, "id_number", "its last character does not fit the rest: one of them is wrong")
    return dumps([unicodedata.normalize("NFC", joined), digits])


def derive(pair: bytes, salt: bytes, secret: bytes, cost: ScryptCost) -> bytes:
    """What is kept instead of name and number. Slow on purpose: call it off the loop."""
    kdf = Scrypt(salt=_DOMAIN + salt + secret, length=HASH_BYTES, n=cost.n, r=cost.r, p=cost.p)
    return kdf.derive(pair)


def fits(pair: bytes, salt: bytes, secret: bytes, cost: ScryptCost, kept: bytes) -> bool:
    """Whether name and number are those of the invitation. Slow; takes as long for yes as for no."""
    return hmac.compare_digest(derive(pair, salt, secret, cost), kept)
