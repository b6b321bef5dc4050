"""Record kinds: what the rest of the system needs to know of a kind, apart from its schema (docs/spec/record-kinds.md)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stage(enum.Enum):
    """Stages of a loan's life, in their order."""

    APPLY = "apply"
    DECIDE = "decide"
    CONTRACT = "contract"
    DISBURSE = "disburse"
    SERVICE = "service"
    COLLECT = "collect"
    LETTER = "letter"
    MEDIATE = "mediate"
    NOTARY = "notary"
    FILE = "file"
    TRY = "try"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindInfo:
    """`personal` names the members of `fields` that are salted and disclosed one by one."""

    name: str
    version: int
    stage: str
    confidentiality: str
    retention: str
    lender_unfavourable: bool
    personal: frozenset[str]
    schema_sha256: bytes
