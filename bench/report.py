"""How long a court waits for a deposit report of a dossier of 250 records, and for the check of one that somebody brings."""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.table import Row, repeat
from relay.core.identity import Identity, Role
from relay.core.report import make_report, seal_report
from relay.core.report_inputs import BundleFacts, Issuer, ReportOrder
from relay.core.report_number import report_number, retrieval_code
from relay.core.view import DossierView
from relay.report.fonts import find_fonts
from relay.report.press import Press
from relay.report.profiles import read_profiles
from relay.report.seal import PdfSealer
from relay.setup.ca import issue_report_seal, make_authority
from relay.setup.keys import make_signing_key
from tests.support.views import loan, view_of_events

RECORDS: Final = 250
SECONDS: Final = 3.0
REPEATS: Final = 5
COURT: Final = Identity(trust_domain="court.example", role=Role.COURT, name="harbour")


def report_rows() -> list[Row]:
    """Document, signature, print and seal together, in each language; then reading one, with its pages printed again."""
    view = _view()
    rows = []
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as name:
        folder = Path(name)
        now = datetime.datetime.now(datetime.UTC)
        (folder / "ca").mkdir()
        make_authority(folder / "ca", COURT.trust_domain, now)
        issue_report_seal(folder / "ca", COURT, "Harbour reports", folder, now)
        signer = make_signing_key(folder / "seal.pem")
        press = Press(PdfSealer.open(folder / "report.pem", folder / "report.key"), None)
        for language in ("en", "zh-CN"):
            find_fonts(None, language)  # a running court has read it
            made: list[bytes] = []

            def issue(language: str = language, made: list[bytes] = made) -> None:
                content = _content(view, press, language)
                document = seal_report(content, public_key=signer.public_key, sign=signer.sign)
                made.append(press.make(document, "Harbour Court"))

            def read(made: list[bytes] = made) -> None:
                press.read(made[0])

            rows.append(_row(f"deposit report of {RECORDS} records, {language}: made, printed, sealed", issue))
            rows.append(_row(f"  read back, its pages printed again, {language}", read))
    return rows


def _row(name: str, work: Callable[[], object]) -> Row:
    work()  # imports

    def measure() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return Row(name=name, values=repeat(REPEATS, measure), unit="s wall", target=SECONDS, below=True)


def _view() -> DossierView:
    """The stories of several loans in one dossier."""
    events = [event for number in range(1, 8) for event in loan(number).in_order() if not event.refers]
    view = view_of_events(events[:RECORDS])
    if len(view.records) != RECORDS:
        raise SystemExit(f"{len(view.records)} records instead of {RECORDS}")
    return view


def _content(view: DossierView, press: Press, language: str) -> bytes:
    code = retrieval_code(bytes(16))
    now_ms = int(time.time()) * 1000
    order = ReportOrder(
        number=str(report_number(str(COURT), 2025, 1)), code=code, url=f"https://court.example/r/{code}", supersedes="",
        issued_ms=now_ms, checked_ms=now_ms, language=language, requested_by="", verifier="bench",
    )  # fmt: skip
    issuer = Issuer(identity=str(COURT), name="Harbour Court", licence="", certificate=press.certificate)
    return make_report(view, BundleFacts(sha256="5a" * 32, size=1), issuer, order, read_profiles(None)["full"])
