"""The form of each block of a deposit report, as data: one reader for a member, an object for an object, a list for rows.

Writing and reading share these tables. `not_known` is derived: members that are empty texts, times of 0 and lists without rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.limits import BUNDLE_ANCHORS_MAX, RECORDS_PER_DOSSIER_MAX, TEXT_CHARS_MAX
from relay.core.verdict import Finding, Result

Reader = Callable[[Fields, str], Any]
Shape = Mapping[str, Any]
"""Name of a member to its `Reader`, the `Shape` of an object, or a list of one `Shape` for rows."""
ROWS_MAX: Final = RECORDS_PER_DOSSIER_MAX + BUNDLE_ANCHORS_MAX
_LISTED_MAX: Final = 1024
_NONE_IS_KNOWN: Final = frozenset(("closed", "counts", "kinds", "not_shown", "profile", "supersedes"))
"""Members whose emptiness says something: there is none."""


def _text(fields: Fields, name: str) -> str:
    return fields.string(name, chars_max=4 * TEXT_CHARS_MAX)


def _count(fields: Fields, name: str) -> int:
    return fields.integer(name)


def _place(fields: Fields, name: str) -> int:
    return fields.integer(name, low=-1)


def _lag(fields: Fields, name: str) -> int:
    return fields.integer(name, low=-(2**53 - 1))


def _hash(fields: Fields, name: str) -> str:
    return fields.string(name) and fields.digest(name)


def _finding(fields: Fields, name: str) -> str:
    return fields.literal(name, *(finding.value for finding in Finding))


def _result(fields: Fields, name: str) -> str:
    return fields.literal(name, *(result.value for result in Result))


def _texts(fields: Fields, name: str) -> list[str]:
    values = fields.array(name, count_max=_LISTED_MAX, empty=True)
    if not all(isinstance(value, str) and len(value) <= TEXT_CHARS_MAX for value in values):
        raise fields.refuse(name, "must hold texts")
    return [str(value) for value in values]


def _places(fields: Fields, name: str) -> list[int]:
    values = fields.array(name, count_max=ROWS_MAX, empty=True)
    if not all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value < ROWS_MAX for value in values):
        raise fields.refuse(name, "must hold numbers of records")
    return [int(str(value)) for value in values]


def _counts(fields: Fields, name: str) -> dict[str, int]:
    inner = fields.nested(name)
    made = {finding.value: inner.integer(finding.value) for finding in Finding}
    inner.done()
    return made


CERTIFICATE: Final[Shape] = {
    "subject": _text, "issuer": _text, "serial": _text, "sha256": _hash, "not_before_ms": _count, "not_after_ms": _count,
}  # fmt: skip
HEAD: Final[Shape] = {"origin": _text, "size": _count, "root": _hash}
FACT: Final[Shape] = {
    "ledger": _text, "proof": _text, "height": _count, "block": _text, "tx": _text, "time_ms": _count,
}  # fmt: skip
SPAN: Final[Shape] = {"first_ms": _count, "last_ms": _count}
FILE: Final[Shape] = {
    "name": _text, "media_type": _text, "size": _count, "sha256": _hash, "sm3": _hash, "in_bundle": _text,
}  # fmt: skip
ITEM: Final[Shape] = {
    "seq": _count, "deposit_number": _text, "stage": _text, "kind": _text, "kind_version": _count, "status": _text,
    "verdict": _finding, "failed_step": _count, "reason": _text, "late": _text, "marks": _texts, "log_index": _place,
    "checkpoint": _place, "event_ms": _count, "recorded_ms": _count, "anchored_ms": _count, "accepted_ms": _count, "lag_ms": _lag,
    "source_system": _text, "evidence_source": _text, "evidence_kind": _text, "deposit_kind": _text, "confidentiality": _text,
    "supersedes": _place, "files": [FILE], "withheld_members": _texts, "withheld_files": _texts,
}  # fmt: skip
SHAPES: Final[Mapping[str, Shape]] = {
    "A": {
        "number": _text, "issued_ms": _count, "issuer": _text, "issuer_name": _text, "licence": _text, "template": _text,
        "code": _text, "url": _text, "supersedes": _text, "certificate": CERTIFICATE,
    },
    "B": {
        "lender": _text, "lender_name": _text, "credit_code": _text, "requested_by": _text, "case": _text, "dossier": _text,
        "grant": _hash, "mode": _text, "purpose": _text, "purpose_class": _text, "profile": _text, "kinds": _texts,
        "valid_from_ms": _count, "valid_to_ms": _count, "registered_ms": _count,
    },
    "C": {
        "persons": [{"seq": _count, "kind": _text, "name": _text, "id_type": _text, "id_number": _text}],
        "checks": [{
            "seq": _count, "method": _text, "provider": _text, "result": _text, "checked": _text, "id_number": _text,
        }],
    },
    "D": {"items": [ITEM]},
    "E": {
        "origin": _text,
        "checkpoints": [{
            "number": _count, "size": _count, "root": _hash, "lender": FACT, "court": FACT, "lag_ms": _lag,
        }],
    },
    "F": {
        "event": SPAN, "timestamp": SPAN, "lender_ledger": SPAN, "court_ledger": SPAN,
        "tokens": [{"checkpoint": _count, "authority": _text, "time_ms": _count, "serial": _text}], "clock_source": _text,
    },
    "G": {
        "seals": [{"what": _text, "signer": _text, "at_ms": _count, "step": _count, "result": _result, "detail": _text}],
        "signatures": [{
            "seq": _count, "document": _text, "document_sha256": _text, "signer": _text, "certificate_serial": _text,
            "certificate_authority": _text, "signed_at": _text, "intent_evidence": _text, "revocation": _text,
        }],
    },
    "H": {
        "records": [{
            "seq": _count, "source": _text, "generation": _text, "storage": _text, "notarisation": _text, "witnesses": _text,
            "corroboration": _text,
        }],
        "not_shown": _places,
    },
    "I": {
        "statements": [{
            "ledger": _text, "party": _text, "version": _count, "digest": _hash, "valid_from_ms": _count, "published_ms": _count,
            "stated_later": _text, "operator": _text, "relation": _text, "filings": _texts, "certificates": _texts,
            "protection_level": _text, "cryptography": _text, "nodes": _texts, "algorithms": _texts, "software": _texts,
            "contact": _text,
        }],
    },
    "J": {
        "tool": _text, "version": _text, "checked_ms": _count, "trust_version": _count, "verdict": _finding, "summary": _text,
        "proof_kinds": _texts, "counts": _counts, "does_not_prove": _texts,
        "steps": [{"number": _count, "name": _text, "result": _result, "detail": _text}],
    },
    "K": {
        "first_seq": _place, "last_seq": _place, "count": _count, "disclosed": _count, "withheld": _count, "erased": _count,
        "missing": _count, "head": HEAD, "finding": _text,
        "closed": [{
            "seq": _count, "kind": _text, "event_ms": _count, "status": _text, "reason": _text, "deposit_number": _text,
        }],
    },
    "L": {"command": _text, "bundle_sha256": _hash, "bundle_bytes": _count, "head": HEAD, "formats": _texts, "url": _text},
}  # fmt: skip


def read_shape(fields: Fields, shape: Shape) -> dict[str, Any]:
    """One object, strictly. A block's `not_known` is read along where it is there. Raises `Malformed`."""
    made: dict[str, Any] = {}
    for name, form in shape.items():
        if isinstance(form, list):
            made[name] = [read_shape(row, form[0]) for row in fields.objects(name, count_max=ROWS_MAX, empty=True)]
        elif isinstance(form, Mapping):
            made[name] = read_shape(fields.nested(name), form)
        else:
            made[name] = form(fields, name)
    if fields.has("not_known"):
        made["not_known"] = _texts(fields, "not_known")
    fields.done()
    return made


def not_known(block: Mapping[str, Any], shape: Shape) -> list[str]:
    """Names of a block's members that say nothing, sorted; an object is named when all of its members do."""
    return sorted(name for name in shape if _says_nothing(name, block[name]))


def check_not_known(block: Mapping[str, Any], shape: Shape, *, what: str, path: str) -> None:
    """Raises `Malformed` when the list is not what the members say."""
    if block.get("not_known") != not_known(block, shape):
        raise Malformed(what, f"{path}.not_known", "must name the members that are empty, and no other")


def _says_nothing(name: str, value: object) -> bool:
    if name in _NONE_IS_KNOWN:
        return False
    if isinstance(value, Mapping):
        return all(_says_nothing(n, v) for n, v in value.items())
    if name == "size" or name.endswith("_ms"):
        return value in (0, "")
    return value in ("", [])
