"""The dossier's page: verdict and reasons, completeness, amounts, the timeline with every record, objections, steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from relay.core.amounts import COLUMNS, PARTS, Amounts, Comparison, Figure, Said, amounts, compare, default_cut_off
from relay.core.timeline import completeness_of, timeline
from relay.core.verdict import DOES_NOT_PROVE
from relay.core.view import DossierView
from relay.ports.cases import KeptView, Objection
from relay.web.cases.parts import GROUND_WORDS, OUTCOME_WORDS, READERS, Parts
from relay.web.cases.shown import Filter, Showing, facts_in_words, money
from relay.web.site import Person, language_of, need, page
from relay.words import Speaker, Words, speaker

PART_NAMES: Final[dict[str, Words]] = {
    "principal": "Principal", "interest": "Interest", "penalty": "Penalty interest", "fee": "Fees", "total": "Total",
}  # fmt: skip
COLUMN_NAMES: Final[dict[str, Words]] = {
    "contracted": "Contracted", "disbursed": "Paid out", "due": "Due", "paid": "Paid", "outstanding": "Outstanding",
}  # fmt: skip
COPY_BYTES: Final = 256 * 1024


class DossierPages:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[BaseRoute]:
        """The page, and the bundle itself."""
        return [
            Route("/dossiers/{bundle}", self.show),
            Route("/dossiers/{bundle}/bundle.zip", self.bundle),
        ]

    async def show(self, request: Request) -> Response:
        """One dossier as one bundle shows it."""
        person = need(request, *READERS)
        bundle = request.path_params["bundle"]
        view = await self._parts.cases.view(bundle, person.name, "dossier page")
        head = await self._parts.cases.head(bundle)
        objections = await self._parts.objections.of(head.case, head.dossier)
        w = speaker(language_of(request))

        def made() -> Response:
            values = self._values(request, w, person, head, view, objections)
            return page(self._parts.site, request, "cases/dossier.html", values)

        return await asyncio.to_thread(made)  # a long dossier takes long to write out; others wait for nothing

    def _values(
        self,
        request: Request,
        w: Speaker,
        person: Person,
        head: KeptView,
        view: DossierView,
        objections: Sequence[Objection],
    ) -> dict[str, object]:
        wanted = request.query_params.get
        chosen = Filter(stage=wanted("stage", ""), kind=wanted("kind", ""), verdict=wanted("verdict", ""))
        stages = timeline(view)
        kinds = sorted({record.finding.kind for record in view.records})
        return {
            "head": head,
            "view": view,
            "verdict": view.verdict,
            "counts": completeness_of(view),
            "stages": Showing(w, view, objections).stages(stages, chosen),
            "chosen": chosen,
            "stage_choices": [(stage.stage, w.stage(stage.stage)) for stage in stages if stage.stage],
            "kind_choices": [(kind, w.kind(kind)) for kind in kinds if kind],
            "verdict_choices": sorted({record.finding.verdict.value for record in view.records}),
            "ground_words": GROUND_WORDS,
            "outcome_words": OUTCOME_WORDS,
            "panel": _panel(w, view, wanted("cut_off", "")),
            "objections": objections,
            "may_answer": "judge" in person.roles,
            "does_not_prove": [w.said(sentence) for sentence in DOES_NOT_PROVE],
            "numbers": {record.finding.seq: record.deposit_number for record in view.records},
        }

    async def bundle(self, request: Request) -> Response:
        """The evidence bundle, which anybody can verify offline."""
        person = need(request, *READERS)
        bundle = request.path_params["bundle"]
        file = await self._parts.open_bundle(bundle, person.name)
        name = f'attachment; filename="bundle-{bundle}.zip"'
        return StreamingResponse(
            _pieces(file), headers={"Content-Type": "application/zip", "Content-Disposition": name}
        )


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, COPY_BYTES):
            yield piece


def _panel(w: Speaker, view: DossierView, wanted: str) -> dict[str, object]:
    """What the amounts panel shows; a date that is none is passed over for the usual one."""
    usual = default_cut_off(view)
    try:
        cut_off = date.fromisoformat(wanted) if len(wanted) == 10 else usual
    except ValueError:
        cut_off = usual
    found = amounts(view, cut_off)
    return {
        "cut_off": cut_off.isoformat(),
        "cut_off_words": w.date(cut_off.isoformat()),
        "columns": [(column, w.text(COLUMN_NAMES[column])) for column in COLUMNS],
        "rows": [
            (part, w.text(PART_NAMES[part]), [_cell(w, found, found.figure(part, column)) for column in COLUMNS])
            for part in PARTS
        ],
        "figures": [_traced(w, found, figure) for figure in found.figures],
        "remarks": [_said(w, said, found.currency) for said in found.remarks],
        "comparisons": [_compared(w, one, found.currency) for one in compare(view)],
    }


def _cell(w: Speaker, found: Amounts, figure: Figure | None) -> dict[str, object] | None:
    if figure is None:
        return None
    shown = w.text("not computable") if figure.cents is None else money(w, figure.cents, found.currency)
    return {"id": f"amount-{figure.part}-{figure.column}", "shown": shown, "computable": figure.cents is not None}


def _traced(w: Speaker, found: Amounts, figure: Figure) -> dict[str, object]:
    """A figure with its lines, or with why there is none."""
    lines = [
        {
            "text": _sentence(w, line.text, line.facts, found.currency),
            "cents": money(w, line.cents, found.currency),
            "seqs": line.seqs,
        }
        for line in figure.trace
    ]
    return {
        "id": f"amount-{figure.part}-{figure.column}",
        "name": f"{w.text(PART_NAMES[figure.part])}: {w.text(COLUMN_NAMES[figure.column])}",
        "cents": None if figure.cents is None else money(w, figure.cents, found.currency),
        "lines": lines,
        "why_not": [_said(w, said, found.currency) for said in figure.why_not],
    }


def _said(w: Speaker, said: Said, currency: str) -> dict[str, object]:
    return {"text": _sentence(w, said.text, said.facts, currency), "seqs": said.seqs}


def _sentence(w: Speaker, text: str, facts: Sequence[tuple[str, str | int]], currency: str) -> str:
    return w.text(PART_NAMES.get(text, text), **facts_in_words(w, facts, currency))


def _compared(w: Speaker, one: Comparison, currency: str) -> dict[str, object]:
    rows = [
        {
            "part": w.text(PART_NAMES[row.part]),
            "stated": money(w, row.stated, currency),
            "computed": w.text("not computable") if row.computed is None else money(w, row.computed, currency),
            "difference": "" if row.difference is None else money(w, row.difference, currency),
            "agrees": row.difference == 0,
        }
        for row in one.rows
    ]
    return {
        "name": w.kind(one.kind),
        "seq": one.seq,
        "as_of": w.date(one.as_of.isoformat()) if one.as_of else "",
        "rows": rows,
        "why_not": [_said(w, said, currency) for said in one.why_not],
    }
