"""PlatformStatement: who runs a ledger and how, in versions, signed (Online Litigation Rules art. 17; docs/spec/statement.md).

A court weighs a chain's evidence by the platform behind it: its relation to the parties, its filings, its security, its technology. Each
heading is always there; what is not stated is empty, and shown as empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from relay.core.canonical import Fields, loads_strict
from relay.core.errors import Malformed
from relay.core.fields import check_plain
from relay.core.jose import Jws, parse_jws, sign_jws
from relay.core.limits import (
    JWS_BYTES_MAX,
    STATEMENT_LINE_CHARS_MAX,
    STATEMENT_LINES_MAX,
    STATEMENT_NODES_MAX,
    TEXT_CHARS_MAX,
)
from relay.core.times import format_utc

TYP: Final = "courtrelay-platform+jwt"
_WHAT: Final = "platform statement"
_DOMAIN: Final = b"courtrelay/platform/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformNode:
    """A node of the ledger and who runs it."""

    name: str
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSoftware:
    """A program that the nodes run, and its version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFacts:
    """What is stated. Every text and every list may be empty."""

    operator: str
    relation: str
    """To the parties of disputes: whether the operator has an interest in them."""
    filings: tuple[str, ...]
    """Filings and licences."""
    certificates: tuple[str, ...]
    protection_level: str
    """Of the graded protection of information systems."""
    cryptography: str
    """Assessment of the use of cryptography."""
    nodes: tuple[PlatformNode, ...]
    algorithms: tuple[str, ...]
    software: tuple[PlatformSoftware, ...]
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDraft:
    """A statement before it is signed. `previous`: digest of the version before, empty for version 1; `valid_from`: seconds."""

    iss: str
    ledger: str
    version: int
    previous: str
    valid_from: int
    facts: PlatformFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStatement:
    """A parsed statement, its signature not yet checked. `iat`: seconds since 1970 UTC."""

    jws: Jws
    draft: StatementDraft
    iat: int

    @property
    def digest(self) -> bytes:
        """32 bytes that name it in the next version and in custody events."""
        return statement_digest(self.jws.token)


def statement_digest(token: str) -> bytes:
    """SHA-256 over the domain and the compact JWS."""
    return hashlib.sha256(_DOMAIN + token.encode("ascii")).digest()


def read_template(data: bytes, what: str) -> StatementDraft:
    """A statement as people write it: strict JSON, `valid_from` as text. Raises `Malformed`."""
    fields = Fields(loads_strict(data, what=what, bytes_max=JWS_BYTES_MAX), what=what)
    draft = _read(fields, fields.utc("valid_from"))
    fields.done()
    return draft


def make_statement(draft: StatementDraft, *, iat: int, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Sign with the platform's key. Raises `Malformed` for what no reader would take."""
    token = sign_jws(TYP, {**_claims(draft), "valid_from": draft.valid_from, "iat": iat}, public_key, sign)
    parse_statement(token)
    return token


def parse_statement(token: str | bytes) -> PlatformStatement:
    """Raises only `Malformed`; proves nothing."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=JWS_BYTES_MAX)
    fields = jws.fields()
    statement = PlatformStatement(jws=jws, draft=_read(fields, fields.time_s("valid_from")), iat=fields.time_s("iat"))
    fields.done()
    return statement


def _read(fields: Fields, valid_from: int) -> StatementDraft:
    version = fields.integer("version", low=1)
    if fields.has("previous") is (version == 1):
        raise fields.refuse("previous", "must be there in every version but the first, and only there")
    return StatementDraft(
        iss=fields.party("iss"),
        ledger=fields.identifier("ledger"),
        version=version,
        previous=fields.digest("previous") if version > 1 else "",
        valid_from=valid_from,
        facts=PlatformFacts(
            operator=_line(fields, "operator"),
            relation=fields.plain("relation", chars_max=TEXT_CHARS_MAX, empty=True),
            filings=_lines(fields, "filings"),
            certificates=_lines(fields, "certificates"),
            protection_level=_line(fields, "protection_level"),
            cryptography=_line(fields, "cryptography"),
            nodes=tuple(_node(f) for f in fields.objects("nodes", count_max=STATEMENT_NODES_MAX, empty=True)),
            algorithms=_lines(fields, "algorithms"),
            software=tuple(_software(f) for f in fields.objects("software", count_max=STATEMENT_LINES_MAX, empty=True)),
            contact=_line(fields, "contact"),
        ),
    )


def _line(fields: Fields, name: str) -> str:
    return fields.plain(name, chars_max=STATEMENT_LINE_CHARS_MAX, empty=True)


def _lines(fields: Fields, name: str) -> tuple[str, ...]:
    lines = []
    for i, value in enumerate(fields.array(name, count_max=STATEMENT_LINES_MAX, empty=True)):
        place = f"{name}[{i}]"
        if not isinstance(value, str):
            raise fields.refuse(place, "must be a string")
        lines.append(check_plain(value, fields.what, fields.at(place), chars_max=STATEMENT_LINE_CHARS_MAX))
    return tuple(lines)


def _node(fields: Fields) -> PlatformNode:
    node = PlatformNode(name=_line(fields, "name"), operator=_line(fields, "operator"))
    fields.done()
    return node


def _software(fields: Fields) -> PlatformSoftware:
    software = PlatformSoftware(name=_line(fields, "name"), version=_line(fields, "version"))
    fields.done()
    return software


def _claims(draft: StatementDraft) -> dict[str, object]:
    facts = draft.facts
    claims: dict[str, object] = {
        "iss": draft.iss,
        "ledger": draft.ledger,
        "version": draft.version,
        "operator": facts.operator,
        "relation": facts.relation,
        "filings": list(facts.filings),
        "certificates": list(facts.certificates),
        "protection_level": facts.protection_level,
        "cryptography": facts.cryptography,
        "nodes": [{"name": node.name, "operator": node.operator} for node in facts.nodes],
        "algorithms": list(facts.algorithms),
        "software": [{"name": one.name, "version": one.version} for one in facts.software],
        "contact": facts.contact,
    }
    if draft.previous:
        claims["previous"] = draft.previous
    return claims


def shown(statement: PlatformStatement) -> dict[str, object]:
    """The statement as JSON for people: the template's members, times as text, and its digest."""
    return {
        **_claims(statement.draft),
        "valid_from": format_utc(statement.draft.valid_from),
        "signed_at": format_utc(statement.iat),
        "digest": statement.digest.hex(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStatement:
    """A statement that holds, and the block's time at which its digest stood on the court's ledger."""

    statement: PlatformStatement
    published_ms: int

    def covers(self, at_ms: int) -> bool:
        """Whether it says that it is valid at that time."""
        return self.statement.draft.valid_from * 1000 <= at_ms


def valid_at(published: Iterable[PublishedStatement], at_ms: int) -> tuple[PublishedStatement, bool] | None:
    """The version of one ledger's statements that was valid at a time, and whether it was stated only later.

    What had been published by then counts first, the highest version of it: who states something later cannot push aside what was
    stated before. If nothing had been, the first version that claims to cover the time is shown, as stated later.
    """
    covering = sorted((p for p in published if p.covers(at_ms)), key=lambda p: p.statement.draft.version)
    in_time = [p for p in covering if p.published_ms <= at_ms]
    if in_time:
        return in_time[-1], False
    return (covering[0], True) if covering else None


def check_succession(statements: Sequence[PlatformStatement]) -> None:
    """Versions of one ledger, ascending: each number once, each next to its neighbour names its digest. Raises `Malformed`."""
    for earlier, later in pairwise(statements):
        place = f"version {later.draft.version} of {later.draft.ledger}"
        if later.draft.version == earlier.draft.version:
            raise Malformed(_WHAT, place, "stands twice")
        if later.draft.valid_from < earlier.draft.valid_from:
            raise Malformed(_WHAT, place, "is valid from an earlier time than the version before it")
        if later.draft.version == earlier.draft.version + 1 and later.draft.previous != earlier.digest.hex():
            raise Malformed(_WHAT, place, "names another statement as the version before it")
