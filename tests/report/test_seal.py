"""The seal, and every way that was thought of to show a report that the court did not seal: each is named by its step."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.core.errors import Malformed
from relay.core.identity import Identity, Role
from relay.core.report_check import KnownReport, ReportVerdict, check_document, check_pdf
from relay.core.verdict import Finding, Result
from relay.report.certificates import read_certificates
from relay.report.fonts import find_fonts
from relay.report.pdf import print_report
from relay.report.reading import PdfReader
from relay.report.seal import PdfSealer
from relay.setup.ca import issue
from tests.report.support import ISSUED_MS, NAME, NOW, YEAR_MS, Seals, document, make_seals, order
from tests.support.views import loan, view_of_loan

Sealed = tuple[bytes, bytes, bytes]


def checked(data: bytes, seals: Seals, *, now_ms: int = ISSUED_MS, authority: Path | None = None) -> ReportVerdict:
    """Offline, under this court's trust roots."""
    known = tuple(one.public_bytes(Encoding.DER) for one in read_certificates(authority)) if authority else ()
    return check_pdf(PdfReader(authorities=known).read(data), seals.trust, now_ms, asked=False)


def failed(verdict: ReportVerdict) -> set[str]:
    """Names of the steps that failed."""
    return {step.name for step in verdict.steps if step.result is Result.FAILED}


def test_a_sealed_report_is_consistent_with_and_without_the_authority(seals: Seals, sealed: Sealed) -> None:
    for authority in (None, seals.authority):
        verdict = checked(sealed[2], seals, authority=authority)
        assert (verdict.verdict, failed(verdict)) == (Finding.CONSISTENT, set()), verdict.steps
        assert [s.number for s in verdict.steps] == list(range(1, 9))


def test_sealing_leaves_every_byte_before_it_as_it_was(sealed: Sealed) -> None:
    assert sealed[2].startswith(sealed[1])


def test_the_attached_document_is_the_one_that_was_issued_and_verifies_alone(seals: Seals, sealed: Sealed) -> None:
    assert PdfReader().read(sealed[2]).document == sealed[0]
    assert check_document(sealed[0], seals.trust, ISSUED_MS, asked=False).verdict is Finding.CONSISTENT


def test_pdfsig_calls_the_signature_valid_over_the_whole_document(sealed_file: Path) -> None:
    if shutil.which("pdfsig") is None:
        pytest.skip("no pdfsig; on Debian: apt install poppler-utils")
    done = subprocess.run(["pdfsig", "-nocert", str(sealed_file)], capture_output=True, text=True, check=True)
    for words in ("Signature is Valid", "Total document signed", "ETSI.CAdES.detached", "SHA-256"):
        assert words in done.stdout


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_change_of_any_byte_is_noticed(seals: Seals, sealed: Sealed, where: float, change: int) -> None:
    data = bytearray(sealed[2])
    data[int(where * len(data))] ^= change
    assert checked(bytes(data), seals).verdict is Finding.INCONSISTENT


def test_a_change_of_any_character_of_the_seal_itself_is_noticed(seals: Seals, sealed: Sealed) -> None:
    """No signature covers its own place: version numbers, lists of algorithms and free room are held to one spelling."""
    data = sealed[2]
    begin = data.index(b"/Contents <") + len(b"/Contents <")
    for place in [*range(begin, begin + 120, 3), *range(begin + 120, begin + 3000, 199)]:
        changed = bytearray(data)
        changed[place] = ord("8") if changed[place] == ord("7") else ord("7")
        assert checked(bytes(changed), seals).verdict is Finding.INCONSISTENT, place - begin


def test_a_page_of_another_report_in_its_place_is_noticed(seals: Seals, sealed: Sealed) -> None:
    other = seals.report(view_of_loan(loan(2)))[2]
    pages = [_streams(data) for data in (sealed[2], other)]
    ours = max(pages[0], key=len)
    swapped = sealed[2].replace(ours, max(pages[1], key=len)[: len(ours)].ljust(len(ours)))
    assert swapped != sealed[2]
    assert "signature" in failed(checked(swapped, seals)) or checked(swapped, seals).verdict is Finding.INCONSISTENT


def _streams(data: bytes) -> list[bytes]:
    return re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL)


def test_a_revision_added_behind_the_seal_is_noticed(seals: Seals, sealed: Sealed) -> None:
    """A shadow attack: the signature still holds, and the reader shows what was added."""
    from io import BytesIO

    from pyhanko.pdf_utils.generic import pdf_name, pdf_string
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(BytesIO(sealed[2]))
    writer.root[pdf_name("/Lang")] = pdf_string("fr")
    writer.update_root()
    out = BytesIO()
    writer.write(out)
    verdict = checked(out.getvalue(), seals)
    assert verdict.verdict is Finding.INCONSISTENT
    assert "whole file" in failed(verdict) or "file" in failed(verdict)


def test_bytes_added_behind_the_end_are_noticed(seals: Seals, sealed: Sealed) -> None:
    for tail in (b"\n", b"%%EOF\n", b"x%%EOF\n", b"\x00" * 100):
        assert checked(sealed[2] + tail, seals).verdict is Finding.INCONSISTENT


def test_a_report_without_its_attachment_is_noticed(seals: Seals, sealed: Sealed) -> None:
    verdict = checked(sealed[2].replace(b"/AF ", b"/Af "), seals)
    assert "document" in failed(verdict)


def test_a_report_whose_seal_was_taken_off_is_noticed(seals: Seals, sealed: Sealed) -> None:
    verdict = checked(sealed[1], seals)
    assert (verdict.verdict, failed(verdict)) == (Finding.INCONSISTENT, {"document"})


def test_another_courts_seal_on_our_document_is_noticed(seals: Seals, sealed: Sealed, tmp_path: Path) -> None:
    other = make_seals(tmp_path / "other", court=Identity(trust_domain="court.example", role=Role.COURT, name="hill"))
    pdf = other.sealer.seal(sealed[1], issuer="hill", reason="Deposit report")
    assert failed(checked(pdf, seals)) == {"certificate"}
    assert failed(checked(pdf, seals, authority=seals.authority)) == {"certificate"}


def test_a_report_of_a_court_that_is_not_pinned_is_unverifiable(seals: Seals, tmp_path: Path) -> None:
    other = make_seals(tmp_path / "other")
    pdf = other.report()[2]
    verdict = checked(pdf, seals)
    assert verdict.verdict is Finding.UNVERIFIABLE
    assert [s.name for s in verdict.steps if s.result is Result.NOT_RUN] == ["court's signature"]


def test_a_certificate_of_another_authority_is_noticed(seals: Seals, sealed: Sealed, tmp_path: Path) -> None:
    other = make_seals(tmp_path / "other")
    verdict = checked(sealed[2], seals, authority=other.authority)
    assert failed(verdict) == {"certificate"}


def test_a_certificate_that_had_ended_when_the_report_was_issued_is_noticed(tmp_path: Path) -> None:
    old = make_seals(
        tmp_path / "old",
        now=datetime.datetime.fromtimestamp(ISSUED_MS / 1000, datetime.UTC) - datetime.timedelta(days=500),
    )
    verdict = checked(old.report()[2], old)
    assert failed(verdict) == {"certificate"}
    assert "not when the report was issued" in next(s.detail for s in verdict.steps if s.name == "certificate")


def test_a_certificate_that_has_ended_since_leaves_the_time_of_sealing_open(seals: Seals, sealed: Sealed) -> None:
    verdict = checked(sealed[2], seals, now_ms=ISSUED_MS + 2 * YEAR_MS)
    assert verdict.verdict is Finding.UNVERIFIABLE
    assert [s.name for s in verdict.steps if s.result is Result.NOT_RUN] == ["time of sealing"]


def timestamped(
    seals: Seals, sealed: Sealed, monkeypatch: pytest.MonkeyPatch, moment: datetime.datetime
) -> tuple[bytes, bytes]:
    """The report sealed with a timestamp of that moment, and the authority's certificate in DER."""
    from asn1crypto import keys, x509
    from cryptography import x509 as certificates
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    from pyhanko.sign import timestamps

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = certificates.Name([certificates.NameAttribute(NameOID.COMMON_NAME, "Example TSA")])
    made = (
        certificates.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(NOW - datetime.timedelta(days=1)).not_valid_after(NOW + datetime.timedelta(days=4000))
        .add_extension(certificates.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    der = made.public_bytes(Encoding.DER)
    private = keys.PrivateKeyInfo.load(
        key.private_bytes(Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    stamper = timestamps.DummyTimeStamper(x509.Certificate.load(der), private, fixed_dt=moment)
    monkeypatch.setattr(timestamps, "HTTPTimeStamper", lambda *_given, **_named: stamper)
    court = seals.folder / "court"
    sealer = PdfSealer.open(court / "report.pem", court / "report.key", "http://tsa.example")
    return sealer.seal(sealed[1], issuer=NAME, reason="Deposit report"), der


def test_a_timestamp_shows_that_the_seal_is_older_than_its_certificates_end(
    seals: Seals, sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.datetime.fromtimestamp(ISSUED_MS / 1000 + 5, datetime.UTC)
    pdf, authority = timestamped(seals, sealed, monkeypatch, moment)
    late = ISSUED_MS + 2 * YEAR_MS
    verdict = check_pdf(PdfReader(stamps=(authority,)).read(pdf), seals.trust, late, asked=False)
    assert verdict.verdict is Finding.CONSISTENT, verdict.steps
    assert "Example TSA" in next(s.detail for s in verdict.steps if s.name == "time of sealing")
    unpinned = PdfReader().read(pdf)
    assert check_pdf(unpinned, seals.trust, late, asked=False).verdict is Finding.UNVERIFIABLE
    assert check_pdf(unpinned, seals.trust, ISSUED_MS, asked=False).verdict is Finding.CONSISTENT


def test_a_report_from_the_future_is_refused(seals: Seals, sealed: Sealed) -> None:
    assert failed(checked(sealed[2], seals, now_ms=ISSUED_MS - 3_600_000)) == {"time of sealing"}


def test_pages_that_say_something_else_than_the_document_are_noticed(seals: Seals) -> None:
    """The court's own key seals a print of one document around another: pages and attachment do not belong together."""
    signed, _, _ = seals.report()
    other = seals.signed(document(view_of_loan(loan(2)), certificate=seals.sealer.facts))
    fonts = find_fonts(None, "en")
    ours, theirs = print_report(signed, fonts), print_report(other, fonts)
    assert ours != theirs
    facts = PdfReader().read(seals.sealer.seal(theirs, issuer=NAME, reason="x"))
    assert facts.printed_again
    verdict = check_pdf(replace(facts, printed_again=False), seals.trust, ISSUED_MS, asked=False)
    assert failed(verdict) == {"pages"}


def test_a_draft_is_never_green(seals: Seals) -> None:
    verdict = checked(print_report(document(number="", code="", url=""), find_fonts(None, "en")), seals)
    assert verdict.verdict is Finding.UNVERIFIABLE


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7\n", b"%PDF-1.7\n%%EOF\n", b"%PDF-1.7\n" + b"\x00" * 4096 + b"%%EOF\n", b"PK\x03\x04" * 100]
)
def test_what_is_no_report_is_told_in_words(data: bytes, seals: Seals) -> None:
    verdict = checked(data, seals)
    assert (verdict.verdict, failed(verdict)) == (Finding.INCONSISTENT, {"file"})


@pytest.mark.parametrize("name", [b"/JavaScript", b"/ObjStm", b"/Encrypt", b"/Launch", b"/XFA"])
def test_a_pdf_with_what_no_report_has_is_not_even_parsed(name: bytes, seals: Seals, sealed: Sealed) -> None:
    data = sealed[2].replace(b"/Lang", name + b" 1 /Lang", 1)
    verdict = checked(data, seals)
    assert failed(verdict) == {"file"}


def test_the_register_tells_a_newer_report_another_file_and_an_unknown_number(seals: Seals, sealed: Sealed) -> None:
    facts = PdfReader().read(sealed[2])
    digest = check_document(sealed[0], seals.trust, ISSUED_MS, asked=False).report
    assert digest is not None
    known = KnownReport(number=order().number, content_sha256=digest.digest, pdf_sha256="aa" * 32, superseded_by="")

    def asked(known: KnownReport | None, pdf: str = "aa" * 32) -> Finding:
        return check_pdf(facts, seals.trust, ISSUED_MS, asked=True, known=known, pdf_sha256=pdf).verdict

    assert asked(known) is Finding.CONSISTENT
    assert asked(replace(known, superseded_by="BG5NFD-2026-000002-41")) is Finding.SUPERSEDED
    assert asked(known, "bb" * 32) is Finding.INCONSISTENT
    assert asked(replace(known, content_sha256="bb" * 32)) is Finding.INCONSISTENT
    assert asked(None) is Finding.NOT_FOUND


def test_a_certificate_that_is_not_for_sealing_is_refused(seals: Seals, tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    issue(
        seals.folder / "ca",
        Identity(trust_domain="court.example", role=Role.COURT, name="x"),
        tmp_path / "tls",
        datetime.datetime.now(datetime.UTC),
    )
    with pytest.raises(Malformed, match="contentCommitment"):
        PdfSealer.open(tmp_path / "tls/tls.pem", tmp_path / "tls/tls.key")


def test_a_key_of_another_certificate_is_refused(seals: Seals, tmp_path: Path) -> None:
    other = make_seals(tmp_path / "other")
    with pytest.raises(Malformed, match="does not belong"):
        PdfSealer.open(seals.folder / "court/report.pem", other.folder / "court/report.key")
