"""Change single bytes of a bundle and judge every result: used by the test suite and by `python3 run.py flips`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from relay.app.adapters import verifiers
from relay.core.bundlezip import FileSource, read_parts
from relay.core.errors import Malformed, Unverified
from relay.core.evidence import Evidence, open_container
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding
from relay.core.verify import verify_bundle

Change = tuple[int, int]
"""(offset, value of the byte there)."""


@dataclass(slots=True)
class Tally:
    """How many changes were judged, at which depth they were refused, and those that were accepted."""

    judged: int = 0
    at_container: int = 0
    by_verdict: int = 0
    accepted: list[Change] = field(default_factory=list)


def judge(data: bytes, trust: TrustRoots, changes: Iterable[Change]) -> Tally:
    """Every change by itself. Step 1 runs first: its failure alone makes the verdict INCONSISTENT, whatever follows."""
    tally = Tally()
    buffer = bytearray(data)
    for offset, value in changes:
        before = buffer[offset]
        buffer[offset] = value
        tally.judged += 1
        if not _opens(buffer, trust):
            tally.at_container += 1
        elif verify_bundle(FileSource(io.BytesIO(buffer)), trust, verifiers()).verdict is Finding.CONSISTENT:
            tally.accepted.append((offset, value))
        else:
            tally.by_verdict += 1
        buffer[offset] = before
    return tally


def _opens(data: bytearray, trust: TrustRoots) -> bool:
    evidence = Evidence(source=FileSource(io.BytesIO(data)), trust=trust, verifiers=verifiers())
    try:
        open_container(evidence, lambda _done, _total: None)
    except (Malformed, Unverified):
        return False
    return True


def pool(workers: int) -> ProcessPoolExecutor:
    """Fresh processes: gRPC's threads do not survive a fork."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def bit_flips(data: bytes) -> Iterator[Change]:
    """Every single bit of every byte."""
    for offset, value in enumerate(data):
        for bit in range(8):
            yield offset, value ^ (1 << bit)


def proof_bytes(data: bytes) -> list[int]:
    """Offsets of all bytes that are neither payload nor record text: proofs, signatures, lists, and the container itself."""
    outside = set(range(len(data)))
    for placed in read_parts(FileSource(io.BytesIO(data))):
        name = placed.part.name
        if "/payloads/" in name:
            outside -= set(range(placed.offset, placed.offset + placed.part.size))
    return sorted(outside)


def other_values(data: bytes, offsets: Iterable[int]) -> Iterator[Change]:
    """Every other value of the bytes at these offsets."""
    for offset in offsets:
        for value in range(256):
            if value != data[offset]:
                yield offset, value
