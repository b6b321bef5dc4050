"""Making a bundle's view, and opening one payload of it as a file of its own. Synchronous, for a worker thread."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from relay.core.bundlezip import FileSource, PlacedPart, read_parts
from relay.core.checks import Verifiers
from relay.core.errors import NotFound
from relay.core.trust import TrustRoots
from relay.core.verify import examine
from relay.core.view import DossierView, StageOf, view_of

Advance = Callable[[int, int], None]


def make_view(
    file: BinaryIO, trust: TrustRoots, verifiers: Verifiers, stage_of: StageOf, advance: Advance
) -> tuple[DossierView, str]:
    """Verify a bundle as a stranger would, and say what it shows; with the grant's compact JWS, empty when none holds."""
    verdict, evidence = examine(FileSource(file), trust, verifiers, advance)
    token = evidence.grant.jws.token if evidence.grant else ""
    return view_of(evidence, verdict, stage_of), token


def open_part(bundle: BinaryIO, name: str) -> BinaryIO:
    """A part of a bundle as a file with random access; closing it closes the bundle. Raises `NotFound`, `Malformed`."""
    placed = next((p for p in read_parts(FileSource(bundle)) if p.part.name == name), None)
    if placed is None:
        raise NotFound("no such payload in the bundle")
    return io.BufferedReader(_PartFile(bundle, placed))


class _PartFile(io.RawIOBase):
    """The bytes of one part, from 0 to its size."""

    def __init__(self, bundle: BinaryIO, placed: PlacedPart) -> None:
        self._bundle = bundle
        self._offset = placed.offset
        self._size = placed.part.size
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Within the part, or at its end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = min(max(base + offset, 0), self._size)
        return self._at

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's buffer type is wider
        """Up to so many bytes, none at the part's end."""
        self._bundle.seek(self._offset + self._at)
        piece = self._bundle.read(min(len(buffer), self._size - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """The bundle with it."""
        self._bundle.close()
        super().close()
