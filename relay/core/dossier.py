"""Dossier: the ordered records of one loan, its secret key, its tags, and how gaps show.

Tags are HMAC-SHA256 of the sequence number under the dossier key (RFC 2104): random and unlinkable without the key, and
with it anyone derives tag 0, 1, 2, … and looks each up in a log. The first absent tag is where the dossier ends.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from relay.core.errors import Malformed
from relay.core.limits import ENTRY_BYTES, RECORDS_PER_DOSSIER_MAX

DOSSIER_ID_BYTES: Final = 16
DOSSIER_KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
RECORD_ENTRY: Final = 1
CUSTODY_ENTRY: Final = 2
PROJECTED_ENTRY: Final = 3
_TAG_DOMAIN: Final = b"courtrelay/tag/v1"
_ZEROS: Final = bytes(HASH_BYTES)


def new_dossier_id(random_bytes: Callable[[int], bytes]) -> str:
    """32 lower-case hex digits."""
    return random_bytes(DOSSIER_ID_BYTES).hex()


def new_dossier_key(random_bytes: Callable[[int], bytes]) -> bytes:
    """32 bytes, known to the custodian alone until a disclosure hands them to a court."""
    return random_bytes(DOSSIER_KEY_BYTES)


def tag(key: bytes, seq: int) -> bytes:
    """The 32-byte tag of record `seq`."""
    if len(key) != DOSSIER_KEY_BYTES:
        raise RuntimeError(f"a dossier key has {DOSSIER_KEY_BYTES} bytes, not {len(key)}")
    return hmac.digest(key, _TAG_DOMAIN + seq.to_bytes(8, "big"), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One 65-byte log entry. In a custody entry (`version` 2) `tag` is the event's digest and `commitment` is zero."""

    version: int
    tag: bytes
    commitment: bytes


def make_entry(tag: bytes, commitment: bytes) -> bytes:
    """The log entry of a record."""
    return _join(RECORD_ENTRY, tag, commitment)


def make_custody_entry(digest: bytes) -> bytes:
    """The log entry of a custody event, padded so that all logs share one entry size."""
    return _join(CUSTODY_ENTRY, digest, _ZEROS)


def make_projected_entry(tag: bytes, commitment: bytes) -> bytes:
    """The log entry of an event of a lender's own contract (relay.core.projection)."""
    return _join(PROJECTED_ENTRY, tag, commitment)


def parse_entry(data: bytes) -> Entry:
    """Raises `Malformed` for another length or version, or a custody entry whose padding is not zero."""
    if len(data) != ENTRY_BYTES:
        raise Malformed("log entry", "", f"{len(data)} bytes; must be {ENTRY_BYTES}")
    entry = Entry(version=data[0], tag=data[1:33], commitment=data[33:])
    if entry.version not in (RECORD_ENTRY, CUSTODY_ENTRY, PROJECTED_ENTRY):
        raise Malformed(
            "log entry", "version", f"{entry.version}; must be {RECORD_ENTRY}, {CUSTODY_ENTRY} or {PROJECTED_ENTRY}"
        )
    if entry.version == CUSTODY_ENTRY and entry.commitment != _ZEROS:
        raise Malformed("log entry", "padding", "must be zero in a custody entry")
    return entry


def _join(version: int, first: bytes, second: bytes) -> bytes:
    if len(first) != HASH_BYTES or len(second) != HASH_BYTES:
        raise RuntimeError("an entry is made of two 32-byte hashes")
    return bytes((version,)) + first + second


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceFindings:
    """What a set of sequence numbers shows. `missing` and `beyond` are ascending runs; all empty means whole."""

    missing: tuple[range, ...]
    """Numbers below the last one found that were not found."""
    cut: range
    """Numbers at the end that are logged but were not found."""
    doubled: tuple[int, ...]
    """Numbers found more than once."""
    beyond: tuple[range, ...]
    """Numbers found that are not logged."""

    @property
    def whole(self) -> bool:
        """Every logged number was found once, and no other."""
        return not (self.missing or self.cut or self.doubled or self.beyond)

    def words(self) -> tuple[str, ...]:
        """One sentence fragment a finding, e.g. `hole: seq 14 missing`; empty when the sequence is whole."""
        said = [f"hole: {_run(run)} missing" for run in self.missing]
        if self.cut:
            said.append(f"cut tail: {_run(self.cut)} missing")
        said.extend(f"doubled: seq {seq} appears more than once" for seq in self.doubled)
        said.extend(f"{_run(run)} not logged" for run in self.beyond)
        return tuple(said)


def check_sequence(found: Iterable[int], *, logged: int | None = None) -> SequenceFindings:
    """Compare the sequence numbers found with 0 … `logged` - 1, the tags present in a verified log.

    Without `logged` only holes below the highest number found and doubled numbers can show, not a cut tail.
    Raises `Malformed` for a number outside 0 … RECORDS_PER_DOSSIER_MAX - 1.
    """
    numbers = sorted(found)
    for seq in numbers[:1] + numbers[-1:]:
        if not 0 <= seq < RECORDS_PER_DOSSIER_MAX:
            raise Malformed("dossier", "seq", f"{seq} is outside 0 to {RECORDS_PER_DOSSIER_MAX - 1}")
    end = numbers[-1] + 1 if numbers else 0
    known = end if logged is None else logged
    present = set(numbers)
    inside = min(end, known)
    return SequenceFindings(
        missing=_runs(seq for seq in range(inside) if seq not in present),
        cut=range(inside, known),
        doubled=tuple(sorted({a for a, b in pairwise(numbers) if a == b})),
        beyond=_runs(seq for seq in sorted(present) if seq >= known),
    )


def _runs(numbers: Iterable[int]) -> tuple[range, ...]:
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return tuple(runs)


def seqs_text(numbers: Iterable[int]) -> str:
    """`seq 3, seq 5 to 7`; empty for none."""
    return ", ".join(_run(run) for run in _runs(sorted(set(numbers))))


def _run(run: range) -> str:
    return f"seq {run.start}" if len(run) == 1 else f"seq {run.start} to {run.stop - 1}"
