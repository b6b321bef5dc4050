"""Prints a report's document as a PDF/A-3b with the document attached. The same document and font give the same bytes.

Everything that is printed comes from the document: whoever has it can print it again and compare.
"""

from __future__ import annotations

import io
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

from relay.core.report import Report, parse_report
from relay.report import blocks, proofs
from relay.report.archive import ArchiveFacts, Attachment, make_archive
from relay.report.fonts import Fonts
from relay.report.head import head
from relay.report.layout import FOOT, MARGIN, WIDTH, Look, make_look, numbered, space
from relay.report.rewrite import archived
from relay.words import Speaker, speaker

ATTACHMENT: Final = "report.json"
MEDIA_TYPE: Final = "application/json"
_PRINTED: Final = {
    "A": blocks.report_block, "B": blocks.applicant, "C": blocks.subject, "D": blocks.items, "E": proofs.anchoring,
    "F": proofs.times, "G": proofs.signatures, "H": proofs.provenance, "I": proofs.platform, "J": proofs.verification,
    "K": blocks.completeness, "L": blocks.how_to_check,
}  # fmt: skip


def print_report(document: bytes, fonts: Fonts) -> bytes:
    """The PDF, not sealed yet. Raises `Malformed` when the document is no report."""
    report = parse_report(document)
    look = make_look(fonts, _words(report))
    story: list[Flowable] = head(look, report)
    for letter in report.order:
        story += _PRINTED[letter](look, report)
    if report.closing:
        story += [space(4), look.p(report.closing)]
    name = report.number or look.t("DRAFT, not issued")
    title = f"{look.t('Deposit report')} {name}"
    out = io.BytesIO()
    template = _Template(out, look, report, document, title)
    canvas = numbered(look, title, lambda page, count: look.t("Page {page} of {count}", page=page, count=count))
    template.build(story, canvasmaker=canvas)
    return archived(out.getvalue())


def _words(report: Report) -> Speaker:
    return speaker("zh-CN" if report.language == "zh-CN" else "en")


class _Template(BaseDocTemplate):
    """A4 with one frame; what makes it an archive goes in when the last page is there."""

    def __init__(self, out: io.BytesIO, look: Look, report: Report, document: bytes, title: str) -> None:
        super().__init__(
            out,
            pagesize=A4,
            invariant=1,
            pageCompression=1,
            title=title,
            author="",
            leftMargin=MARGIN,
            rightMargin=MARGIN,
        )
        frame = Frame(MARGIN, FOOT + 16, WIDTH, A4[1] - FOOT - 16 - MARGIN, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate(frames=[frame]))
        a = report.blocks["A"]
        self._facts = ArchiveFacts(
            title=title,
            subject=look.words.said(str(report.blocks["J"]["summary"])),
            author=str(a["issuer_name"] or a["issuer"]),
            keywords=f"{report.digest} {a['template']}",
            language=report.language,
            creator=f"{report.blocks['J']['tool']} {report.blocks['J']['version']}; font {look.fonts.title}",
            made_ms=report.issued_ms,
            attachments=(
                Attachment(
                    name=ATTACHMENT,
                    media_type=MEDIA_TYPE,
                    data=document,
                    description=look.t("The same report for programs"),
                ),
            ),
        )

    def _endBuild(self) -> None:  # noqa: N802  # ReportLab's name
        make_archive(self.canv, self._facts)
        super()._endBuild()  # type: ignore[misc]  # ReportLab has it
