"""Reads a PDF that somebody holds as a report: its seal, its attachment, and whether its pages are what the attachment prints.

Whatever the bytes are, the outcome is `PdfFacts`. Reports have a narrow shape, and nothing wider is taken apart: one file of ours with
at most one signature behind it, no compressed object tables, one attachment of bounded size.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from relay.core.errors import Malformed, Unverified
from relay.core.report import REPORT_BYTES_MAX, parse_report
from relay.core.report_check import PdfFacts, TimeFacts
from relay.report.certificates import facts_of, usage_problem
from relay.report.fonts import find_fonts
from relay.report.needs import need_pyhanko
from relay.report.pdf import ATTACHMENT, print_report
from relay.report.spelling import spelling_problem

PDF_BYTES_MAX: Final = 64 * 1024 * 1024
for _name in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what a foreign file does to its parser is told by `PdfFacts`
_HEAD: Final = b"%PDF-1.7\n"
_WIDER: Final = re.compile(rb"/(ObjStm|XRef|Encrypt|JavaScript|JS|XFA|Launch|RichMedia)\b")
_END: Final = b"%%EOF\n"
REVISIONS: Final = 2
"""The report, and its seal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfReader:
    """`authorities`: DER of the certificates that may issue the sealer's; `stamps`: of those that issue timestamp authorities'."""

    authorities: Sequence[bytes] = ()
    stamps: Sequence[bytes] = ()
    font: Path | None = None

    def read(self, data: bytes) -> PdfFacts:
        """What the file shows. Never raises for what the bytes are; `Malformed` where pyHanko is not installed. Call it off the loop."""
        need_pyhanko()
        if problem := _shape_problem(data):
            return PdfFacts(unreadable=problem)
        try:
            return self._read(data)
        except Unverified as error:
            return PdfFacts(unreadable=error.reason)
        except Exception as error:
            # the parser of a foreign file: whatever it stumbles over, the file is not a report
            return PdfFacts(unreadable=f"cannot be read as a PDF ({type(error).__name__})")

    def _read(self, data: bytes) -> PdfFacts:
        from pyhanko.pdf_utils.reader import PdfFileReader

        reader = PdfFileReader(io.BytesIO(data), strict=True)
        signatures = reader.embedded_signatures
        if len(signatures) > 1:
            raise Unverified("file", f"{len(signatures)} signatures; a report has one")
        document, problem = _attachment(reader)
        facts = PdfFacts(document=document, attachment_problem=problem)
        if signatures:
            facts = self._sealed(facts, signatures[0], data)
        return replace(facts, printed_again=self._printed_again(facts, data))

    def _sealed(self, facts: PdfFacts, signature: Any, data: bytes) -> PdfFacts:
        """The signature by itself, then its certificate's chain at the time the document names."""
        signature.compute_integrity_info()
        certificate = x509.load_der_x509_certificate(signature.signer_cert.dump())
        status, problem = self._status(signature, self._moment(facts))
        facts = replace(
            facts,
            sealed=True,
            signature_problem=problem,
            coverage_problem=_coverage_problem(signature, data),
            certificate=facts_of(certificate),
            usage_problem=usage_problem(certificate),
        )
        if status is None:
            return facts
        chain = ""
        if self.authorities:
            chain = "ok" if status.trusted else "was not issued by the given authority, or not for that time"
        return replace(facts, chain=chain, timestamp=_timestamp(status))

    def _status(self, signature: Any, moment: datetime) -> tuple[Any, str]:
        from pyhanko.sign.validation import validate_pdf_signature
        from pyhanko.sign.validation.errors import SignatureValidationError
        from pyhanko_certvalidator import ValidationContext

        def context(roots: Sequence[bytes]) -> Any:
            from asn1crypto import x509 as asn1

            return ValidationContext(
                trust_roots=[asn1.Certificate.load(der) for der in roots], moment=moment, allow_fetching=False
            )

        try:
            status = validate_pdf_signature(signature, context(self.authorities), context(self.stamps), skip_diff=True)
        except SignatureValidationError as error:
            return None, f"is not in order: {error}"
        if not status.intact:
            return status, "the bytes it covers were changed since"
        return status, "" if status.valid else "was not made by the key of its certificate"

    def _moment(self, facts: PdfFacts) -> datetime:
        """When the document says it was issued; the epoch when it does not say: then nothing is valid."""
        try:
            return datetime.fromtimestamp(parse_report(facts.document).issued_ms / 1000, UTC)
        except (Malformed, OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(0, UTC)

    def _printed_again(self, facts: PdfFacts, data: bytes) -> bool | None:
        if facts.signature_problem or facts.coverage_problem:
            return None  # refused already, and printing takes long
        try:
            report = parse_report(facts.document)
            fonts = find_fonts(self.font, report.language)
        except Malformed:
            return None
        if f"font {fonts.title}".encode() not in data:
            return None
        made = print_report(facts.document, fonts)
        return data == made or (facts.sealed and data.startswith(made))


def _shape_problem(data: bytes) -> str:
    if len(data) > PDF_BYTES_MAX:
        return f"{len(data)} bytes; a report has at most {PDF_BYTES_MAX}"
    if not data.startswith(_HEAD) or not data.endswith(_END):
        return "does not begin and end as a PDF of a report does"
    found = _WIDER.search(data)
    return f"holds {found[0].decode()}, which no report has" if found else ""


def _coverage_problem(signature: Any, data: bytes) -> str:
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    if signature.evaluate_signature_coverage() is not SignatureCoverageLevel.ENTIRE_FILE:
        return "the seal does not cover the whole file: something was added behind it, or was left out of it"
    if data.count(_END) > REVISIONS:
        return "the file has more revisions than the report and its seal"
    return spelling_problem(data, signature.byte_range[1], signature.byte_range[2])


def _attachment(reader: Any) -> tuple[bytes, str]:
    """The one attached document, and what is wrong with it."""
    root = reader.root
    listed = root.get("/AF", [])
    if len(listed) != 1:
        return b"", f"{len(listed)} files are attached; a report has one, {ATTACHMENT}"
    spec = listed[0].get_object() if hasattr(listed[0], "get_object") else listed[0]
    if str(spec["/UF"]) != ATTACHMENT or str(spec["/AFRelationship"]) != "/Data":
        return b"", f"the attached file is not {ATTACHMENT} of relationship Data"
    stream = spec["/EF"]["/F"]
    named = [str(name) for name in stream["/Filter"]] if "/Filter" in stream else []
    if named != ["/FlateDecode"]:
        return b"", "the attached file is not compressed as a report's is"
    unpacking = zlib.decompressobj()
    made = unpacking.decompress(stream.encoded_data, REPORT_BYTES_MAX + 1)
    if len(made) > REPORT_BYTES_MAX or not unpacking.eof:
        return b"", f"the attached file is bigger than {REPORT_BYTES_MAX} bytes, or cut"
    return made, ""


def _timestamp(status: Any) -> TimeFacts | None:
    stamp = status.timestamp_validity
    if stamp is None:
        return None
    name = stamp.signing_cert.subject.human_friendly if stamp.signing_cert is not None else ""
    held = stamp.intact and stamp.valid
    return TimeFacts(
        authority=name,
        time_ms=int(stamp.timestamp.timestamp() * 1000),
        problem="" if held else "the timestamp over the seal does not hold",
        pinned=bool(held and stamp.trusted),
    )


def sha256_of(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()
