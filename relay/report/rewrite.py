"""Writes a PDF of ReportLab again with an end of line before each `endstream`, as ISO 19005-3 section 6.1.7.1 wants it.

For files that ReportLab has just made: one revision, a classic cross-reference table of one section, objects one after another.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

_TAIL: Final = b"endstream\nendobj\n"
_START: Final = re.compile(rb"startxref\n([0-9]+)\n%%EOF\n\Z")
_TABLE: Final = re.compile(
    rb"xref\n0 ([0-9]+)\n0000000000 65535 f \n((?:[0-9]{10} 00000 n \n)*)(trailer\n.*)startxref\n", re.DOTALL
)


def archived(data: bytes) -> bytes:
    """The same objects in the same order. RuntimeError when the file is not of that shape: ReportLab has changed."""
    start = _START.search(data)
    table = _TABLE.match(data, int(start[1])) if start else None
    if start is None or table is None:
        raise RuntimeError("the PDF is not written as expected: no single cross-reference table at its end")
    offsets = [int(line[:10]) for line in table[2].splitlines()]
    places = sorted(offsets)
    pieces = {begin: _piece(data[begin:end]) for begin, end in pairwise([*places, int(start[1])])}
    made = [data[: places[0]]]
    at, moved = len(made[0]), {}
    for begin in places:
        moved[begin] = at
        made.append(pieces[begin])
        at += len(pieces[begin])
    rows = b"".join(b"%010d 00000 n \n" % moved[offset] for offset in offsets)
    made.append(b"xref\n0 %s\n0000000000 65535 f \n%s%sstartxref\n%d\n%%%%EOF\n" % (table[1], rows, table[3], at))
    return b"".join(made)


def _piece(piece: bytes) -> bytes:
    return piece.removesuffix(_TAIL) + b"\n" + _TAIL if piece.endswith(_TAIL) else piece
