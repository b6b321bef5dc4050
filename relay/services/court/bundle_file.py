"""Write the file of an evidence bundle from parts in memory and parts staged in one file on disk."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from relay.core.bundle import MANIFEST, SEAL, BundlePart
from relay.core.bundlezip import Part, directory, local_header, sorted_parts

COPY_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPart:
    """A part ready to be written; `sha256` in hex. `content` is an offset in the staging file where it may be long."""

    name: str
    size: int
    sha256: str
    crc32: int
    content: bytes | int

    @classmethod
    def of(cls, name: str, data: bytes) -> StagedPart:
        """A part held in memory."""
        return cls(
            name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), crc32=zlib.crc32(data), content=data
        )


def listed(parts: Sequence[StagedPart]) -> tuple[BundlePart, ...]:
    """The manifest's list: every part but manifest and seal, sorted."""
    rows = [BundlePart(name=p.name, size=p.size, sha256=p.sha256) for p in parts if p.name not in (MANIFEST, SEAL)]
    return tuple(sorted(rows, key=lambda row: row.name))


def write_bundle(path: Path, parts: Sequence[StagedPart], staging: Path | None = None) -> None:
    """The same parts give the same bytes; `staging` is the file that long contents lie in.

    Raises `Malformed` when the bundle is too big; nothing is synced here.
    """
    by_name = {part.name: part for part in parts}
    ordered = sorted_parts([Part(name=p.name, size=p.size, crc32=p.crc32) for p in parts])
    end = directory(ordered)
    with ExitStack() as stack:
        out = stack.enter_context(path.open("wb"))
        source = stack.enter_context(staging.open("rb")) if staging else None
        for part in ordered:
            out.write(local_header(part))
            _copy(by_name[part.name], source, out)
        out.write(end)


def _copy(part: StagedPart, source: BinaryIO | None, out: BinaryIO) -> None:
    if isinstance(part.content, bytes):
        out.write(part.content)
        return
    if source is None:
        raise RuntimeError(f"{part.name} is staged, but no staging file was given")
    source.seek(part.content)
    left = part.size
    while left:
        piece = source.read(min(left, COPY_BYTES))
        if not piece:
            raise RuntimeError(f"{part.name}: the staging file ends early")
        out.write(piece)
        left -= len(piece)
