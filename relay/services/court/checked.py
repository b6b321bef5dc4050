"""Checked: the result of one check on the court's pages, whatever was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.verdict import DOES_NOT_PROVE, Finding, RecordFinding, Result, Step
from relay.services.court.ledger_now import CheckStep
from relay.services.court.said import Text
from relay.words import Words

Checkable = Literal["bundle", "entry", "digest", "report"]
FactForm = Literal["text", "code", "time", "bytes"]
OF_AN_ENTRY: Final[tuple[Words, ...]] = (
    "This result shows that an entry stands at this place of the log. It shows neither what was recorded nor which document it is of.",
    DOES_NOT_PROVE[2],
)
OF_NO_ENTRY: Final[tuple[Words, ...]] = (
    "This result does not show that nothing was ever recorded: the number may be of another court, or its entry may still be on its way.",
    DOES_NOT_PROVE[2],
)
OF_A_DIGEST: Final[tuple[Words, ...]] = (
    "This result shows that the file is, byte for byte, the one that the record names. It does not prove that its content is true.",
    DOES_NOT_PROVE[2],
)
_WORST_FIRST: Final = (
    Finding.INCONSISTENT,
    Finding.NOT_FOUND,
    Finding.ORPHANED,
    Finding.UNVERIFIABLE,
    Finding.PENDING_FINALITY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of what was found. `value`: ms for a time, a number of bytes for bytes."""

    label: Text
    value: object
    form: FactForm = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`steps` ran on what was shown; `own` are steps of the court itself; `live` asked the court's ledger.

    `offline` is what the steps alone give: what anybody finds who repeats them without this court; None where there are none.
    """

    kind: Checkable
    verdict: Finding
    offline: Finding | None = None
    words: Text
    steps: tuple[Step, ...] = ()
    own: tuple[CheckStep, ...] = ()
    live: tuple[CheckStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    records: tuple[RecordFinding, ...] = ()
    trust_version: int
    trust_stale: str
    at_ms: int
    does_not_prove: tuple[str, ...] = DOES_NOT_PROVE


def together(offline: Finding, live: Sequence[CheckStep]) -> Finding:
    """The verdict of steps and ledger: what contradicts counts most, and what could not be asked is never green, nor "not found"."""
    if offline is Finding.NOT_FOUND and any(step.result is Result.NOT_RUN for step in live):
        return Finding.UNVERIFIABLE
    found = [offline]
    found += [Finding.INCONSISTENT for step in live if step.result is Result.FAILED]
    found += [Finding.UNVERIFIABLE for step in live if step.result is Result.NOT_RUN]
    return next((finding for finding in _WORST_FIRST if finding in found), offline)
