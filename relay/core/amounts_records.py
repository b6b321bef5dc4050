"""What amounts are computed from: the money fields of records that were shown and hold, and what stands in the way of using them.

A lender signs its records, but this reads them as a stranger's: a member of another form than its kind's schema gives is an
obstacle, named with its record, and never a zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

from relay.core.amounts_words import ABSENT, NOT_HOLDING, NOT_SHOWN, NOT_USABLE, NOT_WHOLE, OF_NO_KIND
from relay.core.canonical import Fields
from relay.core.errors import Malformed
from relay.core.times import parse_utc
from relay.core.verdict import Finding, Result
from relay.core.view import DossierView, ViewRecord

T = TypeVar("T")

CENTS_MAX: Final = 10**14
INSTALMENTS_MAX: Final = 600
COMPLETENESS_STEP: Final = 13
DAY_ZONE: Final = timedelta(hours=8)
"""A moment belongs to the day that a clock in China shows, as the dates in records do; China has one zone and no summer time."""
_HOLDING: Final = (Finding.CONSISTENT, Finding.SUPERSEDED)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RATE: Final = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence about the figures: a template, its values, and the records it speaks of. Values named `…_cents` are amounts."""

    text: str
    facts: tuple[tuple[str, str | int], ...] = ()
    seqs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """What is due on a day, in cents."""

    due: date
    principal: int
    interest: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """`penalty_rate_millionths`: per cent a year times 10^6."""

    seq: int
    principal: int
    fees: int
    penalty_rate: str
    penalty_rate_millionths: int
    compounding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One version; `day` is the day of the record's event."""

    seq: int
    version: int
    day: date
    reason: str
    supersedes: int
    instalments: tuple[Instalment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money that moved on a day: a disbursement, a repayment in its parts, or what enforcement brought (parts 0)."""

    seq: int
    day: date
    total: int
    principal: int = 0
    interest: int = 0
    penalty: int = 0
    fee: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Figures that the lender states itself, at a date."""

    kind: str
    seq: int
    as_of: date
    parts: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Sources:
    """Everything that was read. `obstacles`: kind → why its records cannot be relied on to be all there."""

    currency: str = ""
    contracts: list[ContractTerms] = field(default_factory=list)
    vouchers: list[Receipt] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    repayments: list[Receipt] = field(default_factory=list)
    enforced: list[Receipt] = field(default_factory=list)
    stated: list[Stated] = field(default_factory=list)
    obstacles: dict[str, list[Said]] = field(default_factory=dict)
    whole: list[Said] = field(default_factory=list)
    """Why the dossier is not shown to be whole; empty when it is."""

    def against(self, *kinds: str) -> tuple[Said, ...]:
        """All that stands in the way of figures from these kinds."""
        return tuple(said for kind in kinds for said in self.obstacles.get(kind, []))


def read_sources(view: DossierView) -> Sources:
    """Records that hold, read; everything else that could matter, as obstacles."""
    sources = Sources()
    sources.whole = _whole(view)
    replaced = {r.supersedes for r in view.records if r.supersedes >= 0 and r.shown and r.finding.verdict in _HOLDING}
    for record in view.records:
        seq, kind = record.finding.seq, record.finding.kind
        # a corrected record is not counted; an older schedule is, for the time before the newer one
        if seq in replaced and kind != "repayment_schedule":
            continue
        if not kind:
            sources.whole.append(
                Said(
                    text=OF_NO_KIND,
                    facts=(("seq", seq),),
                    seqs=(seq,),
                )
            )
        elif kind in _READERS:
            refused = _unusable(record) or _read(sources, record, _READERS[kind])
            if refused is not None:
                sources.obstacles.setdefault(kind, []).append(refused)
    return sources


def _whole(view: DossierView) -> list[Said]:
    step = next((s for s in view.verdict.steps if s.number == COMPLETENESS_STEP), None)
    if step is not None and step.result is Result.OK:
        return []
    return [Said(text=NOT_WHOLE)]


def _unusable(record: ViewRecord) -> Said | None:
    finding = record.finding
    about = {"facts": (("seq", finding.seq), ("kind", finding.kind)), "seqs": (finding.seq,)}
    if not record.shown:
        text = ABSENT.get(finding.status, NOT_SHOWN)
        return Said(text=text, **about)  # type: ignore[arg-type]  # the two members of `about` have the types that Said wants
    if finding.verdict not in _HOLDING:
        facts = (("seq", finding.seq), ("kind", finding.kind), ("verdict", finding.verdict.value))
        return Said(text=NOT_HOLDING, facts=facts, seqs=(finding.seq,))
    return None


def _read(sources: Sources, record: ViewRecord, reader: Callable[[Sources, ViewRecord, Fields], None]) -> Said | None:
    seq = record.finding.seq
    fields = Fields({member.name: member.value for member in record.members}, what=f"record {seq}")
    try:
        if record.kind_version != 1:
            raise fields.refuse("kind_version", f"{record.kind_version} is not known here")
        currency = fields.string("currency", chars_max=3)
        if sources.currency and currency != sources.currency:
            raise fields.refuse("currency", f"{currency}, while other records are in {sources.currency}")
        reader(sources, record, fields)
        sources.currency = currency
    except Malformed as error:
        facts = (("seq", seq), ("kind", record.finding.kind), ("reason", f"{error.field}: {error.reason}"))
        return Said(text=NOT_USABLE, facts=facts, seqs=(seq,))
    return None


def day_of(ms: int) -> date:
    """The day of a moment, see `DAY_ZONE`."""
    return (_EPOCH + timedelta(milliseconds=ms) + DAY_ZONE).date()


def _cents(fields: Fields, name: str) -> int:
    return fields.integer(name, high=CENTS_MAX)


def _day(fields: Fields, name: str) -> date:
    text = fields.matching(name, _DATE, "a date of the form YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise fields.refuse(name, f"{text} is not a date that exists") from None


def _contract(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    rate = fields.matching("penalty_rate", _RATE, "a rate in per cent")
    whole, _, part = rate.partition(".")
    sources.contracts.append(
        ContractTerms(
            seq=record.finding.seq,
            principal=_cents(fields, "principal_cents"),
            fees=_cents(fields, "fees_cents"),
            penalty_rate=rate,
            penalty_rate_millionths=int(whole) * 10**6 + int(part.ljust(6, "0")),
            compounding=fields.literal("compounding", "none", "monthly", "daily"),
        )
    )


def _voucher(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    paid_s = parse_utc(fields.string("paid_at", chars_max=20), fields.what, "paid_at")
    sources.vouchers.append(
        Receipt(seq=record.finding.seq, day=day_of(paid_s * 1000), total=_cents(fields, "amount_cents"))
    )


def _schedule(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    instalments = tuple(_instalment(one) for one in fields.objects("instalments", count_max=INSTALMENTS_MAX))
    if any(later.due <= earlier.due for earlier, later in pairwise(instalments)):
        raise fields.refuse("instalments", "are not in the order of their days, each day once")
    sources.schedules.append(
        Schedule(
            seq=record.finding.seq,
            version=fields.integer("version", low=1, high=1000),
            day=day_of(record.finding.event_ms),
            reason=fields.literal("reason", "origination", "rescheduling", "correction"),
            supersedes=record.supersedes,
            instalments=instalments,
        )
    )


def _instalment(fields: Fields) -> Instalment:
    return Instalment(
        due=_day(fields, "due"),
        principal=_cents(fields, "principal_cents"),
        interest=_cents(fields, "interest_cents"),
        fee=_cents(fields, "fee_cents"),
    )


def _repayment(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    receipt = Receipt(
        seq=record.finding.seq,
        day=_day(fields, "received_on"),
        total=_cents(fields, "amount_cents"),
        principal=_cents(fields, "principal_cents"),
        interest=_cents(fields, "interest_cents"),
        penalty=_cents(fields, "penalty_cents"),
        fee=_cents(fields, "fee_cents"),
    )
    if receipt.total != receipt.principal + receipt.interest + receipt.penalty + receipt.fee:
        raise fields.refuse("amount_cents", f"{receipt.total} is not the sum of its parts")
    sources.repayments.append(receipt)


def _enforced(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    sources.enforced.append(
        Receipt(seq=record.finding.seq, day=_day(fields, "received_on"), total=_cents(fields, "amount_cents"))
    )


def _balance(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    _state(sources, record, fields, "as_of", ("principal", "interest", "penalty", "fee", "total"))


def _claim(sources: Sources, record: ViewRecord, fields: Fields) -> None:
    _state(sources, record, fields, "cut_off", ("principal", "interest", "penalty"))


def _state(sources: Sources, record: ViewRecord, fields: Fields, day: str, parts: tuple[str, ...]) -> None:
    sources.stated.append(
        Stated(
            kind=record.finding.kind,
            seq=record.finding.seq,
            as_of=_day(fields, day),
            parts=tuple((part, _cents(fields, f"{part}_cents")) for part in parts),
        )
    )


_READERS: Final[dict[str, Callable[[Sources, ViewRecord, Fields], None]]] = {
    "contract": _contract,
    "disbursement_voucher": _voucher,
    "repayment_schedule": _schedule,
    "repayment": _repayment,
    "enforced_amount": _enforced,
    "balance_statement": _balance,
    "complaint_elements": _claim,
}
