"""Loan arithmetic in whole cents: an annuity schedule whose last instalment takes what rounding left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """What is due on a day, in cents."""

    due: date
    principal: int
    interest: int

    @property
    def total(self) -> int:
        """Principal and interest."""
        return self.principal + self.interest

    def as_json(self) -> dict[str, object]:
        """As the record kinds write it."""
        return {
            "due": self.due.isoformat(),
            "principal_cents": self.principal,
            "interest_cents": self.interest,
            "fee_cents": 0,
        }


def month_later(day: date, months: int) -> date:
    """The same day of a later month; days above 28 are not used here."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, day.day)


def annuity(principal: int, annual_rate: Decimal, months: int, start: date) -> list[Instalment]:
    """Equal payments; `annual_rate` in per cent."""
    monthly = annual_rate / Decimal(1200)
    growth = (1 + monthly) ** months
    payment = _cents(Decimal(principal) * monthly * growth / (growth - 1))
    left = principal
    made = []
    for i in range(1, months + 1):
        interest = _cents(Decimal(left) * monthly)
        part = left if i == months else payment - interest
        made.append(Instalment(due=month_later(start, i), principal=part, interest=interest))
        left -= part
    return made


def penalty(overdue: int, annual_rate: Decimal, days: int) -> int:
    """Simple penalty interest in cents on an overdue sum."""
    return _cents(Decimal(overdue) * annual_rate / 100 * days / 360)


def _cents(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def yuan(cents: int) -> str:
    """For papers: 1,234.56."""
    return f"{cents // 100:,}.{cents % 100:02d}"
