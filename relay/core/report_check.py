"""What may be said of a deposit report that somebody holds, in numbered steps (docs/spec/report.md has the same numbers).

Pure: a PDF is read and its signature computed elsewhere (`PdfFacts`); here it is judged. The result speaks of the report, whether it
is as the court sealed it; what the report says of its dossier stays the report's own verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Malformed, Unverified
from relay.core.jose import verify_jws
from relay.core.limits import FUTURE_SKEW_S
from relay.core.report import Report, parse_report, parse_seal
from relay.core.report_inputs import CertificateFacts
from relay.core.times import format_utc
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding, Result, Step

WORDS: Final = {
    Finding.CONSISTENT: "This report is unaltered since the court sealed it.",
    Finding.INCONSISTENT: "This is not the report that the court sealed, or it was changed since.",
    Finding.NOT_FOUND: "The court has no report under this number.",
    Finding.UNVERIFIABLE: "Whether this report is as the court sealed it could not be established.",
    Finding.SUPERSEDED: "This report is unaltered, and the court has issued a newer one of the same dossier.",
}
DOES_NOT_PROVE: Final = (
    "This result speaks of the report alone: it does not prove that what the report says of the dossier is still so today.",
    "Whether records were true before they were anchored is not examined here.",
    "It rests on the trust roots used and says nothing for courts and keys that are not pinned there.",
)
NOT_ASKED: Final = "Checked offline: whether the court has issued a newer report since was not asked."


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFacts:
    """A timestamp over the signature (PAdES B-T); `problem` is empty when its signature holds. One that is not pinned shows nothing."""

    authority: str
    time_ms: int
    problem: str
    pinned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfFacts:
    """What reading a PDF has shown. A `problem` is empty when there is none, else one sentence."""

    unreadable: str = ""
    sealed: bool = False
    """Whether it holds a signature at all."""
    signature_problem: str = ""
    coverage_problem: str = ""
    attachment_problem: str = ""
    document: bytes = b""
    """The attached report.json."""
    certificate: CertificateFacts | None = None
    usage_problem: str = ""
    chain: str = ""
    """`ok`, a problem, or empty when no authority was given to check against."""
    timestamp: TimeFacts | None = None
    printed_again: bool | None = None
    """Whether printing the document again gave the same pages; None: this program cannot print with the same font."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReport:
    """What the court's register holds of a report."""

    number: str
    content_sha256: str
    pdf_sha256: str
    superseded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVerdict:
    """The result. `report` is None when no document could be read."""

    verdict: Finding
    steps: tuple[Step, ...]
    report: Report | None
    known: KnownReport | None
    asked: bool
    """Whether the court's register was asked."""

    @property
    def words(self) -> str:
        """One sentence."""
        return WORDS[self.verdict]

    @property
    def does_not_prove(self) -> tuple[str, ...]:
        """What to say beside it."""
        return DOES_NOT_PROVE if self.asked else (*DOES_NOT_PROVE, NOT_ASKED)


@dataclass(slots=True)
class _Checking:
    """Filled step by step."""

    trust: TrustRoots
    now_ms: int
    pdf: PdfFacts | None
    document: bytes
    steps: list[Step]
    report: Report | None = None

    def run(self, number: int, name: str, step: Callable[[_Checking], str]) -> None:
        """Run one step and note how it ended."""
        try:
            result, detail = Result.OK, step(self)
        except (Unpinned, _Open) as error:
            result, detail = Result.NOT_RUN, str(error)
        except (Unverified, Malformed) as error:
            result, detail = Result.FAILED, str(error)
        self.steps.append(Step(number=number, name=name, result=result, detail=detail))

    def need(self) -> Report:
        """The document, or `_Open`."""
        if self.report is None:
            raise _Open("needs step 4: the document could not be read")
        return self.report


class _Open(Exception):
    """A step cannot run."""


def check_pdf(
    pdf: PdfFacts,
    trust: TrustRoots,
    now_ms: int,
    *,
    asked: bool,
    known: KnownReport | None = None,
    pdf_sha256: str = "",
) -> ReportVerdict:
    """The verdict on a PDF. `asked`: whether `known` is the register's word; `pdf_sha256` in hex, compared with it."""
    checking = _Checking(trust=trust, now_ms=now_ms, pdf=pdf, document=pdf.document, steps=[])
    checking.run(1, "file", lambda _: _readable(pdf))
    if not pdf.unreadable:
        checking.run(2, "signature", lambda _: _signature(pdf))
        checking.run(3, "whole file", lambda _: _whole(pdf))
        checking.run(4, "document", _document)
        checking.run(5, "court's signature", _court)
        checking.run(6, "certificate", lambda c: _certificate(c, pdf))
        checking.run(7, "time of sealing", lambda c: _sealing_time(c, pdf))
        checking.run(8, "pages", lambda _: _pages(pdf))
        if asked:
            checking.run(9, "register", lambda c: _registered(c, known, pdf_sha256))
    return _verdict(checking, known, asked)


def check_document(
    document: bytes, trust: TrustRoots, now_ms: int, *, asked: bool, known: KnownReport | None = None
) -> ReportVerdict:
    """The verdict on a report.json alone."""
    checking = _Checking(trust=trust, now_ms=now_ms, pdf=None, document=document, steps=[])
    checking.run(4, "document", _document)
    checking.run(5, "court's signature", _court)
    if asked:
        checking.run(9, "register", lambda c: _registered(c, known, ""))
    return _verdict(checking, known, asked)


def _readable(pdf: PdfFacts) -> str:
    if pdf.unreadable:
        raise Unverified("file", pdf.unreadable)
    return "a PDF of one report"


def _signature(pdf: PdfFacts) -> str:
    if not pdf.sealed:
        raise _Open("this copy bears no seal")
    if pdf.signature_problem:
        raise Unverified("signature", pdf.signature_problem)
    return "the seal's signature holds over the bytes it names"


def _whole(pdf: PdfFacts) -> str:
    if not pdf.sealed:
        raise _Open("needs step 2: this copy bears no seal")
    if pdf.coverage_problem:
        raise Unverified("whole file", pdf.coverage_problem)
    return "the seal covers every byte of the file, and nothing was added behind it"


def _document(c: _Checking) -> str:
    """Step 4."""
    if c.pdf is not None and c.pdf.attachment_problem:
        raise Unverified("document", c.pdf.attachment_problem)
    c.report = parse_report(c.document)
    if c.pdf is not None and not c.pdf.sealed and c.report.blocks["A"]["certificate"]["sha256"]:
        raise Unverified(
            "document", "names a certificate that sealed it, and this copy bears no seal: it was taken off"
        )
    return f"report {c.report.number}" if c.report.number else "a draft without a number"


def _court(c: _Checking) -> str:
    """Step 5: signed by the seal key that the trust roots pin for the court it names."""
    report = c.need()
    issuer = str(report.blocks["A"]["issuer"])
    if not report.seal:
        raise _Open("the document bears no signature of a court")
    jws = parse_seal(report)
    c.trust.court(issuer)
    verify_jws(jws, c.trust.key_for_kid("seal", jws.kid, issuer, report.issued_ms).public_key)
    return f"signed by {issuer}"


def _certificate(c: _Checking, pdf: PdfFacts) -> str:
    """Step 6: the certificate that the document names, fit for this use, from the court's authority where one was given."""
    report, found = c.need(), pdf.certificate
    if found is None:
        raise _Open("needs step 2: no certificate is shown")
    named = report.blocks["A"]["certificate"]
    if found.sha256 != named["sha256"]:
        raise Unverified(
            "certificate", f"{found.subject} sealed this file; the document names {named['subject'] or 'none'}"
        )
    if pdf.usage_problem:
        raise Unverified("certificate", pdf.usage_problem)
    if not found.not_before_ms <= report.issued_ms <= found.not_after_ms:
        raise Unverified(
            "certificate",
            f"was valid {_utc(found.not_before_ms)} to {_utc(found.not_after_ms)}, not when the report was issued",
        )
    if pdf.chain not in ("", "ok"):
        raise Unverified("certificate", pdf.chain)
    if not pdf.chain and not report.seal:
        raise _Open(
            "nothing pins it: no authority was given, and no pinned court has signed the document that names it"
        )
    return f"{found.subject}, {'issued by the given authority' if pdf.chain else 'named by the document that the court signed'}"


def _sealing_time(c: _Checking, pdf: PdfFacts) -> str:
    """Step 7: sealed while the certificate was valid, by more than the sealer's word once it has ended."""
    report, found, stamp = c.need(), pdf.certificate, pdf.timestamp
    if found is None:
        raise _Open("needs step 2: no certificate is shown")
    if report.issued_ms > c.now_ms + FUTURE_SKEW_S * 1000:
        raise Unverified("time of sealing", f"the report is dated in the future: {_utc(report.issued_ms)}")
    if stamp is not None and stamp.problem:
        raise Unverified("time of sealing", stamp.problem)
    if stamp is not None and stamp.pinned:
        if not found.not_before_ms <= stamp.time_ms <= found.not_after_ms:
            raise Unverified(
                "time of sealing", f"{stamp.authority} says {_utc(stamp.time_ms)}: the certificate was not valid"
            )
        return f"at {_utc(stamp.time_ms)} by the timestamp of {stamp.authority}"
    if c.now_ms > found.not_after_ms:
        raise _Open(
            f"the certificate has ended at {_utc(found.not_after_ms)}, and no timestamp shows that the seal is older"
        )
    return f"at {_utc(report.issued_ms)} by the court's clock; the certificate is still valid"


def _pages(pdf: PdfFacts) -> str:
    if pdf.printed_again is False:
        raise Unverified(
            "pages", "printing the attached document again gives other pages: what is shown is not what it says"
        )
    if pdf.printed_again:
        return "printing the attached document again gives the same pages, byte for byte"
    if not pdf.sealed:
        raise _Open("could not be printed again with the same font here, and no seal covers them")
    return "not printed again here, for want of the same font; the seal covers pages and document together"


def _registered(c: _Checking, known: KnownReport | None, pdf_sha256: str) -> str:
    """Step 9: the register has the same document, and the same file."""
    report = c.need()
    if known is None or known.number != report.number or not report.number:
        raise Unverified("register", "the court has issued no report under this number")
    if known.content_sha256 != report.digest:
        raise Unverified("register", "the court has issued another document under this number")
    if pdf_sha256 and known.pdf_sha256 != pdf_sha256:
        raise Unverified("register", "the court has issued another file under this number")
    return f"replaced by {known.superseded_by}" if known.superseded_by else "the newest report of its dossier"


def _verdict(c: _Checking, known: KnownReport | None, asked: bool) -> ReportVerdict:
    failed = [step for step in c.steps if step.result is Result.FAILED]
    if failed:
        unknown = asked and known is None and all(step.number == 9 for step in failed)
        verdict = Finding.NOT_FOUND if unknown else Finding.INCONSISTENT
    elif any(step.result is Result.NOT_RUN for step in c.steps):
        verdict = Finding.UNVERIFIABLE
    elif asked and known is not None and known.superseded_by:
        verdict = Finding.SUPERSEDED
    else:
        verdict = Finding.CONSISTENT
    return ReportVerdict(
        verdict=verdict, steps=tuple(c.steps), report=c.report, known=known if asked else None, asked=asked
    )


def _utc(ms: int) -> str:
    return format_utc(ms // 1000)
