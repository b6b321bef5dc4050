"""A deposit report that somebody brings to the public page, as the page's own kind of result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import BinaryIO, Final

from relay.core.report_check import ReportVerdict
from relay.core.trust import TrustRoots
from relay.ports.common import Clock
from relay.services.court.checked import Checked, Fact
from relay.services.court.reports import Reports
from relay.services.court.said import Text

NUMBER: Final = Text("Report number")
ISSUED: Final = Text("Issued")
ISSUER: Final = Text("Issuer")
SAYS: Final = Text("What it says of its dossier")
REPLACED: Final = Text("Replaced by")


def report_check(reports: Reports, trust: TrustRoots, clock: Clock) -> Callable[[BinaryIO], Awaitable[Checked]]:
    """What the page calls with a PDF or a report.json."""

    async def check(file: BinaryIO) -> Checked:
        verdict = await reports.check(file)
        now_ms = clock.now_ms()
        return Checked(
            kind="report",
            verdict=verdict.verdict,
            words=Text(verdict.words),
            steps=verdict.steps,
            facts=_facts(verdict),
            trust_version=trust.version,
            trust_stale=trust.why_stale(now_ms // 1000),
            at_ms=now_ms,
            does_not_prove=verdict.does_not_prove,
        )

    return check


def _facts(verdict: ReportVerdict) -> tuple[Fact, ...]:
    report = verdict.report
    if report is None:
        return ()
    replaced = verdict.known.superseded_by if verdict.known else ""
    return (
        Fact(label=NUMBER, value=report.number, form="code"),
        Fact(label=ISSUED, value=report.issued_ms, form="time"),
        Fact(label=ISSUER, value=report.blocks["A"]["issuer_name"] or report.blocks["A"]["issuer"]),
        Fact(label=SAYS, value=report.blocks["J"]["verdict"], form="code"),
        *([Fact(label=REPLACED, value=replaced, form="code")] if replaced else []),
    )
