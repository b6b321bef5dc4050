"""A batch's manifest: thousands of cases, one a row, as CSV (RFC 4180) or JSON Lines; docs/spec/batch.md.

Read line by line. What is wrong with one row is told with that row's number and field and takes no other row with it; what is wrong
with the file itself (no header, a byte order mark) is `Malformed` for the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.canonical import dumps, loads_strict
from relay.core.errors import Malformed
from relay.core.fields import TOKEN, check_plain
from relay.core.grants import EVERY_ORDINARY_KIND
from relay.core.identity import Role, parse_identity
from relay.core.limits import (
    BATCH_LINE_BYTES_MAX,
    BATCH_ROWS_MAX,
    CASE_CHARS_MAX,
    GRANT_KINDS_MAX,
    OFFICER_CHARS_MAX,
    PURPOSE_CHARS_MAX,
)
from relay.core.times import parse_utc

ManifestForm = Literal["csv", "jsonl"]
REFERENCE_CHARS_MAX: Final = 128
COLUMNS: Final = ("case", "dossier", "court", "profile", "kinds", "purpose", "officer", "expires")
DEFAULT_PROFILE: Final = "filing"
REQUIRED: Final = ("case", "dossier")
_WHAT: Final = "manifest"
_BOM: Final = b"\xef\xbb\xbf"
_ROW_DOMAIN: Final = b"courtrelay/batch-row/v1"
_REQUEST_DOMAIN: Final = b"courtrelay/batch-request/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One case. `number` counts rows from 1, the header not; `court` may be empty (the desk's own), `expires_s` 0 (the batch's).

    Either `profile` or `kinds` is empty.
    """

    number: int
    line: int
    case: str
    dossier: str
    court: str
    profile: str
    kinds: tuple[str, ...]
    purpose: str
    officer: str
    expires_s: int

    @property
    def digest(self) -> bytes:
        """32 bytes over everything the row asks for, its place in the file not."""
        values = [
            self.case, self.dossier, self.court, self.profile, list(self.kinds), self.purpose, self.officer,
            self.expires_s,
        ]  # fmt: skip
        return hashlib.sha256(_ROW_DOMAIN + dumps(values)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be done: which, where, and why. `case` and `dossier` as far as they could be read."""

    number: int
    line: int
    field: str
    reason: str
    case: str = ""
    dossier: str = ""


def request_id(batch: bytes, row: BatchRow) -> bytes:
    """32 bytes that name this row's requests at both desks: the same for every run of the batch, another for any other."""
    return hashlib.sha256(_REQUEST_DOMAIN + batch + row.number.to_bytes(8, "big") + row.digest).digest()


def read_manifest(lines: Iterable[bytes], form: ManifestForm, default_court: str = "") -> Iterator[BatchRow | BadRow]:
    """Every row in order. `lines` carry their line ends; a longer one than BATCH_LINE_BYTES_MAX may be cut beyond that.

    Raises `Malformed` for the file itself: no header or a wrong one, a byte order mark, too many rows.
    """
    numbered = enumerate(lines, 1)
    parse = _json_parser() if form == "jsonl" else _csv_parser(next(numbered, (1, b""))[1])
    seen: dict[bytes, int] = {}
    for number, (line, data) in enumerate(numbered, 1):
        if number > BATCH_ROWS_MAX:
            raise Malformed(_WHAT, f"line {line}", f"a manifest has at most {BATCH_ROWS_MAX} rows; split it")
        if number == 1 and data.startswith(_BOM):
            raise Malformed(_WHAT, "line 1", "begins with a byte order mark; save the file as UTF-8 without one")
        values: Mapping[str, str | Sequence[str]] = {}
        try:
            if len(data) > BATCH_LINE_BYTES_MAX:
                raise Malformed(_WHAT, "", f"the line has more than {BATCH_LINE_BYTES_MAX} bytes")
            values = parse(data)
            row = _row(number, line, values, default_court)
        except Malformed as error:
            yield _bad(number, line, error, values)
            continue
        first = seen.setdefault(_key(row), number)
        if first != number:
            reason = f"the same case, dossier and court as row {first}"
            yield BadRow(number=number, line=line, field="case", reason=reason, case=row.case, dossier=row.dossier)
        else:
            yield row


def _key(row: BatchRow) -> bytes:
    return hashlib.sha256(dumps([row.case, row.dossier, row.court])).digest()[:16]


def _bad(number: int, line: int, error: Malformed, values: Mapping[str, str | Sequence[str]]) -> BadRow:
    shown = {name: _printable(values.get(name, "")) for name in REQUIRED}
    return BadRow(
        number=number, line=line, field=error.field, reason=error.reason, case=shown["case"], dossier=shown["dossier"]
    )


def _printable(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:CASE_CHARS_MAX])


def _row(number: int, line: int, values: Mapping[str, str | Sequence[str]], default_court: str) -> BatchRow:
    def text(name: str, default: str, chars_max: int) -> str:
        value = values.get(name, "")
        if not isinstance(value, str):
            raise Malformed(_WHAT, name, "must be a string")
        return check_plain(value or default, _WHAT, name, chars_max=chars_max)

    court = values.get("court", "") or default_court
    if court and parse_identity(str(court), what=_WHAT, field="court").role is not Role.COURT:
        raise Malformed(_WHAT, "court", "must be the id of a court")
    expires = values.get("expires", "")
    kinds = _kinds(values.get("kinds", ""))
    return BatchRow(
        number=number,
        line=line,
        case=text("case", "", CASE_CHARS_MAX),
        dossier=text("dossier", "", REFERENCE_CHARS_MAX),
        court=str(court),
        profile=_profile(str(values.get("profile", "")), kinds),
        kinds=kinds,
        purpose=text("purpose", "filing", PURPOSE_CHARS_MAX),
        officer=text("officer", "batch", OFFICER_CHARS_MAX),
        expires_s=parse_utc(str(expires), _WHAT, "expires") if expires else 0,
    )


def _profile(name: str, kinds: tuple[str, ...]) -> str:
    if name and kinds:
        raise Malformed(_WHAT, "profile", "a profile says itself what opens: leave kinds empty")
    if name and not TOKEN.fullmatch(name):
        raise Malformed(_WHAT, "profile", f"{name[:40]!a} is no profile")
    return name or ("" if kinds else DEFAULT_PROFILE)


def _kinds(value: str | Sequence[str]) -> tuple[str, ...]:
    """One space between two in a string; a list in JSON."""
    kinds = value.split(" ") if isinstance(value, str) else list(value)
    if not value:
        return ()
    if len(kinds) > GRANT_KINDS_MAX:
        raise Malformed(_WHAT, "kinds", f"{len(kinds)} kinds; at most {GRANT_KINDS_MAX}")
    for kind in kinds:
        if kind != EVERY_ORDINARY_KIND and not TOKEN.fullmatch(kind):
            raise Malformed(_WHAT, "kinds", f"{kind[:40]!a} is no record kind; kinds are separated by one space")
    return tuple(kinds)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(_WHAT, f"byte {error.start + 1}", "is not UTF-8") from None


def _json_parser() -> Callable[[bytes], Mapping[str, str | Sequence[str]]]:
    def parse(data: bytes) -> Mapping[str, str | Sequence[str]]:
        try:
            value = loads_strict(_line_end(data)[0], what=_WHAT, bytes_max=BATCH_LINE_BYTES_MAX)
        except Malformed as error:
            raise Malformed(_WHAT, error.field.removeprefix("line 1 "), error.reason) from None
        if not isinstance(value, dict):
            raise Malformed(_WHAT, "", "must be one JSON object a line")
        found: dict[str, str | Sequence[str]] = {}
        for name, member in value.items():
            if name not in COLUMNS:
                raise Malformed(_WHAT, name[:40] if name.isprintable() else ascii(name[:40]), _unknown())
            strings = isinstance(member, list) and all(isinstance(one, str) for one in member)
            if not isinstance(member, str) and not (name == "kinds" and strings):
                raise Malformed(_WHAT, name, "must be a string" + (" or a list of strings" if name == "kinds" else ""))
            found[name] = member
        return found

    return parse


def _unknown() -> str:
    return f"is unknown; known are {', '.join(COLUMNS)}"


def _csv_parser(header: bytes) -> Callable[[bytes], Mapping[str, str]]:
    """From the first line: the columns, and the line end that every row must have (only the last may have none)."""
    if header.startswith(_BOM):
        raise Malformed(_WHAT, "line 1", "begins with a byte order mark; save the file as UTF-8 without one")
    if len(header) > BATCH_LINE_BYTES_MAX:
        raise Malformed(_WHAT, "line 1", f"has more than {BATCH_LINE_BYTES_MAX} bytes")
    body, end = _line_end(header)
    if not body:
        raise Malformed(_WHAT, "line 1", f"is empty; it must name the columns: {', '.join(COLUMNS)}")
    try:
        names = split_csv(_text(body))
    except Malformed as error:
        raise error.within(f"{_WHAT}: line 1") from None
    for i, name in enumerate(names):
        if name not in COLUMNS:
            raise Malformed(_WHAT, f"line 1, column {i + 1}", f"{name[:40]!a} {_unknown()}")
        if name in names[:i]:
            raise Malformed(_WHAT, f"line 1, column {i + 1}", f"{name} stands twice")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise Malformed(_WHAT, "line 1", f"must name the columns; {missing[0]} is missing")

    def parse(data: bytes) -> Mapping[str, str]:
        body, own = _line_end(data)
        if own and own != end:
            raise Malformed(_WHAT, "line end", f"is {own!a}, that of line 1 is {end!a}")
        cells = split_csv(_text(body))
        if len(cells) != len(names):
            raise Malformed(_WHAT, "columns", f"{len(cells)}; line 1 names {len(names)}")
        return dict(zip(names, cells, strict=True))

    return parse


def _line_end(data: bytes) -> tuple[bytes, bytes]:
    for end in (b"\r\n", b"\n"):
        if data.endswith(end):
            return data[: -len(end)], end
    return data, b""


def split_csv(text: str) -> list[str]:
    """The fields of one record without line breaks (RFC 4180 section 2, rules 4 to 7). Raises `Malformed` with the column."""
    cells: list[str] = []
    at = 0
    while True:
        column = f"column {len(cells) + 1}"
        if text[at : at + 1] == '"':
            end = at + 1
            while True:
                end = text.find('"', end)
                if end < 0:
                    raise Malformed(_WHAT, column, "its quote is not closed on the same line")
                if text[end + 1 : end + 2] != '"':
                    break
                end += 2
            cells.append(text[at + 1 : end].replace('""', '"'))
            at = end + 1
            if at < len(text) and text[at] != ",":
                raise Malformed(_WHAT, column, "characters follow its closing quote")
        else:
            end = text.find(",", at)
            cell = text[at:] if end < 0 else text[at:end]
            if '"' in cell:
                raise Malformed(_WHAT, column, "holds a quote without being quoted (RFC 4180 section 2, rule 5)")
            cells.append(cell)
            at = len(text) if end < 0 else end
        if at >= len(text):
            return cells
        at += 1


def join_csv(cells: Iterable[str]) -> str:
    """One record with CRLF, quoted where it must be. A cell that a spreadsheet would calculate gets an apostrophe before it."""
    made = []
    for cell in cells:
        shown = f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") else cell
        quoted = shown.replace('"', '""')
        made.append(f'"{quoted}"' if any(c in shown for c in ',"\r\n') else shown)
    return ",".join(made) + "\r\n"
