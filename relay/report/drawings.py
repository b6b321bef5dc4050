"""Drawings: a verdict's shape, the retrieval code as a QR symbol, and the loan's process as a line of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, Rect, String
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.units import mm

from relay.core.kinds import Stage
from relay.core.verdict import Finding
from relay.report.layout import INK, LINE, SOFT, WIDTH, Look
from relay.report.text import plain

COLORS: Final = {
    Finding.CONSISTENT: HexColor("#1b6b3a"),
    Finding.INCONSISTENT: HexColor("#a51d24"),
    Finding.NOT_FOUND: HexColor("#8a3b12"),
    Finding.PENDING_FINALITY: HexColor("#1f4f8f"),
    Finding.UNVERIFIABLE: HexColor("#6a5200"),
    Finding.SUPERSEDED: HexColor("#4a5560"),
    Finding.ORPHANED: HexColor("#6b2f7a"),
}
"""Only CONSISTENT is green. The shape differs too: nobody needs to tell colours apart."""
ROW: Final = 13.0
LABELS: Final = 30 * mm


def shape(finding: Finding, size: float) -> Drawing:
    """The verdict's shape in a square of `size` points."""
    drawing = Drawing(size, size)
    color, middle, half = COLORS[finding], size / 2, size * 0.46
    stroke = {"strokeColor": white, "strokeWidth": size * 0.09, "strokeLineCap": 1}

    def line(*points: float) -> Line:
        return Line(*(middle + half * value for value in points), **stroke)

    def polygon(*points: float) -> Polygon:
        return Polygon([middle + half * value for value in points], fillColor=color, strokeColor=None)

    parts: dict[Finding, list[Any]] = {
        Finding.CONSISTENT: [_disc(middle, half, color), line(-0.5, 0, -0.12, -0.38), line(-0.12, -0.38, 0.5, 0.38)],
        Finding.INCONSISTENT: [
            polygon(-0.42, -1, 0.42, -1, 1, -0.42, 1, 0.42, 0.42, 1, -0.42, 1, -1, 0.42, -1, -0.42),
            line(-0.4, -0.4, 0.4, 0.4),
            line(-0.4, 0.4, 0.4, -0.4),
        ],
        Finding.NOT_FOUND: [
            Circle(middle, middle, half * 0.85, fillColor=white, strokeColor=color, strokeWidth=size * 0.1),
            Line(middle - half * 0.6, middle - half * 0.6, middle + half * 0.6, middle + half * 0.6,
                 strokeColor=color, strokeWidth=size * 0.1),
        ],
        Finding.PENDING_FINALITY: [
            polygon(-0.8, 1, 0.8, 1, 0.12, 0, 0.8, -1, -0.8, -1, -0.12, 0),
        ],
        Finding.UNVERIFIABLE: [polygon(0, 1, 1, -0.85, -1, -0.85), line(0, 0.3, 0, -0.2), line(0, -0.55, 0, -0.56)],
        Finding.SUPERSEDED: [
            Rect(middle - half * 0.9, middle - half * 0.3, half * 1.2, half * 1.2, fillColor=white, strokeColor=color,
                 strokeWidth=size * 0.07),
            Rect(middle - half * 0.3, middle - half * 0.9, half * 1.2, half * 1.2, fillColor=color, strokeColor=None),
        ],
        Finding.ORPHANED: [polygon(0, 1, 1, 0, 0, -1, -1, 0), line(-0.4, 0, -0.12, 0), line(0.12, 0, 0.4, 0)],
    }  # fmt: skip
    for part in parts[finding]:
        drawing.add(part)
    return drawing


def _disc(middle: float, half: float, color: Color) -> Circle:
    return Circle(middle, middle, half, fillColor=color, strokeColor=None)


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
                drawing.add(_mark(LABELS + 4 + (WIDTH - LABELS - 8) * (item["event_ms"] - first) / max(last - first, 1), y, item))
    days = [look.words.time(ms)[:10] for ms in (first, last)]
    drawing.add(_label(look, LABELS, 3, days[0], SOFT))
    drawing.add(_label(look, WIDTH, 3, days[1], SOFT, anchor="end"))
    return drawing


def _mark(x: float, y: float, item: dict[str, Any]) -> Any:
    """A disc when shown, a ring when withheld, erased or missing."""
    color = COLORS[Finding(item["verdict"])]
    shown = item["status"] == "disclosed"
    return Circle(x, y, 2.6, fillColor=color if shown else white, strokeColor=color, strokeWidth=0.8)


def _label(look: Look, x: float, y: float, text: str, color: Color, anchor: str = "start") -> String:
    return String(
        x, y, plain(text, look.fonts), fontName=look.fonts.regular, fontSize=7.5, fillColor=color, textAnchor=anchor
    )
