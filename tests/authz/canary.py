"""Canaries: texts that stand in every field and payload of a dossier, and a search that knows the clothes they may wear."""

from __future__ import annotations

import base64
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support.lines import STATED

MARK = "canary7q"
"""Every canary begins with this and goes on with eight characters of its own."""
LENGTH = 16
UNPACKED_BYTES_MAX = 1 << 20
_PACKED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")


def canary(name: str) -> str:
    """The canary of a dossier: lower-case letters and digits, so that it may be a payload's name, too."""
    return MARK + f"{zlib.crc32(name.encode()):08x}"


def privileged(name: str) -> str:
    """The canary of a dossier's privileged record."""
    return canary(f"{name}, privileged")


def forms(mark: bytes) -> dict[str, bytes]:
    """The mark as it looks raw, in hex, in base64 at each of three alignments and both alphabets, and in UTF-16."""
    text = mark.decode()
    made = {"raw": mark, "hex": mark.hex().encode(), "HEX": mark.hex().upper().encode(), "raw upper": mark.upper(),
            "utf-16-le": text.encode("utf-16-le"), "utf-16-be": text.encode("utf-16-be")}  # fmt: skip
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + mark)
        # characters that also hold bits of what stands before or behind are left out
        first, last = -(-shift * 8 // 6), (shift + len(mark)) * 8 // 6
        made[f"base64 at {shift}"] = encoded[first:last]
        made[f"base64url at {shift}"] = encoded[first:last].replace(b"+", b"-").replace(b"/", b"_")
        hexed = base64.b64encode(bytes(shift) + mark.hex().encode())
        made[f"base64 of hex at {shift}"] = hexed[first : (shift + 2 * len(mark)) * 8 // 6]
    return made


FORMS = forms(MARK.encode())


def find(data: bytes, *, unpack: bool = True) -> set[str]:
    """The forms in which any canary stands in the data, also inside of what zlib or gzip packed."""
    found = {name for name, form in FORMS.items() if form in data}
    if unpack:
        for match in _PACKED.finditer(data):
            try:
                inner = zlib.decompressobj(47).decompress(
                    data[match.start() : match.start() + UNPACKED_BYTES_MAX], UNPACKED_BYTES_MAX
                )
            except zlib.error:
                continue
            found |= {f"packed {name}" for name in find(inner, unpack=False)}
    return found


def only(data: bytes, one: str) -> bool:
    """Whether every raw canary in the data is this one."""
    return {data[m.start() : m.start() + LENGTH] for m in re.finditer(MARK.encode(), data)} == {one.encode()}


def in_files(folders: Iterable[Path]) -> Iterator[str]:
    """Where a canary stands in files, names included, and in the rows of databases."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if MARK in str(path.relative_to(folder)):
                yield f"{path}: in its name"
            if not path.is_file():
                continue
            found = find(path.read_bytes())
            if path.suffix == ".sqlite":
                found |= find(_rows(path))
            if found:
                yield f"{path}: {sorted(found)}"


def _rows(path: Path) -> bytes:
    """Every row, whole, wherever SQLite cut it."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return "\n".join(connection.iterdump()).encode()
    finally:
        connection.close()


def planted(name: str, *, payload_bytes: int = 0) -> list[Any]:
    """A dossier of three records, with its canary in every text and payload; the third is privileged and has its own."""
    c, p = canary(name), privileged(name)
    repayment = {
        "amount_cents": 100_00, "currency": "CNY", "received_on": "2025-03-05", "principal_cents": 100_00,
        "interest_cents": 0, "penalty_cents": 0, "fee_cents": 0, "channel": "transfer", "channel_reference": c,
        "payer_account": c,
    }  # fmt: skip
    complaint = {
        "received_at": "2025-04-02T14:00:00Z",
        "channel": "phone",
        "subject": "collection",
        "text": c,
        "answer": c,
    }
    session = {"platform": p, "mediator": p, "started_at": "2025-05-05T10:00:00Z", "duration_s": 60, "currency": "CNY",
               "minutes": f"what was said {p}"}  # fmt: skip
    return [
        _line(0, "repayment", repayment, c, payload_bytes),
        _line(1, "complaint", complaint, c),
        _line(2, "mediation_session", session, p),
    ]


def _line(seq: int, kind: str, fields: dict[str, Any], mark: str, payload_bytes: int = 0) -> Any:
    payload = f"{mark} in a payload ".encode() * 20
    line = {
        "seq": seq, "kind": kind, "kind_version": 1, "event_time": f"2025-0{seq + 1}-05T10:00:00Z",
        "provenance": {member: f"{text} {mark}".strip() for member, text in STATED.items()}, "fields": fields,
        "payloads": [{"file": "f", "name": f"{mark}.txt", "media_type": "text/plain"}],
    }  # fmt: skip
    return line, [payload * max(1, payload_bytes // len(payload))]
