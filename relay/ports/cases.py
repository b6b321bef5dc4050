"""What the court's office remembers of cases, jobs and objections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

CaseState = Literal["waiting", "partly", "retrieved"]
"""Of a case's dossiers none, some, or all have been retrieved."""
CASE_STATES: Final[tuple[CaseState, ...]] = get_args(CaseState)
JobKind = Literal["retrieve", "again"]
JobPhase = Literal["begun", "done", "failed"]
Ground = Literal["platform", "before_anchoring", "other"]
"""Online Litigation Rules art. 17, art. 18, or another."""
GROUNDS: Final[tuple[Ground, ...]] = get_args(Ground)
Outcome = Literal["sustained", "overruled", "noted"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRow:
    """A grant that was taken in. `digest` in hex; `added_by` is a person's identity."""

    digest: str
    token: bytes = field(repr=False)
    case: str
    issuer: str
    mode: str
    purpose: str
    dossiers: tuple[str, ...]
    not_before_s: int
    expires_s: int
    added_ms: int
    added_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One line of the list. `worst`: the worst verdict among its dossiers' newest bundles, empty when there is none."""

    case: str
    grants: int
    dossiers: int
    retrieved: int
    worst: str
    changed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseQuery:
    """What to list: `search` is part of a case number or the beginning of a dossier's id; the others empty for all."""

    search: str = ""
    verdict: str = ""
    state: CaseState | Literal[""] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """Cases, newest change first; `after` is where the next page begins, empty at the end."""

    rows: tuple[CaseRow, ...]
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierRow:
    """A dossier under a grant, with its newest bundle (empty before there is one) and the job that is under way (empty for none)."""

    case: str
    dossier: str
    grant: str
    bundle_id: str
    verdict: str
    trust_version: int
    made_at_s: int
    checked_ms: int
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """A grant and its dossiers, by id."""

    grant: GrantRow
    dossiers: tuple[DossierRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """One case: grants, newest first."""

    case: str
    grants: tuple[GrantFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptView:
    """A bundle's view as it was made. `document`: see relay.core.view_json; `checked_ms`: when the bundle was last verified."""

    bundle_id: str
    case: str
    dossier: str
    grant: str
    verdict: str
    trust_version: int
    made_at_s: int
    checked_ms: int
    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A retrieval or another verification that somebody has begun. `problem` in words, empty unless it failed."""

    id: str
    kind: JobKind
    phase: JobPhase
    case: str
    dossier: str
    grant: str
    officer: str
    purpose: str
    by: str
    bundle_id: str
    problem: str
    begun_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What a party says against records, and the court's answer (members empty or 0 while there is none)."""

    id: str
    case: str
    dossier: str
    seqs: tuple[int, ...]
    ground: Ground
    text: str
    by: str
    raised_ms: int
    outcome: Outcome | Literal[""]
    answer: str
    answered_by: str
    answered_ms: int


class CaseBook(Protocol):
    """Cases, grants and views. Every write returns only after its transaction is durable."""

    async def add_grant(self, grant: GrantRow) -> None:
        """The first one under a digest stays; it makes its case."""

    async def grant(self, digest: str) -> GrantRow:
        """Raises `NotFound`."""

    async def cases(self, query: CaseQuery, after: str, count: int) -> CasePage:
        """At most `count` cases after a page's end. Raises `Malformed` for an `after` that no page gave."""

    async def case(self, case: str) -> CaseFacts:
        """Raises `NotFound`."""

    async def dossiers(self, query: CaseQuery, after: tuple[str, str, str], count: int) -> Sequence[DossierRow]:
        """Dossiers of the cases that the query names, by case, dossier and grant, after that key: for exports."""

    async def keep_view(self, view: KeptView) -> None:
        """Keep or replace a bundle's view; its case's line follows in the same transaction."""

    async def view(self, bundle_id: str) -> KeptView:
        """Raises `NotFound`."""

    async def view_head(self, bundle_id: str) -> KeptView:
        """The same without the document, which is empty. Raises `NotFound`."""


class JobBook(Protocol):
    """Jobs, kept for good."""

    async def begin_job(self, job: JobRow) -> JobRow:
        """Store it; when the same is under way already (kind, grant, dossier, officer, purpose, bundle), that one is returned."""

    async def job(self, job_id: str) -> JobRow:
        """Raises `NotFound`."""

    async def end_job(self, job_id: str, phase: JobPhase, bundle_id: str, problem: str, ended_ms: int) -> None:
        """How it ended; the first end stays."""

    async def begun_jobs(self) -> Sequence[JobRow]:
        """Those that have not ended, oldest first."""


class ObjectionBook(Protocol):
    """Objections, kept for good."""

    async def add_objection(self, objection: Objection) -> None:
        """Store it."""

    async def objections(self, case: str, dossier: str) -> tuple[Objection, ...]:
        """Oldest first; none for a dossier without any."""

    async def objection(self, objection_id: str) -> Objection:
        """Raises `NotFound`."""

    async def answer_objection(self, answered: Objection) -> None:
        """Outcome, answer, by whom and when. Raises `Conflict` when there is an answer."""
