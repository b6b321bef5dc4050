"""DepositNumber: what people write down to find one record's entry again (docs/spec/deposit-number.md).

`<log>-<index>-<check>`: six characters that stand for the log, its index in at least eight, two check digits over both
(ISO/IEC 7064, MOD 97-10). Letters are Crockford's base 32 without I, L, O and U; one spelling, upper case. It names a place in a
log and says nothing of a person.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Malformed
from relay.core.limits import TREE_SIZE_MAX

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LOG_CHARS: Final = 6
INDEX_CHARS_MIN: Final = 8
CHARS_MAX: Final = 32
_DOMAIN: Final = b"courtrelay/deposit-number/v1"
_FORM: Final = re.compile(rf"([{ALPHABET}]{{{LOG_CHARS}}})-([{ALPHABET}]{{{INDEX_CHARS_MIN},13}})-([0-9]{{2}})")
_WHAT: Final = "deposit number"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositNumber:
    """`log` stands for an origin (several could share one: compare with `log_code`), `index` is the place in it."""

    log: str
    index: int

    def __str__(self) -> str:
        index = _base32(self.index).rjust(INDEX_CHARS_MIN, "0")
        return f"{self.log}-{index}-{check_digits(self.log + index)}"


def deposit_number(origin: str, index: int) -> DepositNumber:
    """The number of an entry."""
    return DepositNumber(log=log_code(origin), index=index)


def log_code(origin: str) -> str:
    """The first 30 bits of SHA-256 over the domain and the origin, in six characters."""
    value = int.from_bytes(hashlib.sha256(_DOMAIN + origin.encode()).digest()[:4]) >> 2
    return _base32(value).rjust(LOG_CHARS, "0")


def parse_deposit_number(text: str) -> DepositNumber:
    """Raises `Malformed`, which tells a wrong form from check digits that do not fit: a slip of the pen."""
    match = _FORM.fullmatch(text) if len(text) <= CHARS_MAX else None
    if match is None:
        raise Malformed(_WHAT, "", "must look like 7K3QZ9-0000001A-42: letters in upper case, no I, L, O or U")
    log, index_text, check = match.groups()
    if check != check_digits(log + index_text):
        raise Malformed(
            _WHAT, "", "its last two digits do not fit the rest: a character is wrong or two have changed places"
        )
    index = 0
    for character in index_text:
        index = index * 32 + ALPHABET.index(character)
    number = DepositNumber(log=log, index=index)
    if index >= TREE_SIZE_MAX or str(number) != text:
        raise Malformed(_WHAT, "", "has another spelling than the one that is given out")
    return number


def _base32(value: int) -> str:
    digits = ""
    while value:
        value, rest = divmod(value, 32)
        digits = ALPHABET[rest] + digits
    return digits or "0"


def check_digits(text: str) -> str:
    """MOD 97-10: letters count as 10 to 35; the whole with its check digits leaves 1."""
    value = int("".join(str(int(character, 36)) for character in text) + "00")
    return f"{98 - value % 97:02d}"
