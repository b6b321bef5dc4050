"""The container of an evidence bundle: a zip file in one spelling (docs/spec/bundle.md, "Container").

Parts are stored without compression, sorted by name, dated 1980-01-01, without comments or extra fields, as PKWARE APPNOTE 6.3.3
sections 4.3.7, 4.3.12 and 4.3.16 lay them out. The reader writes every header again from what it read and compares bytes, so two
different files never hold the same parts.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from relay.core.errors import Malformed
from relay.core.limits import BUNDLE_BYTES_MAX, BUNDLE_PARTS_MAX

NAME: Final = re.compile(r"(?!.*(?:^|/)\.)[A-Za-z0-9._-]{1,80}(?:/[A-Za-z0-9._-]{1,80}){0,4}")
NAME_CHARS_MAX: Final = 255
READ_BYTES: Final = 1024 * 1024
_VERSION: Final = 20
_UTF8: Final = 0x0800
_DATE: Final = 0x0021  # 1980-01-01, the earliest the format can say
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_WHAT: Final = "bundle"


class ByteSource(Protocol):
    """Something with bytes at offsets, such as an open file. `read` returns exactly what is there, perhaps less at the end."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes [offset, offset + length)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file in the zip."""

    name: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPart:
    """A part and where its content begins."""

    part: Part
    offset: int


def check_name(name: str) -> None:
    """A part name that no system takes for anything else. Raises `Malformed`."""
    if len(name) > NAME_CHARS_MAX or not NAME.fullmatch(name):
        raise Malformed(_WHAT, name[:80] if name.isprintable() else "part name", "is not an allowed part name")


def local_header(part: Part) -> bytes:
    """What stands before a part's content."""
    name = part.name.encode("ascii")
    fixed = (b"PK\x03\x04", _VERSION, _UTF8, 0, 0, _DATE, part.crc32, part.size, part.size, len(name), 0)
    return _LOCAL.pack(*fixed) + name


def directory(parts: Iterable[Part]) -> bytes:
    """What stands after the last part: the central directory and its end record. Raises `Malformed` when it is too big."""
    made = bytearray()
    offset = 0
    count = 0
    for part in parts:
        name = part.name.encode("ascii")
        made += _CENTRAL.pack(
            b"PK\x01\x02", _VERSION, _VERSION, _UTF8, 0, 0, _DATE, part.crc32, part.size, part.size,
            len(name), 0, 0, 0, 0, 0, offset,
        )  # fmt: skip
        made += name
        offset += _LOCAL.size + len(name) + part.size
        count += 1
        if count > BUNDLE_PARTS_MAX or offset + len(made) + _END.size > BUNDLE_BYTES_MAX:
            raise Malformed(_WHAT, "", f"more than {BUNDLE_PARTS_MAX} parts or {BUNDLE_BYTES_MAX} bytes")
    return bytes(made) + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(made), offset, 0)


def read_parts(source: ByteSource) -> list[PlacedPart]:
    """All parts of a bundle in order. Raises `Malformed` for every deviation from the one spelling; reads no content."""
    if not _END.size <= source.size <= BUNDLE_BYTES_MAX:
        raise Malformed(_WHAT, "", f"{source.size} bytes; must be {_END.size} to {BUNDLE_BYTES_MAX}")
    end = source.read(source.size - _END.size, _END.size)
    magic, _, _, _, count, length, start, _ = _END.unpack(end)
    if magic != b"PK\x05\x06" or start + length + _END.size != source.size or count > BUNDLE_PARTS_MAX:
        raise Malformed(_WHAT, "end record", "is not that of an evidence bundle: cut off, or no bundle at all")
    if length > BUNDLE_PARTS_MAX * (_CENTRAL.size + NAME_CHARS_MAX):
        raise Malformed(_WHAT, "central directory", f"{length} bytes; longer than any bundle's can be")
    central = source.read(start, length)
    parts = _read_central(central, count)
    if directory(parts) != central + end:
        raise Malformed(_WHAT, "central directory", "is not in the one spelling: bytes were changed")
    placed = []
    offset = 0
    for part in parts:
        header = local_header(part)
        if source.read(offset, len(header)) != header:
            raise Malformed(_WHAT, part.name, "its local header differs from the central directory")
        placed.append(PlacedPart(part=part, offset=offset + len(header)))
        offset += len(header) + part.size
    return placed


def _read_central(central: bytes, count: int) -> list[Part]:
    parts: list[Part] = []
    position = 0
    for _ in range(count):
        if position + _CENTRAL.size > len(central):
            raise Malformed(_WHAT, "central directory", "breaks off")
        values = _CENTRAL.unpack_from(central, position)
        position += _CENTRAL.size
        try:
            name = central[position : position + values[10]].decode("ascii")
        except UnicodeDecodeError:
            raise Malformed(_WHAT, "central directory", "a part name is not ASCII") from None
        check_name(name)
        if parts and name <= parts[-1].name:
            raise Malformed(_WHAT, name, "parts must be sorted by name, each once")
        parts.append(Part(name=name, size=values[9], crc32=values[7]))
        position += values[10]
    return parts


def content(source: ByteSource, placed: PlacedPart) -> Iterator[bytes]:
    """A part's content in pieces of at most 1 MiB. Raises `Malformed` when the file ends early."""
    offset, left = placed.offset, placed.part.size
    while left:
        piece = source.read(offset, min(left, READ_BYTES))
        if not piece:
            raise Malformed(_WHAT, placed.part.name, "breaks off")
        yield piece
        offset += len(piece)
        left -= len(piece)


def sorted_parts(parts: Sequence[Part]) -> list[Part]:
    """In the order of the file. Raises `Malformed` for a name that is not allowed or stands twice."""
    ordered = sorted(parts, key=lambda part: part.name)
    for i, part in enumerate(ordered):
        check_name(part.name)
        if i and part.name == ordered[i - 1].name:
            raise Malformed(_WHAT, part.name, "stands twice")
    return ordered


class FileSource:
    """A `ByteSource` over an open binary file, for one reader at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, 2)

    @property
    def size(self) -> int:
        """See `ByteSource`."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource`."""
        self._file.seek(offset)
        return self._file.read(length)
