"""Contracts, vouchers, letters and notices as PDF, in Chinese and English. The same content gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

SONG: Final = "STSong-Light"
LEFT: Final = 60
TOP: Final = 780
BOTTOM: Final = 70
LINE: Final = 17
CHARS_LATIN: Final = 92
CHARS_HAN: Final = 44


def paper(title: str, lines: Sequence[str], *, language: str) -> bytes:
    """A PDF of as many pages as the lines need; `language` is zh or en. No date, no compression: invariant."""
    if SONG not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(SONG))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=0, invariant=1)
    canvas.setTitle(title)
    font = SONG if language == "zh" else "Helvetica"
    width = CHARS_HAN if language == "zh" else CHARS_LATIN
    wrapped = [part for line in lines for part in _wrap(line, width)]
    page = 1
    height = _head(canvas, title, font)
    for line in wrapped:
        if height < BOTTOM:
            _foot(canvas, page, font)
            canvas.showPage()
            page += 1
            height = _head(canvas, title, font)
        canvas.setFont(font, 11)
        canvas.drawString(LEFT, height, line)
        height -= LINE
    _foot(canvas, page, font)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _head(canvas: Canvas, title: str, font: str) -> int:
    canvas.setFont(font, 16)
    canvas.drawCentredString(A4[0] / 2, TOP, title)
    return TOP - 40


def _foot(canvas: Canvas, page: int, font: str) -> None:
    canvas.setFont(font, 9)
    canvas.drawCentredString(A4[0] / 2, 40, f"- {page} -")


def _wrap(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    if line.isascii():
        cut = line.rfind(" ", 0, width)
        cut = cut if cut > 0 else width
        return [line[:cut], *_wrap(line[cut:].lstrip(), width)]
    return [line[:width], *_wrap(line[width:], width)]
