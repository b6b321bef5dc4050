"""Plain lines of text in a cell: broken to the cell's width and drawn, without the markup that a paragraph would read first.

A report has thousands of cells; a general paragraph takes most of the time of printing one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from reportlab.lib.colors import Color
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import Flowable

LEADING: Final = 1.4
NOT_FIRST: Final = frozenset("，。、；：）】》？！,.;:)")
"""Signs that do not begin a line (GB/T 15834)."""
_WIDE: Final = 0x2E80
"""From here on a line may be broken between any two characters."""


@dataclass(frozen=True, slots=True)
class Line:
    """A text, drawn in one font, size in points, and colour."""

    text: str
    font: str
    size: float
    color: Color

    @property
    def leading(self) -> float:
        """From one line to the next."""
        return self.size * LEADING


class Lines(Flowable):
    """Some lines under one another; each goes on below itself where it is longer than the cell is wide."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__()
        self._lines = tuple(lines)
        self._broken: tuple[float, tuple[Line, ...]] = (-1.0, ())

    def _rows(self, width: float) -> tuple[Line, ...]:
        if self._broken[0] != width:
            rows = tuple(
                Line(piece, line.font, line.size, line.color) for line in self._lines for piece in broken(line, width)
            )
            self._broken = (width, rows)
        return self._broken[1]

    def wrap(self, available_width: float, _available_height: float) -> tuple[float, float]:
        """Its size in a cell of that width."""
        self.width = available_width
        return available_width, sum(row.leading for row in self._rows(available_width))

    def pieces(self, width: float, height_max: float) -> list[Lines]:
        """Itself, or as many as it takes that none is higher in a cell of that width."""
        made: list[list[Line]] = [[]]
        used = 0.0
        for row in self._rows(width):
            if used + row.leading > height_max and made[-1]:
                made.append([])
                used = 0.0
            made[-1].append(row)
            used += row.leading
        return [self] if len(made) == 1 else [Lines(rows) for rows in made]

    def draw(self) -> None:
        """From the top down."""
        canvas: Any = self.canv
        rows = self._rows(self.width)
        y = sum(row.leading for row in rows)
        for row in rows:
            y -= row.leading
            canvas.setFillColor(row.color)
            canvas.setFont(row.font, row.size)
            canvas.drawString(0, y + row.size * 0.3, row.text)


def broken(line: Line, width: float) -> Iterator[str]:
    """The line in pieces that are no wider: cut at spaces and between wide characters, inside a word only where it is too long."""
    widths = _widths(line.font)
    room = width * 1000 / line.size
    text, start, used, cut = line.text, 0, 0.0, 0
    for place, character in enumerate(text):
        used += widths.get(ord(character), widths[-1])
        if used > room and place > start:
            end = cut if cut > start else place
            yield text[start:end].rstrip()
            start = end
            used = sum(widths.get(ord(one), widths[-1]) for one in text[start : place + 1])
        if _may_end(text, place):
            cut = place + 1
    yield text[start:].rstrip()


def _may_end(text: str, place: int) -> bool:
    """Whether a line may end behind this character."""
    here, follows = text[place], text[place + 1 : place + 2]
    if follows in NOT_FIRST and follows:
        return False
    return here == " " or ord(here) >= _WIDE or (bool(follows) and ord(follows) >= _WIDE)


@lru_cache(maxsize=8)
def _widths(font: str) -> dict[int, float]:
    """Code point → width in thousandths of the size; -1: of what has none of its own."""
    found: Any = pdfmetrics.getFont(font)
    return {**found.face.charWidths, -1: found.face.defaultWidth}
