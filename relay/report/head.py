"""The first page's upper half: what this is, whose, its number and code, and the verdict."""

from __future__ import annotations

from typing import Any, Final

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Table, TableStyle

from relay.core.report import Report
from relay.core.verdict import Finding
from relay.report.drawings import COLORS, qr, shape
from relay.report.layout import WIDTH, Look, space, tint_of

QR_SIZE: Final = 34 * mm
SHAPE: Final = 13 * mm


def head(look: Look, report: Report) -> list[Flowable]:
    """Title, QR symbol, verdict, and what the court says first."""
    a = report.blocks["A"]
    left = [
        look.p(a["issuer_name"] or a["issuer"] or look.t("issuer not known"), "over"),
        look.p(look.t("Deposit report"), "title"),
        look.p(
            look.t("Report number {number}", number=a["number"]) if a["number"] else look.t("DRAFT, not issued"), "body"
        ),
        look.p(look.t("Issued {time}", time=look.time(a["issued_ms"])), "soft"),
    ]
    if a["supersedes"]:
        left.append(look.p(look.t("Replaces report {number}", number=a["supersedes"]), "soft"))
    symbol = qr(a["url"], QR_SIZE) if a["url"] else ""
    top = Table([[left, symbol]], colWidths=[WIDTH - QR_SIZE, QR_SIZE])
    top.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_NO_PADDING]))
    made: list[Flowable] = [top]
    if a["url"]:
        made.append(look.p(look.t("Whoever holds this report can check it at {url}", url=a["url"]), "soft"))
    if report.preface:
        made.append(look.p(report.preface))
    return [*made, space(2), verdict_panel(look, report), space(1)]


def verdict_panel(look: Look, report: Report) -> Flowable:
    """Shape, word and sentence, on the verdict's tint."""
    j = report.blocks["J"]
    finding = Finding(j["verdict"])
    words = [
        look.p(look.words.verdict(finding), "verdict"),
        look.p(look.words.said(j["summary"])),
        look.p(
            look.t(
                "Checked {time} by {tool} {version} in {count} steps, against trust roots version {trust}",
                time=look.time(j["checked_ms"]),
                tool=j["tool"],
                version=j["version"],
                count=len(j["steps"]),
                trust=j["trust_version"],
            ),
            "soft",
        ),
    ]
    panel = Table([[shape(finding, SHAPE), words]], colWidths=[SHAPE + 6 * mm, WIDTH - SHAPE - 6 * mm])
    commands: list[Any] = [
        ("BACKGROUND", (0, 0), (-1, -1), tint_of(COLORS[finding])),
        ("LINEBEFORE", (0, 0), (0, -1), 3, COLORS[finding]),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 10),
        ("TOPPADDING", (0, 0), (-1, -1), 8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
    ]
    panel.setStyle(TableStyle(commands))
    return panel


_NO_PADDING: Final[list[Any]] = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]
