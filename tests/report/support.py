"""Reports for tests: documents straight from views, a court's seal made once, and PDFs of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relay.core.identity import Identity, Role
from relay.core.pinned import CourtRoot, KeyUse, LedgerRoot, LogRoot, TrustedKey, Validator
from relay.core.report import make_report, seal_report
from relay.core.report_inputs import NO_CERTIFICATE, BundleFacts, CertificateFacts, Issuer, ReportOrder
from relay.core.report_number import report_number, retrieval_code
from relay.core.trust import TrustRoots
from relay.core.view import DossierView
from relay.report.fonts import find_fonts
from relay.report.pdf import print_report
from relay.report.profiles import read_profiles
from relay.report.seal import PdfSealer
from relay.setup.ca import issue_report_seal, make_authority
from relay.setup.keys import FileSigner, make_signing_key
from tests.support.views import loan, view_of_loan

COURT = Identity(trust_domain="court.example", role=Role.COURT, name="harbour")
NAME = "海港互联网法院 Harbour Internet Court"
ISSUED_MS = 1_764_000_000_000
NOW = datetime.datetime.fromtimestamp(ISSUED_MS / 1000 - 3600, datetime.UTC)
YEAR_MS = 366 * 86_400_000
CODE = retrieval_code(bytes(range(16)))
URL = f"https://court.example/r/{CODE}"
PROFILES = read_profiles(None)


def order(language: str = "en", **changes: Any) -> ReportOrder:
    """Of report 1 of the year."""
    made = ReportOrder(
        number=str(report_number(str(COURT), 2025, 1)),
        code=CODE,
        url=URL,
        supersedes="",
        issued_ms=ISSUED_MS,
        checked_ms=ISSUED_MS - 1000,
        language=language,
        requested_by="spiffe://court.example/person/li",
        verifier="9.9",
    )
    return replace(made, **changes)


def document(
    view: DossierView | None = None,
    *,
    language: str = "en",
    profile: str = "full",
    certificate: CertificateFacts = NO_CERTIFICATE,
    **changes: Any,
) -> bytes:
    """A report's content without a seal."""
    issuer = Issuer(identity=str(COURT), name=NAME, licence="", certificate=certificate)
    bundle = BundleFacts(sha256="5a" * 32, size=123_456)
    given = order(language, **changes)
    return make_report(view or view_of_loan(loan(1)), bundle, issuer, given, PROFILES[profile])


@dataclass(frozen=True)
class Seals:
    """A court's report certificate, its authority, its seal key, and the trust roots that pin that key."""

    folder: Path
    sealer: PdfSealer
    signer: FileSigner
    trust: TrustRoots

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca/ca.pem"

    def signed(self, content: bytes) -> bytes:
        """The document with the court's signature."""
        return seal_report(content, public_key=self.signer.public_key, sign=self.signer.sign)

    def report(
        self, view: DossierView | None = None, *, language: str = "en", **changes: Any
    ) -> tuple[bytes, bytes, bytes]:
        """Document, PDF before and after sealing."""
        signed = self.signed(document(view, language=language, certificate=self.sealer.facts, **changes))
        pdf = print_report(signed, find_fonts(None, language))
        return signed, pdf, self.sealer.seal(pdf, issuer=NAME, reason="Deposit report")


def make_seals(folder: Path, *, now: datetime.datetime = NOW, court: Identity = COURT) -> Seals:
    """All of it, on disk."""
    for name in ("ca", "court"):
        (folder / name).mkdir(parents=True)
    make_authority(folder / "ca", "court.example", now)
    issue_report_seal(folder / "ca", court, "Harbour Internet Court, reports", folder / "court", now)
    signer = make_signing_key(folder / "court/seal.pem")
    sealer = PdfSealer.open(folder / "court/report.pem", folder / "court/report.key")
    return Seals(folder, sealer, signer, trust_for(signer, court))


def trust_for(signer: FileSigner, court: Identity = COURT) -> TrustRoots:
    """Trust roots that pin one court's seal key."""
    ends_ms = ISSUED_MS + 30 * YEAR_MS
    party = str(court)
    keys = tuple(
        TrustedKey(use=use, party=party, name=name, public_key=key, valid_from_ms=0, valid_to_ms=ends_ms)
        for use, name, key in _keys(signer)
    )
    validator = Validator(name="v1", public_key=signer.public_key, valid_from_ms=0, valid_to_ms=ends_ms)
    ledger = LedgerRoot(ledger="embedded:court-1", kind="quorum", threshold=1, validators=(validator,))
    return TrustRoots(
        version=7, issued_at_s=ISSUED_MS // 1000 - 86_400, expires_at_s=ISSUED_MS // 1000 + 86_400 * 366, pinned_keys=keys,
        logs=(LogRoot(origin="lender.example/evidence", party="spiffe://lender.example/custodian/hexin", ledger=ledger.ledger),),
        ledgers=(ledger,), courts=(CourtRoot(party=party, ledger=ledger.ledger, origin=""),), witness_quorum=1,
    )  # fmt: skip


def _keys(signer: FileSigner) -> tuple[tuple[KeyUse, str, bytes], ...]:
    return (("seal", "seal", signer.public_key), ("witness", "court.example/witness", bytes(31) + b"\x01"))
