"""One loan being told: its parties, its schedule, and events that become records when they are put in order of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Final

from relay.core.times import format_utc
from relay.sample.dice import Dice
from relay.sample.money import Instalment, annuity
from relay.sample.people import Person, person

CURRENCY: Final = "CNY"
CHINA: Final = timezone(timedelta(hours=8))
LENDER: Final = "和信消费金融有限公司"
COURT: Final = "云州互联网法院"
PRODUCTS: Final = ("随心贷", "安居分期", "教育分期", "car-instalment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A payload file."""

    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)
class Event:
    """A record before it has a sequence number. `mark` names it, so that others may refer to it."""

    at: datetime
    kind: str
    fields: dict[str, object]
    attachments: tuple[Attachment, ...]
    provenance: dict[str, str]
    mark: str = ""
    supersedes: str = ""
    refers: dict[str, str] = field(default_factory=dict)
    """Member name → mark: filled with the sequence number of the event of that mark."""


class Loan:
    """Everything that is known of one loan; stories add events."""

    def __init__(self, number: int, dice: Dice) -> None:
        self.dice = dice
        self.number = f"HX{2021 + number % 3}{dice.below(10**8):08d}"
        self.borrower: Person = person(dice)
        self.principal = dice.between(50, 1500) * 100_00
        self.rate = Decimal(dice.between(72, 239)) / 10
        self.penalty_rate = (self.rate * Decimal("1.5")).quantize(Decimal("0.01"))
        self.months = dice.one((9, 12, 12, 12, 18))
        self.start = date(2021 + number % 3, dice.between(1, 12), dice.between(1, 28))
        self.schedule: list[Instalment] = annuity(self.principal, self.rate, self.months, self.start)
        self.events: list[Event] = []

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """A moment of a day by the clock in China; its second is the dice's."""
        return datetime.combine(day, time(hour, minute, self.dice.below(60)), CHINA).astimezone(UTC)

    def stamp(self, moment: datetime) -> str:
        """As records write times."""
        return format_utc(int(moment.timestamp()))

    def add(
        self,
        moment: datetime,
        kind: str,
        fields: dict[str, object],
        attachments: tuple[Attachment, ...] = (),
        *,
        source: str = "core loan system",
        generation: str = "automatic, written when the event happened",
        corroboration: str = "",
        witnesses: str = "",
        notarisation: str = "",
        mark: str = "",
        supersedes: str = "",
        refers: dict[str, str] | None = None,
    ) -> None:
        """One event."""
        provenance = {
            "source": source,
            "generation": generation,
            "storage": "database with daily encrypted backup; files in the document archive",
            "notarisation": notarisation,
            "witnesses": witnesses,
            "corroboration": corroboration,
        }
        self.events.append(Event(moment, kind, fields, attachments, provenance, mark, supersedes, refers or {}))

    def in_order(self) -> list[Event]:
        """Events by time; those of one moment stay as they were added."""
        return sorted(self.events, key=lambda event: event.at)
