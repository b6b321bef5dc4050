"""DepositReport: the content of one report as one canonical JSON document (docs/spec/report.md).

Made from a view of a verified dossier and from facts of its issue, by nothing else: the same inputs give the same bytes. What is not
known is said as not known: its member is empty and named in the block's `not_known`. Identities are masked. The court's seal key signs
the document, so that it verifies alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from relay.core import report_blocks as blocks
from relay.core.canonical import dumps, loads
from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.jose import Jws, parse_jws, sign_jws
from relay.core.limits import JWS_BYTES_MAX
from relay.core.report_inputs import BundleFacts, Issuer, ReportOrder
from relay.core.report_number import check_code, parse_report_number
from relay.core.report_profile import BLOCKS, NEVER_LEFT_OUT, REPORT_LANGUAGES, ReportProfile
from relay.core.report_shapes import SHAPES, check_not_known, not_known, read_shape
from relay.core.view import DossierView

FORMAT: Final = "courtrelay-report/v1"
SEAL_TYP: Final = "courtrelay-report+jwt"
REPORT_BYTES_MAX: Final = 64 * 1024 * 1024
_WHAT: Final = "report"
_DOMAIN: Final = b"courtrelay/report/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A parsed report. `blocks` has each block's members as the document writes them; `seal` is empty on a draft."""

    language: str
    profile: str
    profile_version: int
    preface: str
    closing: str
    order: tuple[str, ...]
    """The letters of its blocks as they are printed."""
    left_out: tuple[str, ...]
    blocks: Mapping[str, Mapping[str, Any]]
    seal: str
    content: bytes
    """The canonical bytes of the document without its seal."""

    @property
    def digest(self) -> str:
        """SHA-256 in hex that the seal covers, and that the printed report names."""
        return content_digest(self.content)

    @property
    def number(self) -> str:
        """Empty on a draft, and on a report that was sealed outside a register."""
        return str(self.blocks["A"]["number"])

    @property
    def issued_ms(self) -> int:
        """By the issuer's clock."""
        return int(self.blocks["A"]["issued_ms"])


def content_digest(content: bytes) -> str:
    """SHA-256 over the domain and the document without its seal, in hex."""
    return hashlib.sha256(_DOMAIN + content).hexdigest()


def make_report(
    view: DossierView, bundle: BundleFacts, issuer: Issuer, order: ReportOrder, profile: ReportProfile
) -> bytes:
    """The document without a seal, canonical. Raises `Malformed` for a view of a bundle that could not be read."""
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "A": lambda: blocks.report_block(issuer, order, profile),
        "B": lambda: blocks.applicant(view, order),
        "C": lambda: blocks.subject(view),
        "D": lambda: blocks.items(view),
        "E": lambda: blocks.anchoring(view),
        "F": lambda: blocks.times(view),
        "G": lambda: blocks.signatures(view),
        "H": lambda: blocks.provenance(view),
        "I": lambda: blocks.platform(view),
        "J": lambda: blocks.verification(view, order),
        "K": lambda: blocks.completeness(view),
        "L": lambda: blocks.how_to_check(view, bundle, order),
    }
    made = {letter: makers[letter]() for letter in profile.blocks}
    for letter, block in made.items():
        block["not_known"] = not_known(block, SHAPES[letter])
    document = {
        "format": FORMAT,
        "language": order.language,
        "profile": profile.name,
        "profile_version": profile.version,
        "preface": profile.preface.get(order.language, ""),
        "closing": profile.closing.get(order.language, ""),
        "order": list(profile.blocks),
        "left_out": list(profile.left_out),
        "blocks": made,
    }
    content = dumps(document)
    parse_report(content)
    return content


def seal_report(content: bytes, *, public_key: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The document with the court's signature over its digest. Raises `Malformed` when it is no report, or is sealed."""
    report = parse_report(content)
    if report.seal:
        raise Malformed(_WHAT, "seal", "is there already")
    head = report.blocks["A"]
    claims = {
        "iss": head["issuer"],
        "number": head["number"],
        "sha256": report.digest,
        "certificate": head["certificate"]["sha256"],
        "iat": report.issued_ms // 1000,
    }
    token = sign_jws(SEAL_TYP, claims, public_key=public_key, sign=sign)
    return dumps({**loads(content, what=_WHAT, bytes_max=REPORT_BYTES_MAX), "seal": token})


def parse_seal(report: Report) -> Jws:
    """The seal, when its claims are those of the report; its signature is not checked yet. Raises `Malformed`."""
    jws = parse_jws(report.seal, what="report seal", typ=SEAL_TYP, bytes_max=JWS_BYTES_MAX)
    fields = Fields(jws.payload, what="report seal")
    head = report.blocks["A"]
    expected: Mapping[str, object] = {
        "iss": head["issuer"],
        "number": head["number"],
        "sha256": report.digest,
        "certificate": head["certificate"]["sha256"],
        "iat": report.issued_ms // 1000,
    }
    for name, value in expected.items():
        if fields.value(name) != value:
            raise fields.refuse(name, "is not that of the report it stands in")
    fields.done()
    return jws


def parse_report(data: bytes) -> Report:
    """Raises only `Malformed`: another spelling, an unknown member, a block that is wrong or may not be missing."""
    value = loads(data, what=_WHAT, bytes_max=REPORT_BYTES_MAX)
    fields = Fields(value, what=_WHAT)
    fields.literal("format", FORMAT)
    seal = fields.string("seal", chars_max=JWS_BYTES_MAX) if fields.has("seal") else ""
    order, left_out = _letters(fields, "order"), _letters(fields, "left_out", empty=True)
    if sorted(order + left_out) != sorted(BLOCKS) or not NEVER_LEFT_OUT.issubset(order):
        raise fields.refuse(
            "order", "with left_out must name every block once, and may not leave out what must be there"
        )
    inner = fields.nested("blocks")
    read = {letter: read_shape(inner.nested(letter), SHAPES[letter]) for letter in sorted(order)}
    inner.done()
    report = Report(
        language=fields.literal("language", *REPORT_LANGUAGES),
        profile=fields.token("profile"),
        profile_version=fields.integer("profile_version", low=1),
        preface=fields.plain("preface", empty=True),
        closing=fields.plain("closing", empty=True),
        order=order,
        left_out=left_out,
        blocks=read,
        seal=seal,
        content=dumps({name: member for name, member in value.items() if name != "seal"}) if seal else data,
    )
    fields.done()
    for letter in order:
        check_not_known(read[letter], SHAPES[letter], what=_WHAT, path=f"blocks.{letter}")
    _check_head(report)
    return report


def _letters(fields: Fields, name: str, *, empty: bool = False) -> tuple[str, ...]:
    found = fields.array(name, count_max=len(BLOCKS), empty=empty)
    letters = tuple(letter for letter in found if isinstance(letter, str) and letter in BLOCKS)
    if len(letters) != len(found):
        raise fields.refuse(name, f"must hold letters of {BLOCKS[0]} to {BLOCKS[-1]}")
    return letters


def _check_head(report: Report) -> None:
    head = report.blocks["A"]
    if not head["number"]:
        if head["code"] or head["url"]:
            raise Malformed(_WHAT, "blocks.A.number", "is missing, though there is a retrieval code or an address")
        return
    parse_report_number(head["number"])
    if head["code"]:
        check_code(head["code"])
    if not head["url"].endswith(f"/r/{head['code']}"):
        raise Malformed(_WHAT, "blocks.A.url", "must end with the retrieval code")
