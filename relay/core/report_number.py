"""ReportNumber: what people write down to name one deposit report (docs/spec/report.md).

`<court>-<year>-<serial>-<check>`: six characters that stand for the court, the year of issue in UTC, the court's serial number in that
year in at least six digits, two check digits over the rest (ISO/IEC 7064, MOD 97-10), as a deposit number has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relay.core.deposit_number import ALPHABET, LOG_CHARS, check_digits, log_code
from relay.core.errors import Malformed

SERIAL_MAX: Final = 999_999_999
CODE_BYTES: Final = 16
CODE_CHARS: Final = 26
_FORM: Final = re.compile(rf"([{ALPHABET}]{{{LOG_CHARS}}})-([0-9]{{4}})-([0-9]{{6,9}})-([0-9]{{2}})")
_CODE: Final = re.compile(rf"[0-7][{ALPHABET}]{{{CODE_CHARS - 1}}}")
_WHAT: Final = "report number"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportNumber:
    """`court` stands for the issuer's identity; `serial` counts from 1 in each year."""

    court: str
    year: int
    serial: int

    def __str__(self) -> str:
        year, serial = f"{self.year:04d}", f"{self.serial:06d}"
        return f"{self.court}-{year}-{serial}-{check_digits(self.court + year + serial)}"


def report_number(issuer: str, year: int, serial: int) -> ReportNumber:
    """The number of an issuer's report; `issuer` is its identity."""
    if not 1 <= serial <= SERIAL_MAX:
        raise RuntimeError(f"serial {serial} is outside 1 to {SERIAL_MAX}")
    return ReportNumber(court=log_code(issuer), year=year, serial=serial)


def parse_report_number(text: str) -> ReportNumber:
    """Raises `Malformed`, which tells a wrong form from check digits that do not fit: a slip of the pen."""
    match = _FORM.fullmatch(text) if len(text) <= 32 else None
    if match is None:
        raise Malformed(_WHAT, "", "must look like 7K3QZ9-2026-000001-42: letters in upper case, no I, L, O or U")
    court, year, serial, check = match.groups()
    if check != check_digits(court + year + serial):
        raise Malformed(
            _WHAT, "", "its last two digits do not fit the rest: a character is wrong or two have changed places"
        )
    number = ReportNumber(court=court, year=int(year), serial=int(serial))
    if not number.serial or str(number) != text:
        raise Malformed(_WHAT, "", "has another spelling than the one that is given out")
    return number


def retrieval_code(random: bytes) -> str:
    """The code under which a report is found: 128 random bits in 26 characters, the first of them below 8."""
    if len(random) != CODE_BYTES:
        raise RuntimeError(f"{len(random)} random bytes; a retrieval code is made from {CODE_BYTES}")
    value = int.from_bytes(random)
    return "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(CODE_CHARS)))


def check_code(text: str) -> str:
    """The code itself. Raises `Malformed`; the reason never repeats it."""
    if _CODE.fullmatch(text) is None:
        raise Malformed("retrieval code", "", f"must be {CODE_CHARS} letters and digits, as the report shows them")
    return text
