"""Deposit reports at a terminal, without a running court: a draft of one's own, the check of one that somebody has, a certification."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.hazmat.primitives.serialization import Encoding

from relay.app.adapters import verifiers
from relay.app.runtime import SystemClock, program_version
from relay.app.trust import read_trust
from relay.core.bundlezip import FileSource
from relay.core.errors import Malformed
from relay.core.evidence import Evidence
from relay.core.report import make_report, seal_report
from relay.core.report_check import ReportVerdict, check_document, check_pdf
from relay.core.report_inputs import BundleFacts, Issuer, ReportOrder
from relay.core.report_profile import choose_profile
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding, Verdict
from relay.core.verify import examine
from relay.core.view import StageOf, view_of
from relay.report.certificates import read_certificates
from relay.report.certification import CertificationFacts, HashedFile, print_certification
from relay.report.fonts import find_fonts
from relay.report.press import Press
from relay.report.profiles import read_profiles
from relay.report.reading import PDF_BYTES_MAX
from relay.report.seal import PdfSealer
from relay.schemas import KindCatalogue
from relay.setup.keys import load_signing_key

EXIT: Final = {Finding.CONSISTENT: 0, Finding.INCONSISTENT: 1, Finding.NOT_FOUND: 1}
READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWish:
    """What `report make` was asked for. Without `certificate` and `key` a draft that nobody seals; `seal_key`: the court's Ed25519 key."""

    bundle: Path
    trust: Path
    out: Path
    language: str
    profile: str
    issued_ms: int
    name: str
    certificate: Path | None
    key: Path | None
    seal_key: Path | None
    font: Path | None
    profiles: Path | None


def stage_of() -> StageOf:
    """The stage of each kind of the packaged catalogue, in its first version; empty for one that is not known."""
    catalogue = KindCatalogue()
    stages = {name: catalogue.kind(name, 1).stage for name in catalogue.names()}
    return lambda kind: stages.get(kind, "")


def make(wish: ReportWish) -> dict[str, Any]:
    """Write the PDF, and the document beside it. Raises `Malformed`; OSError for what cannot be read or written."""
    if (wish.certificate is None) != (wish.key is None):
        raise Malformed("report", "--certificate", "and --key belong together")
    profile = choose_profile(read_profiles(wish.profiles), wish.profile, wish.language)
    press = Press(PdfSealer.open(wish.certificate, wish.key) if wish.certificate and wish.key else None, wish.font)
    with wish.bundle.open("rb") as file:
        verdict, evidence = examine(FileSource(file), read_trust(wish.trust), verifiers())
        bundle = _whole(wish.bundle.name, file)
    view = view_of(evidence, verdict, stage_of())
    sealed = wish.certificate is not None or wish.seal_key is not None
    issuer = Issuer(identity=view.court if sealed else "", name=wish.name, licence="", certificate=press.certificate)
    order = ReportOrder(
        number="", code="", url="", supersedes="", issued_ms=wish.issued_ms, checked_ms=wish.issued_ms, language=wish.language,
        requested_by="", verifier=program_version(),
    )  # fmt: skip
    document = make_report(view, BundleFacts(sha256=bundle.sha256, size=bundle.size), issuer, order, profile)
    if wish.seal_key is not None:
        signer = load_signing_key(wish.seal_key)
        document = seal_report(document, public_key=signer.public_key, sign=signer.sign)
    pdf = press.make(document, wish.name or view.court)
    wish.out.write_bytes(pdf)
    wish.out.with_suffix(".json").write_bytes(document)
    return {
        "report": str(wish.out),
        "document": str(wish.out.with_suffix(".json")),
        "sealed": wish.certificate is not None,
        "verdict": verdict.verdict.value,
        "bytes": len(pdf),
        "sha256": hashlib.sha256(pdf).hexdigest(),
    }


def stamps_of(trust: TrustRoots) -> tuple[bytes, ...]:
    """DER of the certificates of every pinned timestamp authority: who may have stamped a seal."""
    return tuple(data for authority in trust.authorities for data in authority.certificates)


def check(file: Path, trust: Path, authority: Path | None, font: Path | None) -> dict[str, Any]:
    """The verdict on a PDF or a report.json, offline. Raises `Malformed` only for trust roots, authority and a file that is too big."""
    roots = read_trust(trust)
    now_ms = SystemClock().now_ms()
    with file.open("rb") as opened:
        data = opened.read(PDF_BYTES_MAX + 1)
    if len(data) > PDF_BYTES_MAX:
        raise Malformed(str(file), "", f"is bigger than {PDF_BYTES_MAX} bytes: no report is")
    if data.startswith(b"%PDF-"):
        known = tuple(one.public_bytes(Encoding.DER) for one in read_certificates(authority)) if authority else ()
        verdict = check_pdf(Press(None, font, known, stamps_of(roots)).read(data), roots, now_ms, asked=False)
    else:
        verdict = check_document(data, roots, now_ms, asked=False)
    return {**_as_json(verdict), "trust_roots": {"version": roots.version, "stale": roots.why_stale(now_ms // 1000)}}


def _as_json(verdict: ReportVerdict) -> dict[str, Any]:
    report = verdict.report
    return {
        "format": "courtrelay-report-check/v1",
        "verdict": verdict.verdict.value,
        "words": verdict.words,
        "number": report.number if report else "",
        "issued_ms": report.issued_ms if report else 0,
        "dossier_verdict": report.blocks["J"]["verdict"] if report else "",
        "steps": [
            {"number": s.number, "name": s.name, "result": s.result.value, "detail": s.detail} for s in verdict.steps
        ],
        "does_not_prove": list(verdict.does_not_prove),
    }


def certification(bundle: Path, trust: Path, out: Path, checked_ms: int, font: Path | None) -> dict[str, Any]:
    """Write the draft. Raises `Malformed`; OSError for what cannot be read or written."""
    roots = read_trust(trust)
    with bundle.open("rb") as file:
        verdict, evidence = examine(FileSource(file), roots, verifiers())
        whole = _whole(bundle.name, file)
    given = CertificationFacts(
        bundle=whole, parts=_parts(evidence), verdict=verdict, trust_version=roots.version, checked_ms=checked_ms,
        verifier=program_version(),
    )  # fmt: skip
    out.write_bytes(print_certification(given, find_fonts(font, "en")))
    return {"certification": str(out), "files": 1 + len(given.parts), "verdict": _name(verdict)}


def _name(verdict: Verdict) -> str:
    return verdict.verdict.value


def _parts(evidence: Evidence) -> tuple[HashedFile, ...]:
    return tuple(
        HashedFile(name=name, size=evidence.parts[name].part.size, sha256=digest)
        for name, digest in sorted(evidence.digests.items())
    )


def _whole(name: str, file: BinaryIO) -> HashedFile:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(READ_BYTES):
        digest.update(piece)
        size += len(piece)
    return HashedFile(name=name, size=size, sha256=digest.hexdigest())
