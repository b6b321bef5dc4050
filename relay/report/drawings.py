"""Drawings: a verdict's shape, the retrieval code as a QR symbol, and the loan's process as a line of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, PolyLine, String
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.units import mm

from relay.core.kinds import Stage
from relay.core.verdict import Finding
from relay.report.layout import INK, LINE, SOFT, WIDTH, Look
from relay.report.text import plain

COLORS: Final = {
    Finding.CONSISTENT: HexColor("#14532d"),
    Finding.INCONSISTENT: HexColor("#8b1a1a"),
    Finding.NOT_FOUND: HexColor("#4a2b7b"),
    Finding.PENDING_FINALITY: HexColor("#174a80"),
    Finding.UNVERIFIABLE: HexColor("#694400"),
    Finding.SUPERSEDED: HexColor("#37424e"),
    Finding.ORPHANED: HexColor("#7a1f5c"),
}
"""Only CONSISTENT is green. The shape differs too: nobody needs to tell colours apart."""
ROW: Final = 13.0
LABELS: Final = 30 * mm


def shape(finding: Finding, size: float) -> Drawing:
    """The verdict's shape in a square of `size` points: the same shapes as on the court's pages."""
    drawing = Drawing(size, size)
    pen = _Pen(COLORS[finding], size / 24)
    for part in _SHAPES[finding](pen):
        drawing.add(part)
    return drawing


class _Pen:
    """Draws in a square of 24 by 24 whose y grows downwards."""

    def __init__(self, color: Color, scale: float) -> None:
        self._color = color
        self._scale = scale

    def _points(self, points: Sequence[float]) -> list[float]:
        return [self._scale * (24 - value if place % 2 else value) for place, value in enumerate(points)]

    def solid(self, *points: float) -> Any:
        """A filled polygon."""
        return Polygon(self._points(points), fillColor=self._color, strokeColor=None)

    def disc(self, x: float, y: float, radius: float) -> Any:
        """A filled circle."""
        at = self._points((x, y))
        return Circle(at[0], at[1], radius * self._scale, fillColor=self._color, strokeColor=None)

    def ring(self, x: float, y: float, radius: float) -> Any:
        """A circle's line."""
        at = self._points((x, y))
        width = 2.6 * self._scale
        return Circle(at[0], at[1], radius * self._scale, fillColor=None, strokeColor=self._color, strokeWidth=width)

    def line(self, *points: float, hollow: bool = False) -> Any:
        """A line in white, on what is filled; `hollow`: in the colour itself."""
        color, width = self._color if hollow else white, 2.6 * self._scale
        return PolyLine(self._points(points), strokeColor=color, strokeWidth=width, strokeLineCap=1, strokeLineJoin=1)

    def edged(self, *points: float) -> Any:
        """A filled polygon with a white edge."""
        return Polygon(self._points(points), fillColor=self._color, strokeColor=white, strokeWidth=1.5 * self._scale)


_SHAPES: Final[Mapping[Finding, Callable[[_Pen], list[Any]]]] = {
    Finding.CONSISTENT: lambda pen: [pen.disc(12, 12, 11), pen.line(6.5, 12.5, 10.5, 16.5, 17.5, 8.5)],
    Finding.INCONSISTENT: lambda pen: [
        pen.solid(7.6, 1, 16.4, 1, 23, 7.6, 23, 16.4, 16.4, 23, 7.6, 23, 1, 16.4, 1, 7.6),
        pen.line(7.5, 7.5, 16.5, 16.5),
        pen.line(16.5, 7.5, 7.5, 16.5),
    ],
    Finding.NOT_FOUND: lambda pen: [
        pen.ring(10, 10, 8), pen.line(16, 16, 23, 23, hollow=True), pen.line(6.5, 10, 13.5, 10, hollow=True),
    ],
    Finding.PENDING_FINALITY: lambda pen: [
        pen.solid(4, 1, 20, 1, 20, 5, 14, 12, 20, 19, 20, 23, 4, 23, 4, 19, 10, 12, 4, 5), pen.line(8, 19.5, 16, 19.5),
    ],
    Finding.UNVERIFIABLE: lambda pen: [
        pen.solid(12, 0, 24, 12, 12, 24, 0, 12),
        pen.line(8.8, 9.2, 10, 6.8, 12.4, 6.2, 14.6, 7.2, 15.2, 9.2, 14, 11.2, 12.2, 12.4, 12, 14),
        pen.line(12, 17.6, 12, 18),
    ],
    Finding.SUPERSEDED: lambda pen: [
        pen.solid(1, 1, 15, 1, 15, 15, 1, 15), pen.edged(9, 9, 23, 9, 23, 23, 9, 23), pen.line(12.5, 16, 19.5, 16),
        pen.line(16.5, 13, 19.5, 16, 16.5, 19),
    ],
    Finding.ORPHANED: lambda pen: [
        pen.solid(12, 1, 23.5, 22, 0.5, 22), pen.line(12, 8.5, 12, 15), pen.line(12, 18.4, 12, 18.8),
    ],
}  # fmt: skip


def qr(text: str, size: float) -> Drawing:
    """The text as a QR symbol (ISO/IEC 18004) with its quiet zone, error correction M."""
    widget = QrCodeWidget(text, barLevel="M", barBorder=4)
    left, low, right, high = widget.getBounds()
    scale = size / max(right - left, high - low)
    drawing = Drawing(size, size, transform=[scale, 0, 0, scale, -left * scale, -low * scale])
    drawing.add(widget)
    return drawing


def timeline(look: Look, items: Sequence[dict[str, Any]]) -> Drawing | None:
    """One row for each stage that has records, a mark for each record at its event's time; None when no event's time is known."""
    known = [item for item in items if item["event_ms"]]
    stages = [stage.value for stage in Stage if any(item["stage"] == stage.value for item in known)]
    if any(item["stage"] not in stages for item in known):
        stages.append("")
    if not known:
        return None
    first, last = min(i["event_ms"] for i in known), max(i["event_ms"] for i in known)
    height = ROW * (len(stages) + 1) + 4
    drawing = Drawing(WIDTH, height)
    for row, stage in enumerate(stages):
        y = height - ROW * (row + 0.5)
        drawing.add(Line(LABELS, y, WIDTH, y, strokeColor=LINE, strokeWidth=0.5))
        name = look.words.stage(stage) if stage else look.t("other kinds")
        drawing.add(_label(look, 0, y - 2.5, name, INK))
        for item in known:
            if item["stage"] == stage or (not stage and item["stage"] not in stages):
                drawing.add(
                    _mark(
                        LABELS + 4 + (WIDTH - LABELS - 8) * (item["event_ms"] - first) / max(last - first, 1), y, item
                    )
                )
    days = [look.words.time(ms)[:10] for ms in (first, last)]
    drawing.add(_label(look, LABELS, 3, days[0], SOFT))
    drawing.add(_label(look, WIDTH, 3, days[1], SOFT, anchor="end"))
    return drawing


def _mark(x: float, y: float, item: dict[str, Any]) -> Any:
    """A disc when shown, a ring when withheld, erased or missing."""
    color = COLORS[Finding(item["verdict"])]
    shown = item["status"] == "disclosed"
    return Circle(x, y, 2.6, fillColor=color if shown else white, strokeColor=color, strokeWidth=0.8)


def _label(
    look: Look, x: float, y: float, text: str, color: Color, anchor: Literal["start", "end"] = "start"
) -> String:
    return String(
        x, y, plain(text, look.fonts), fontName=look.fonts.regular, fontSize=7.5, fillColor=color, textAnchor=anchor
    )
