"""What a loan comes to at a date, from the records that were disclosed and hold: each figure with the records and the lines it is from.

Whole cents, no estimate: a figure that needs a record that is withheld, erased, missing or broken is not computable, and says why.
`compare` lays what the lender states beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from relay.core.amounts_figures import COLUMNS, PARTS, Column, Figure, Line, Part, Work, make_figure
from relay.core.amounts_records import Said, Sources, Stated, day_of, read_sources
from relay.core.amounts_words import MAY_CHANGE, NO_RECORD
from relay.core.view import DossierView

__all__ = [
    "COLUMNS",
    "PARTS",
    "Amounts",
    "Compared",
    "Comparison",
    "Figure",
    "Line",
    "Said",
    "amounts",
    "compare",
    "default_cut_off",
]

_MOVING: Final = ("mediation_agreement", "judgment", "assignment_notice", "closure")
"""Kinds that may change what is owed, or to whom: these figures are by the contract all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """All figures at the end of a day. `currency` is empty when no record says one."""

    cut_off: date
    currency: str
    figures: tuple[Figure, ...]
    remarks: tuple[Said, ...]

    def figure(self, part: Part, column: Column) -> Figure | None:
        """A figure, where the part has that column."""
        return next((f for f in self.figures if (f.part, f.column) == (part, column)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What the lender states for a part, and what its own records come to at that date (None: not computable)."""

    part: Part
    stated: int
    computed: int | None
    seqs: tuple[int, ...]

    @property
    def difference(self) -> int | None:
        """Stated less computed."""
        return None if self.computed is None else self.stated - self.computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The newest statement of a kind beside the figures of its date; without one, `why_not`."""

    kind: str
    seq: int
    as_of: date | None
    rows: tuple[Compared, ...]
    why_not: tuple[Said, ...] = ()


def amounts(view: DossierView, cut_off: date) -> Amounts:
    """The figures at the end of `cut_off`."""
    return _amounts(read_sources(view), view, cut_off)


def default_cut_off(view: DossierView) -> date:
    """The day the claim was calculated to, else of the newest balance, else on which the bundle was made."""
    sources = read_sources(view)
    for kind in ("complaint_elements", "balance_statement"):
        newest = _newest(sources, kind)
        if newest is not None:
            return newest.as_of
    return day_of(view.made_at_s * 1000)


def compare(view: DossierView) -> tuple[Comparison, ...]:
    """The lender's newest balance, and what it claims, beside its own records."""
    sources = read_sources(view)
    return tuple(_compare(sources, view, kind) for kind in ("balance_statement", "complaint_elements"))


def _newest(sources: Sources, kind: str) -> Stated | None:
    return max((s for s in sources.stated if s.kind == kind), key=lambda s: (s.as_of, s.seq), default=None)


def _compare(sources: Sources, view: DossierView, kind: str) -> Comparison:
    newest = _newest(sources, kind)
    if newest is None:
        why = sources.against(kind) or (Said(text=NO_RECORD, facts=(("kind", kind),)),)
        return Comparison(kind=kind, seq=-1, as_of=None, rows=(), why_not=why)
    then = _amounts(sources, view, newest.as_of)
    rows = []
    for part in PARTS:
        stated = dict(newest.parts).get(part)
        figure = then.figure(part, "outstanding")
        if stated is not None and figure is not None:
            rows.append(Compared(part=part, stated=stated, computed=figure.cents, seqs=figure.seqs))
    return Comparison(kind=kind, seq=newest.seq, as_of=newest.as_of, rows=tuple(rows), why_not=sources.against(kind))


def _amounts(sources: Sources, view: DossierView, cut_off: date) -> Amounts:
    work = Work(sources, cut_off)
    figures = [*work.principal(), *work.interest(), *work.penalty(), *work.fee()]
    figures += [_total(figures, column) for column in ("paid", "outstanding")]
    return Amounts(
        cut_off=cut_off,
        currency=sources.currency,
        figures=tuple(figures),
        remarks=(*_remarks(view, cut_off), *work.remarks()),
    )


def _total(figures: Sequence[Figure], column: Column) -> Figure:
    rows = [f for f in figures if f.column == column]
    trace = tuple(Line(text=f.part, facts=(), cents=f.cents, seqs=f.seqs) for f in rows if f.cents is not None)
    return make_figure("total", column, trace, [said for f in rows for said in f.why_not])


def _remarks(view: DossierView, cut_off: date) -> list[Said]:
    """Records that may change what is owed or to whom."""
    return [
        Said(
            text=MAY_CHANGE,
            facts=(("seq", r.finding.seq), ("kind", r.finding.kind)),
            seqs=(r.finding.seq,),
        )
        for r in view.records
        if r.finding.kind in _MOVING and day_of(r.finding.event_ms) <= cut_off
    ]
