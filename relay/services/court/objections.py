"""Objections to records of a dossier, by ground (Online Litigation Rules arts. 17 and 18), and the court's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from relay.core.errors import Malformed, NotFound
from relay.core.fields import DOSSIER, check_plain
from relay.core.limits import CASE_CHARS_MAX, OBJECTION_CHARS_MAX, OBJECTION_SEQS_MAX, RECORDS_PER_DOSSIER_MAX
from relay.ports.cases import Ground, Objection, ObjectionBook, Outcome
from relay.ports.common import Clock, RandomBytes
from relay.services.court.custody import CustodyKeeper

ID_BYTES: Final = 16
PER_DOSSIER_MAX: Final = 200
"""More objections than a court hears about one loan: what comes beyond is refused, so that nobody can fill the page."""
_WHAT: Final = "objection"


class Objections:
    """Serves the parties' and the court's pages. Who may object to what is the caller's to check."""

    def __init__(self, *, book: ObjectionBook, custody: CustodyKeeper, clock: Clock, random_bytes: RandomBytes) -> None:
        self._book = book
        self._custody = custody
        self._clock = clock
        self._random = random_bytes

    async def raise_(self, dossier: str, case: str, seqs: Sequence[int], ground: Ground, text: str, by: str) -> str:
        """Keep an objection to these records (none: to the dossier); returns its id. Raises `Malformed`.

        An objection has reasons (arts. 17, 18: "with reasons"), so that an empty text is refused.
        """
        listed = tuple(sorted(set(seqs)))
        if len(listed) > OBJECTION_SEQS_MAX or any(not 0 <= seq < RECORDS_PER_DOSSIER_MAX for seq in listed):
            raise Malformed(_WHAT, "seqs", f"at most {OBJECTION_SEQS_MAX} records, each by its number")
        check_plain(case, _WHAT, "case", chars_max=CASE_CHARS_MAX)
        if not DOSSIER.fullmatch(dossier):
            raise Malformed(_WHAT, "dossier", "must be 32 lower-case hex digits")
        said = _lines(text, "text")
        if len(await self._book.objections(case, dossier)) >= PER_DOSSIER_MAX:
            raise Malformed(_WHAT, "", f"there are {PER_DOSSIER_MAX} to this dossier already; write to the court")
        made = Objection(
            id=self._random(ID_BYTES).hex(),
            case=case,
            dossier=dossier,
            seqs=listed,
            ground=ground,
            text=said,
            by=by,
            raised_ms=self._clock.now_ms(),
            outcome="",
            answer="",
            answered_by="",
            answered_ms=0,
        )
        await self._custody.note("object", _subject(made), "raised", f"ground {ground}", actor=by)
        await self._book.add_objection(made)
        return made.id

    async def of(self, case: str, dossier: str) -> tuple[Objection, ...]:
        """All to a dossier, oldest first."""
        return await self._book.objections(case, dossier)

    async def answer(self, objection_id: str, text: str, outcome: Outcome, by: str) -> Objection:
        """The court's answer, once. Raises `NotFound`, `Malformed`, `Conflict`."""
        asked = await self._book.objection(objection_id)
        answered = replace(
            asked, outcome=outcome, answer=_lines(text, "answer"), answered_by=by, answered_ms=self._clock.now_ms()
        )
        await self._custody.note("answer", _subject(asked), outcome, "", actor=by)
        await self._book.answer_objection(answered)
        return answered

    async def one(self, objection_id: str) -> Objection:
        """Raises `NotFound`."""
        if len(objection_id) != 2 * ID_BYTES:
            raise NotFound("no such objection")
        return await self._book.objection(objection_id)


def _lines(text: str, field: str) -> str:
    """Text of several lines, each as `check_plain` wants it; spaces at line ends and empty lines at both ends are dropped."""
    if len(text) > OBJECTION_CHARS_MAX:
        raise Malformed(_WHAT, field, f"{len(text)} characters; at most {OBJECTION_CHARS_MAX}")
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    joined = "\n".join(check_plain(line, _WHAT, field, chars_max=OBJECTION_CHARS_MAX, empty=True) for line in lines)
    if not joined.strip():
        raise Malformed(_WHAT, field, "must not be empty: say why")
    return joined.strip()


def _subject(objection: Objection) -> dict[str, str]:
    return {"objection": objection.id, "dossier": objection.dossier}
