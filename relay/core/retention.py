"""Retention: how long a record of each kind is kept at least, from which event on, and by which article (docs/spec/erasure.md).

A policy is data: classes with their years, and the class of every kind. What it does not name is never due: empty means no.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from relay.core.canonical import Fields, loads_strict
from relay.core.limits import REASON_CHARS_MAX

FORMAT: Final = "courtrelay-retention/v1"
POLICY_BYTES_MAX: Final = 1024 * 1024
CLASSES_MAX: Final = 64
KINDS_MAX: Final = 1024
YEARS_MAX: Final = 1000
CLOSURE: Final = "closure"
"""The record kind that ends a dossier's relation."""
_WHAT: Final = "retention policy"
_DOMAIN: Final = b"courtrelay/retention/v1"
_LAST_YEAR: Final = 9999


class Start(enum.StrEnum):
    """The event from which the years are counted; never earlier than the record's own event time."""

    RECORD = "record"
    CLOSURE = "closure"
    LAST_RECORD = "last_record"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionClass:
    """`years` None: no end by itself. `jurisdiction`, `source`, `note`: which law, which article, why."""

    name: str
    years: int | None
    start: Start
    jurisdiction: str
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """`digest` is of the file's bytes, so that a tombstone names exactly what was in force."""

    name: str
    digest: bytes
    classes: Mapping[str, RetentionClass]
    kinds: Mapping[str, str]

    def of_kind(self, kind: str) -> RetentionClass | None:
        """None for a kind that the policy does not name."""
        name = self.kinds.get(kind)
        return None if name is None else self.classes[name]


def parse_policy(data: bytes) -> RetentionPolicy:
    """A policy file: strict JSON. Raises only `Malformed`, also for a kind whose class is not defined."""
    fields = Fields(loads_strict(data, what=_WHAT, bytes_max=POLICY_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    name = fields.token("policy")
    inner = fields.nested("classes")
    classes = {one: _class(one, inner.nested(one)) for one in inner.members(count_max=CLASSES_MAX)}
    mapped = fields.nested("kinds")
    kinds = {kind: mapped.token(kind) for kind in mapped.members(count_max=KINDS_MAX)}
    fields.done()
    for kind, one in kinds.items():
        if one not in classes:
            raise mapped.refuse(kind, f"class {one} is not defined under classes")
    return RetentionPolicy(name=name, digest=hashlib.sha256(_DOMAIN + data).digest(), classes=classes, kinds=kinds)


def _class(name: str, fields: Fields) -> RetentionClass:
    made = RetentionClass(
        name=name,
        years=fields.integer("years", high=YEARS_MAX) if fields.has("years") else None,
        start=Start(fields.literal("from", *(start.value for start in Start))),
        jurisdiction=fields.plain("jurisdiction", chars_max=REASON_CHARS_MAX),
        source=fields.plain("source", chars_max=REASON_CHARS_MAX),
        note=fields.plain("note", chars_max=REASON_CHARS_MAX, empty=True),
    )
    fields.done()
    return made


def due_s(policy: RetentionPolicy, kind: str, event_s: int, dossier: Sequence[tuple[str, int]]) -> int | None:
    """When a record may be erased, in seconds since 1970 UTC; None: not by this policy, or the counting has not begun.

    `dossier` is (kind, event time in seconds) of all its records. The years are calendar years: the same day and time of day, 1 March
    for 29 February.
    """
    rule = policy.of_kind(kind)
    if rule is None or rule.years is None:
        return None
    if rule.start is Start.RECORD:
        begins = [event_s]
    elif rule.start is Start.CLOSURE:
        begins = [time_s for name, time_s in dossier if name == CLOSURE]
    else:
        begins = [time_s for _, time_s in dossier]
    if not begins:
        return None
    return _years_later(max(event_s, *begins), rule.years)


def _years_later(seconds: int, years: int) -> int | None:
    moment = datetime.fromtimestamp(seconds, UTC)
    if moment.year + years > _LAST_YEAR:
        return None
    try:
        later = moment.replace(year=moment.year + years)
    except ValueError:  # 29 February
        later = moment.replace(year=moment.year + years, month=3, day=1)
    return int(later.timestamp())
