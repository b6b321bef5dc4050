"""What issuing and checking deposit reports needs: the court's register of reports, and the press that prints and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from relay.core.report_check import PdfFacts
from relay.core.report_inputs import CertificateFacts
from relay.core.view import DossierView
from relay.ports.cases import KeptView


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One issued report. Digests in hex; `supersedes` and `superseded_by` are numbers, empty for none."""

    number: str
    code: str
    case: str
    dossier: str
    bundle_id: str
    language: str
    profile: str
    verdict: str
    """The dossier's."""
    issued_ms: int
    issued_by: str
    content_sha256: str
    pdf_sha256: str
    supersedes: str
    superseded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """The sealed PDF and the signed document, as they were issued."""

    pdf: bytes
    document: bytes


class ReportBook(Protocol):
    """The register of issued reports. Nothing is ever taken out of it."""

    async def next_serial(self, year: int) -> int:
        """A serial number of that year that nobody had before, durably taken; from 1."""

    async def newest(self, case: str, dossier: str, language: str) -> ReportRow | None:
        """The one that a new report of this dossier in this language replaces."""

    async def add(self, row: ReportRow, files: ReportFiles) -> None:
        """Keep a report, and name it as the successor of every older one of its case and dossier that has none, apart from those made of
        the same bundle in another language. In one transaction. Raises `Conflict` when the number or the code is there.
        """

    async def by_number(self, number: str) -> ReportRow:
        """Raises `NotFound`."""

    async def by_code(self, code: str) -> ReportRow:
        """Raises `NotFound`."""

    async def files(self, number: str) -> ReportFiles:
        """Raises `NotFound`."""

    async def of_bundle(self, bundle_id: str) -> tuple[ReportRow, ...]:
        """Those made of a bundle, newest first."""

    async def page(self, before_ms: int, count: int) -> tuple[ReportRow, ...]:
        """At most `count` issued before a time, newest first; 0: from the newest."""


class ReportPress(Protocol):
    """Prints, seals and reads reports. Synchronous; call off the loop."""

    @property
    def certificate(self) -> CertificateFacts:
        """What seals; `NO_CERTIFICATE` when nothing does."""

    def make(self, document: bytes, issuer: str) -> bytes:
        """The sealed PDF of a document. Raises `Malformed` (no font for its language), `Unavailable` (no timestamp)."""

    def read(self, pdf: bytes) -> PdfFacts:
        """What a PDF shows. Never raises for what the bytes are."""


class Views(Protocol):
    """Where the views of bundles come from: `relay.services.court.cases.Cases`."""

    async def head(self, bundle_id: str) -> KeptView:
        """Raises `NotFound`."""

    async def view(self, bundle_id: str, by: str, why: str) -> DossierView:
        """After the custody log says who looks and why. Raises `NotFound`."""
