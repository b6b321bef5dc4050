"""Manifests of many rows with faults planted in them: every fault has a name, and the field its refusal must name."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

HEADER = b"case,dossier,court,kinds,purpose,officer,expires\r\n"
COURT = b"spiffe://courtrelay.example/court/court"


@dataclass(frozen=True)
class Fault:
    """`row` has `{n}` for a number and `{d}` for a dossier that is there; `field` is a part of the place that is named."""

    name: str
    row: bytes
    field: str
    end: bytes = b"\r\n"


FAULTS = (
    Fault("no case", b",{d},,,,,", "case"),
    Fault("case too long", b"C" * 129 + b",{d},,,,,", "case"),
    Fault("case that rings a bell", b"Case \x07{n},{d},,,,,", "case"),
    Fault("case in the other reading order", "Case \u202e{n},{d},,,,,".encode(), "case"),
    Fault("case with a zero byte", b"Case \x00{n},{d},,,,,", "case"),
    Fault("case in another normal form", "Cafe\u0301 {n},{d},,,,,".encode(), "case"),
    Fault("case with a space at its end", b"Case {n} ,{d},,,,,", "case"),
    Fault("case with an invisible joiner", "Case\u200b{n},{d},,,,,".encode(), "case"),
    Fault("mark in the middle of the file", "\ufeffCase {n},{d},,,,,".encode(), "case"),
    Fault("no dossier", b"Case {n},,,,,,", "dossier"),
    Fault("dossier too long", b"Case {n}," + b"L" * 129 + b",,,,,", "dossier"),
    Fault("unknown dossier", b"Case {n},LOAN-UNKNOWN,,,,,", "dossiers"),
    Fault("dossier that is a path", b"Case {n},../../etc/passwd,,,,,", "dossiers"),
    Fault("dossier that is a statement", b"Case {n},'; DROP TABLE dossier; --,,,,,", "dossiers"),
    Fault("unknown dossier id", b"Case {n}," + b"0" * 32 + b",,,,,", "dossiers"),
    Fault("court that nobody pinned", b"Case {n},{d},spiffe://courtrelay.example/court/other,,,,", "court"),
    Fault("court that is no id", b"Case {n},{d},court,,,,", "court"),
    Fault("court that is a custodian", b"Case {n},{d},spiffe://courtrelay.example/custodian/lender,,,,", "court"),
    Fault("kind in capitals", b"Case {n},{d},,Repayment,,,", "kinds"),
    Fault("unknown kind", b"Case {n},{d},,repaymnt,,,", "kind"),
    Fault("two spaces between kinds", b"Case {n},{d},,repayment  complaint,,,", "kinds"),
    Fault("too many kinds", b"Case {n},{d},," + b" ".join(b"k%d" % i for i in range(129)) + b",,,", "kinds"),
    Fault("purpose too long", b"Case {n},{d},,," + b"p" * 501 + b",,", "purpose"),
    Fault("officer too long", b"Case {n},{d},,,," + b"o" * 129 + b",", "officer"),
    Fault("expired", b"Case {n},{d},,,,,2020-01-01T00:00:00Z", "exp"),
    Fault("day that does not exist", b"Case {n},{d},,,,,2031-02-30T00:00:00Z", "expires"),
    Fault("time without a zone", b"Case {n},{d},,,,,2031-02-01 00:00", "expires"),
    Fault("no UTF-8", b"Case \xff{n},{d},,,,,", "byte"),
    Fault("half a surrogate pair", b"Case \xed\xa0\x80{n},{d},,,,,", "byte"),
    Fault("too few columns", b"Case {n},{d}", "columns"),
    Fault("too many columns", b"Case {n},{d},,,,,,extra", "columns"),
    Fault("empty line", b"", "columns"),
    Fault("quote that is not closed", b'"Case {n},{d},,,,,', "column 1"),
    Fault("quote inside", b'Case "{n}",{d},,,,,', "column 1"),
    Fault("text after a quote", b'"Case {n}"x,{d},,,,,', "column 1"),
    Fault("line too long", b"Case {n},{d},,," + b"x" * 9000 + b",,", ""),
    Fault("other line end", b"Case {n},{d},,,,,", "line end", b"\n"),
)
DUPLICATE = "the same case, dossier and court as row"

_GOOD = (
    b"Case {n},{d},,,,,",
    b'"Case {n}, second chamber",{d},,,,,',
    b'"Case {n} ""urgent""",{d},,,hearing,judge 7,',
    "（2026）沪0115民初{n}号,{d},,*,,,".encode(),
    b"=cmd|' /C calc'!A{n},{d},,,,,2035-01-01T00:00:00Z",
    b"Case {n},{d}," + COURT + b",repayment complaint,,,",
)


@dataclass(frozen=True)
class Written:
    """A manifest file; `faults` maps the number of each faulty row to its fault, None for a duplicate."""

    path: Path
    rows: int
    faults: dict[int, Fault | None]


def write_manifest(path: Path, *, rows: int, faults: int, dossiers: int, seed: int) -> Written:
    """`rows` rows of which `faults` are wrong, every kind of fault in turn, one of them a duplicate; the same for the same seed."""
    dice = random.Random(seed)
    places = sorted(dice.sample(range(3, rows + 1), faults))
    kinds: list[Fault | None] = [None, *(FAULTS[i % len(FAULTS)] for i in range(faults - 1))]
    dice.shuffle(kinds)
    planted = dict(zip(places, kinds, strict=True))
    lines = [HEADER]
    for number in range(1, rows + 1):
        fault = planted.get(number, _GOOD)
        dossier = b"LOAN-%d" % (number % dossiers)
        if fault is None:
            lines.append(lines[1])
            continue
        row = dice.choice(_GOOD) if isinstance(fault, tuple) else fault.row
        end = b"\r\n" if isinstance(fault, tuple) else fault.end
        lines.append(row.replace(b"{n}", b"%d" % number).replace(b"{d}", dossier) + end)
    path.write_bytes(b"".join(lines))
    return Written(path=path, rows=rows, faults=planted)
