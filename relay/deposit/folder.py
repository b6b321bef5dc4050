"""Read a deposit folder: group its lines by dossier, find the files, refuse what is wrong before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relay.core.canonical import loads_strict
from relay.core.deposit import DepositPayload, parse_deposit_line
from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.limits import PAYLOAD_BYTES_MAX, RECORD_JSON_BYTES_MAX

RECORDS: Final = "records.jsonl"


@dataclass(slots=True)
class FolderDossier:
    """Lines of one dossier: (number, JSON, payload files). `refusal` says why it must not be sent."""

    reference: str
    lines: list[tuple[int, bytes, tuple[Path, ...]]] = field(default_factory=list)
    refusal: tuple[int, Malformed] | None = None


def read_folder(folder: Path) -> list[FolderDossier]:
    """All dossiers of a folder in the order they first appear.

    Raises `Malformed` when there is no readable records.jsonl, or a line of which nobody can say whose it is: then nothing at all may
    be sent. A line that is wrong otherwise refuses its own dossier only.
    """
    path = folder / RECORDS
    if not folder.is_dir():
        raise Malformed(
            str(folder), "", "is no folder; a deposit is a folder with records.jsonl and the files it names"
        )
    found: dict[str, FolderDossier] = {}
    for number, data in _lines(path):
        reference = _reference(data, f"{path} line {number}")
        dossier = found.setdefault(reference, FolderDossier(reference))
        if dossier.refusal is not None:
            continue
        try:
            line = parse_deposit_line(data, what=f"line {number}")
            files = tuple(_file(folder, p, i, f"line {number}") for i, p in enumerate(line.payloads))
        except Malformed as refusal:
            dossier.refusal = number, refusal
            continue
        dossier.lines.append((number, data, files))
    if not found:
        raise Malformed(str(path), "", "holds no line; each line is one record, see docs/spec/deposit.md")
    return list(found.values())


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(RECORD_JSON_BYTES_MAX + 3):
                number += 1
                if len(data.rstrip(b"\r\n")) > RECORD_JSON_BYTES_MAX:
                    raise Malformed(f"{path} line {number}", "", f"is longer than {RECORD_JSON_BYTES_MAX} bytes")
                stripped = data.rstrip(b"\r\n")
                if stripped:
                    yield number, stripped
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None


def _reference(data: bytes, what: str) -> str:
    """Whose line it is, before anything else of it is judged."""
    try:
        value = loads_strict(data, what=what, bytes_max=RECORD_JSON_BYTES_MAX)
        return Fields(value, what=what).string("dossier")
    except Malformed as error:
        raise Malformed(
            what, error.field, f"{error.reason}; nobody can say whose record this is, so nothing was sent"
        ) from None


def _file(folder: Path, payload: DepositPayload, place: int, what: str) -> Path:
    """The payload's file, inside the folder and no bigger than allowed."""
    where = f"payloads[{place}].file"
    path = (folder / payload.file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Malformed(what, where, "lies outside the deposit folder")
    if not path.is_file():
        raise Malformed(what, where, f"no such file in the folder: {payload.file}")
    size = path.stat().st_size
    if size > PAYLOAD_BYTES_MAX:
        raise Malformed(what, where, f"{size} bytes; at most {PAYLOAD_BYTES_MAX}")
    return path
