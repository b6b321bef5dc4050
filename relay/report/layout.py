"""How a report looks on A4: styles, tables, head and foot of each page. Calm: one font, two tints, hair lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, LongTable, Paragraph, Spacer, Table, TableStyle

from relay.report.fonts import Fonts
from relay.report.lines import Line, Lines
from relay.report.text import cut, markup, plain
from relay.words import Speaker

INK: Final = HexColor("#1b2430")
SOFT: Final = HexColor("#56616e")
LINE: Final = HexColor("#cbd3dc")
TINT: Final = HexColor("#f2f5f8")
MARGIN: Final = 18 * mm
WIDTH: Final = A4[0] - 2 * MARGIN
LABEL_WIDTH: Final = 42 * mm
FOOT: Final = 11 * mm
LINE_CHARS_MAX: Final = 300
"""Of one line of a record's row; the attached document has it whole."""
CELL_CHARS_MAX: Final = 4000
PADDING: Final = 3
ROW_HEIGHT_MAX: Final = 220 * mm
CELL_SIZE: Final = 7.5
LABEL_SIZE: Final = 8.0
FACT_SIZE: Final = 8.5
HASH_SIZE: Final = 6.4


@dataclass(frozen=True, slots=True)
class Look:
    """Fonts, words and styles of one report."""

    fonts: Fonts
    words: Speaker
    styles: dict[str, ParagraphStyle]

    def t(self, template: str, **values: object) -> str:
        """A text of ours in the report's language; values that come from outside go in as they are and are escaped when set."""
        return self.words.text(template, **values)

    def known(self, text: str) -> str:
        """The text, or the words for what is not known."""
        return text or self.t("not known")

    def time(self, ms: int) -> str:
        """A time, or the words for what is not known."""
        return self.known(self.words.time(ms))

    def p(self, text: str, style: str = "body") -> Paragraph:
        """A paragraph of text from anywhere."""
        return Paragraph(markup(text, self.fonts), self.styles[style])

    def lines(self, parts: Sequence[tuple[str, str]], size: float = CELL_SIZE) -> Lines:
        """A cell of lines, each (text, look): `plain`, `soft`, `strong` or `hash`."""
        return Lines([self._line(cut(text, LINE_CHARS_MAX), look, size) for text, look in parts if text])

    def cell(self, text: str, look: str = "plain", size: float = CELL_SIZE) -> Lines:
        """A cell of one text."""
        return Lines([self._line(cut(text, CELL_CHARS_MAX), look, size)])

    def _line(self, text: str, look: str, size: float) -> Line:
        return Line(
            plain(text, self.fonts),
            self.fonts.bold if look == "strong" else self.fonts.regular,
            HASH_SIZE if look == "hash" else size,
            SOFT if look in ("soft", "hash") else INK,
        )


def make_look(fonts: Fonts, words: Speaker) -> Look:
    """The styles for one language: Chinese breaks between any two characters."""
    wrap = "CJK" if words.language == "zh-CN" else None

    def style(name: str, size: float, leading: float, **more: Any) -> ParagraphStyle:
        given = {"fontName": fonts.regular, "textColor": INK, "wordWrap": wrap, "splitLongWords": 1, **more}
        return ParagraphStyle(name, fontSize=size, leading=leading, **given)

    heavy = {"fontName": fonts.bold}
    made = [
        style("title", 20, 26, spaceAfter=3, **heavy),
        style("over", 9.5, 13, textColor=SOFT),
        style("verdict", 17, 22, spaceAfter=2, **heavy),
        style("heading", 12, 16, spaceBefore=12, spaceAfter=4, keepWithNext=1, **heavy),
        style("body", 9, 13, spaceAfter=3),
        style("soft", 8, 11.5, textColor=SOFT, spaceAfter=3),
    ]
    return Look(fonts=fonts, words=words, styles={one.name: one for one in made})


def facts(look: Look, rows: Sequence[tuple[str, str]]) -> Flowable:
    """A table of labels and values; an empty value is said to be not known."""
    columns = [LABEL_WIDTH, WIDTH - LABEL_WIDTH]
    cells: list[list[Any]] = []
    for label, value in rows:
        told = look.cell(look.known(value), "plain" if value else "soft", FACT_SIZE)
        cells += _fitting([look.cell(label, "soft", LABEL_SIZE), told], columns)
    table = Table(cells, colWidths=columns, hAlign="LEFT")
    table.setStyle(TableStyle([*_BASE, ("LEFTPADDING", (0, 0), (0, -1), 0)]))
    return table


def grid(look: Look, head: Sequence[str], rows: Sequence[Sequence[Any]], widths: Sequence[float]) -> Flowable:
    """A table with a head on every page; cells are texts or flowables. Widths are shares of the page's."""
    columns = [WIDTH * width / sum(widths) for width in widths]
    made: list[list[Any]] = [[look.cell(text, "soft") for text in head]]
    for row in rows:
        made += _fitting([look.cell(cell) if isinstance(cell, str) else cell for cell in row], columns)
    table = LongTable(made, colWidths=columns, repeatRows=1, hAlign="LEFT")
    table.setStyle(TableStyle([*_BASE, ("BACKGROUND", (0, 0), (-1, 0), TINT)]))
    return table


def _fitting(row: Sequence[Any], columns: Sequence[float]) -> list[list[Any]]:
    """The row, or several where a cell is higher than a page can hold: ReportLab breaks tables between rows alone."""
    pieces = [
        cell.pieces(width - 2 * PADDING, ROW_HEIGHT_MAX) if isinstance(cell, Lines) else [cell]
        for cell, width in zip(row, columns, strict=True)
    ]
    return [list(cells) for cells in zip_longest(*pieces, fillvalue="")]


_BASE: Final[list[Any]] = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
    ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
]


def heading(look: Look, letter: str, text: str, first: Flowable | None) -> list[Flowable]:
    """A block's heading, on one page with what follows it when that is short."""
    title = look.p(f"{letter}  {text}" if letter else text, "heading")
    return [KeepTogether([title, first])] if first is not None else [title]


def space(height_mm: float) -> Flowable:
    """Empty height."""
    return Spacer(1, height_mm * mm)


def numbered(look: Look, line: str, label: Callable[[int, int], str]) -> Callable[..., Canvas]:
    """A canvas that writes head and foot on every page when it knows how many there are."""

    class Numbered(Canvas):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(
                *given, **{**named, "initialFontName": look.fonts.regular, "initialFontSize": 9, "pdfVersion": (1, 7)}
            )
            self._pages: list[dict[str, Any]] = []

        def setFont(self, psfontname: str, size: float, leading: float | None = None) -> None:  # noqa: N802  # ReportLab's name
            """ReportLab begins tables and drawings in Helvetica, which is embedded nowhere: in the report's own font instead."""
            ours = psfontname in (look.fonts.regular, look.fonts.bold)
            super().setFont(psfontname if ours else look.fonts.regular, size, leading)

        def showPage(self) -> None:  # noqa: N802  # ReportLab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()  # type: ignore[attr-defined]

        def save(self) -> None:
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                _foot(self, look, line, label(number, len(self._pages)))
                super().showPage()
            super().save()

    return Numbered


def _foot(canvas: Canvas, look: Look, left: str, right: str) -> None:
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.4)
    canvas.line(MARGIN, FOOT + 10, A4[0] - MARGIN, FOOT + 10)
    canvas.setFillColor(SOFT)
    canvas.setFont(look.fonts.regular, 7.5)
    canvas.drawString(MARGIN, FOOT, plain(left, look.fonts))
    canvas.drawRightString(A4[0] - MARGIN, FOOT, plain(right, look.fonts))


def tint_of(color: Color) -> Color:
    """A pale shade of a colour, opaque."""
    mixed = [0.92 * w + 0.08 * c for w, c in zip(white.rgb(), color.rgb(), strict=True)]
    return Color(*mixed)
