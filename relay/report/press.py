"""The press: prints documents, seals them, and reads what somebody brings, all with one font, certificate and key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relay.core.report import parse_report
from relay.core.report_check import PdfFacts
from relay.core.report_inputs import NO_CERTIFICATE, CertificateFacts
from relay.report.fonts import find_fonts
from relay.report.pdf import print_report
from relay.report.reading import PdfReader
from relay.report.seal import PdfSealer

REASON = "Deposit report"


class Press:
    """Implements relay.ports.reports.ReportPress. Without a sealer it prints drafts."""

    def __init__(
        self,
        sealer: PdfSealer | None,
        font: Path | None,
        authorities: Sequence[bytes] = (),
        stamps: Sequence[bytes] = (),
    ) -> None:
        """See `PdfReader` for `authorities` and `stamps`."""
        self._sealer = sealer
        self._font = font
        self._reader = PdfReader(authorities=authorities, stamps=stamps, font=font)

    @property
    def certificate(self) -> CertificateFacts:
        """See the port."""
        return self._sealer.facts if self._sealer else NO_CERTIFICATE

    def make(self, document: bytes, issuer: str) -> bytes:
        """See the port."""
        pdf = print_report(document, find_fonts(self._font, parse_report(document).language))
        return self._sealer.seal(pdf, issuer=issuer, reason=REASON) if self._sealer else pdf

    def read(self, pdf: bytes) -> PdfFacts:
        """See the port."""
        return self._reader.read(pdf)
