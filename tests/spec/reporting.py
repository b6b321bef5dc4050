"""Worked examples of deposit numbers, report numbers, and one small report."""

from __future__ import annotations

import json

from relay.core.deposit_number import deposit_number
from relay.core.jose import parse_jws
from relay.core.limits import TREE_SIZE_MAX
from relay.core.report import SEAL_TYP, make_report, parse_report, seal_report
from relay.core.report_inputs import BundleFacts, CertificateFacts, Issuer, ReportOrder
from relay.core.report_number import report_number, retrieval_code
from relay.core.report_profile import ReportProfile
from relay.core.verdict import Finding, Result, Step, Verdict
from relay.core.view import DossierView
from tests.spec.actors import BANK, CASE, COURT, DOSSIER, KEYS, ORIGIN, at

CODE = retrieval_code(bytes(range(16)))
NUMBER = str(report_number(COURT, 2025, 1))
SMALL = ReportProfile(
    name="small", version=1, blocks=("A", "J", "D", "F", "K", "L"), languages=("en",), preface={}, closing={}
)


def reporting() -> dict[str, str]:
    """All of them."""
    sealed = report()
    parsed = parse_report(sealed)
    jws = parse_jws(parsed.seal, what="report seal", typ=SEAL_TYP, bytes_max=4096)
    return {
        "deposit-numbers": "\n".join(
            f"{ORIGIN}  {i:<16}  {deposit_number(ORIGIN, i)}" for i in (0, 1, 31, 32, TREE_SIZE_MAX - 1)
        ),
        "report-numbers": f"{COURT}  2025  1  {NUMBER}\n000102030405060708090a0b0c0d0e0f  {CODE}",
        "report-document": sealed.decode(),
        "report-digest": parsed.digest,
        "report-seal-claims": json.dumps(jws.payload, indent=2, ensure_ascii=False),
    }


def report() -> bytes:
    """Of a bundle of which only the container could be read."""
    steps = (
        Step(number=1, name="container", result=Result.OK, detail="9 parts, each as listed"),
        Step(number=2, name="seal", result=Result.NOT_RUN, detail="seal key: no seal key is pinned for anyone"),
    )
    verdict = Verdict(
        verdict=Finding.UNVERIFIABLE, dossier=DOSSIER, case=CASE, origin=ORIGIN, proof_kinds=(), records=(), steps=steps
    )
    view = DossierView(
        verdict=verdict, lender=BANK, court=COURT, made_at_s=at("12:00:00"), trust_version=1, grant=None, anchors=(),
        statements=(), records=()
    )  # fmt: skip
    certificate = CertificateFacts(
        subject="CN=Riverside reports", issuer="CN=Riverside authority", serial="2a", sha256="c0" * 32,
        not_before_ms=at("00:00:00") * 1000, not_after_ms=at("00:00:00") * 1000 + 31_536_000_000,
    )  # fmt: skip
    issuer = Issuer(identity=COURT, name="Riverside Court", licence="", certificate=certificate)
    order = ReportOrder(
        number=NUMBER, code=CODE, url=f"https://court.example/r/{CODE}", supersedes="", issued_ms=at("12:30:00") * 1000,
        checked_ms=at("12:29:00") * 1000, language="en", requested_by="", verifier="1.0",
    )  # fmt: skip
    content = make_report(view, BundleFacts(sha256="5a" * 32, size=4096), issuer, order, SMALL)
    return seal_report(content, public_key=KEYS["seal"].public, sign=KEYS["seal"].sign)
