"""A disclosure while it arrives: every chunk is opened, every record judged against the court's own mirror, contents staged in one file.

Synchronous, for a worker thread: only `Arrival.expect` comes from outside, between the manifest and the first record.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from relay.core.bundle import payload_part, record_part
from relay.core.checks import check_record, same
from relay.core.disclosure import DisclosureManifest, ManifestEntry
from relay.core.dossier import make_entry, parse_entry, tag
from relay.core.errors import Malformed, NotFound, Unverified
from relay.core.frames import (
    End,
    Event,
    FrameDecoder,
    ManifestFrame,
    PayloadData,
    PayloadEnd,
    PayloadStart,
    RecordFrame,
)
from relay.core.records import Record
from relay.core.sealing import StreamOpener
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding
from relay.ports.common import LogFiles
from relay.services.court.bundle_file import StagedPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A checkpoint with anchor, cosignature and receipt: number in the bundle, size, anchoring time in ms."""

    number: int
    size: int
    anchored_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the court knows of the dossier before the first record comes. `positions[seq]` is from its own mirror."""

    disclosure: DisclosureManifest
    positions: tuple[int, ...]
    accepted: tuple[Accepted, ...]
    mirror: LogFiles
    mirror_size: int
    now_ms: int

    def covering(self, index: int) -> Accepted | None:
        """The first accepted checkpoint that holds this index."""
        return next((a for a in self.accepted if a.size > index), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One record's verdict on arrival."""

    seq: int
    kind: str
    verdict: Finding
    reason: str


@dataclass(slots=True)
class _Open:
    """The record whose payloads are arriving."""

    record: Record
    entry: ManifestEntry
    verdict: Finding
    reason: str
    payloads: set[str] = field(default_factory=set)


class Arrival:
    """Feed chunks in order; yields `DisclosureManifest` once (answer with `expect`), then `Judged` rows."""

    def __init__(self, opener: StreamOpener, staging: Path, trust: TrustRoots, lender: str) -> None:
        self._opener = opener
        self._decoder = FrameDecoder()
        self._file = staging.open("xb")
        self._start = 0
        self._trust = trust
        self._lender = lender
        self._expected: Expectation | None = None
        self._open: _Open | None = None
        self._digest: Any = None
        self._crc = 0
        self.manifest_token = ""
        self.parts: list[StagedPart] = []
        self.records: dict[int, Record] = {}
        self.bytes = 0

    def expect(self, expected: Expectation) -> None:
        """The court has looked up the tags."""
        self._expected = expected

    def feed(self, chunk: bytes, *, last: bool) -> Iterator[str | Judged]:
        """Judgements that this chunk completes; a `str` is the manifest's token. Raises `Malformed`, `Unverified`."""
        plaintext = self._opener.open(chunk, last)
        self.bytes += len(plaintext)
        for event in self._decoder.feed(plaintext):
            yield from self._take(event)
        if last:
            self._opener.finish()
            self._decoder.finish()

    def _take(self, event: Event) -> Iterator[str | Judged]:
        if isinstance(event, PayloadData):
            self._write(event.data)
        elif isinstance(event, ManifestFrame):
            self.manifest_token = event.token
            yield event.token
        elif isinstance(event, PayloadStart):
            self._start_payload(event)
        elif isinstance(event, PayloadEnd):
            self._end_payload(event)
        else:
            yield from self._close_record()
            if isinstance(event, RecordFrame):
                self._open_record(event)
            else:
                assert isinstance(event, End)

    def _open_record(self, frame: RecordFrame) -> None:
        record = frame.record
        expected = self._need()
        if record.seq >= len(expected.disclosure.entries):
            raise Unverified("disclosure", f"seq {record.seq} arrived, which the lender's list does not name")
        entry = expected.disclosure.entries[record.seq]
        if entry.status != "disclosed":
            raise Unverified("disclosure", f"seq {record.seq} arrived, though the lender's list calls it withheld")
        verdict, reason = self._judge(record, entry)
        self._open = _Open(record=record, entry=entry, verdict=verdict, reason=reason)
        self.records[record.seq] = record
        self._stage(record_part(record.seq, "record.sd-jwt"), frame.text.encode("ascii"))

    def _judge(self, record: Record, entry: ManifestEntry) -> tuple[Finding, str]:
        """The record against the court's mirror and the lender's key."""
        expected = self._need()
        try:
            if entry.index >= expected.mirror_size or expected.covering(entry.index) is None:
                self._check(record, entry, record.commitment, expected.now_ms)
                return Finding.PENDING_FINALITY, "no checkpoint that the court ledger accepted covers it yet"
            if entry.seq >= len(expected.positions):
                raise NotFound("its tag is not in the court's mirror of the log")
            same("entry", "its log index", entry.index, expected.positions[entry.seq])
            held = expected.mirror.entries(entry.index, entry.index + 1)[0]
            made = make_entry(tag(expected.disclosure.dossier_key, entry.seq), record.commitment)
            same("entry", "the mirror's entry", held.hex(), made.hex())
            covering = expected.covering(entry.index)
            anchored_ms = covering.anchored_ms if covering else expected.now_ms
            self._check(record, entry, parse_entry(held).commitment, anchored_ms)
        except NotFound as error:
            return Finding.NOT_FOUND, str(error)
        except Unpinned as error:
            return Finding.UNVERIFIABLE, str(error)
        except (Unverified, Malformed) as error:
            return Finding.INCONSISTENT, str(error)
        return Finding.CONSISTENT, ""

    def _check(self, record: Record, entry: ManifestEntry, commitment: bytes, anchored_ms: int) -> None:
        check_record(
            record,
            entry=entry,
            lender=self._lender,
            dossier=self._need().disclosure.dossier,
            commitment=commitment,
            anchored_ms=anchored_ms,
            trust=self._trust,
        )

    def _close_record(self) -> Iterator[Judged]:
        """All payloads are here, or never will be: the verdict precedes any display."""
        open_ = self._open
        if open_ is None:
            return
        self._open = None
        missing = [p.name for p in open_.record.payloads if p.name not in open_.payloads]
        if missing and open_.verdict in (Finding.CONSISTENT, Finding.PENDING_FINALITY):
            open_.verdict, open_.reason = Finding.INCONSISTENT, f"payload {missing[0]} is missing"
        yield Judged(seq=open_.record.seq, kind=open_.record.kind, verdict=open_.verdict, reason=open_.reason)

    def _start_payload(self, start: PayloadStart) -> None:
        self._start = self._file.tell()
        self._digest = hashlib.sha256()
        self._crc = 0

    def _write(self, data: memoryview) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._crc = zlib.crc32(data, self._crc)

    def _end_payload(self, end: PayloadEnd) -> None:
        if self._open is None:
            raise RuntimeError("no payload is open")
        size = self._file.tell() - self._start
        digest = self._digest.hexdigest()
        declared = next(p for p in self._open.record.payloads if p.name == end.name)
        if digest != declared.sha256 and self._open.verdict is not Finding.INCONSISTENT:
            self._open.verdict = Finding.INCONSISTENT
            self._open.reason = f"payload {end.name} was changed: its digest is not that of the signed record"
        self._open.payloads.add(end.name)
        self.parts.append(
            StagedPart(
                name=payload_part(end.seq, end.name),
                size=size,
                sha256=digest,
                crc32=self._crc,
                content=self._start,
            )
        )

    def _stage(self, name: str, data: bytes) -> None:
        part = StagedPart.of(name, data)
        self.parts.append(replace(part, content=self._file.tell()))
        self._file.write(data)

    def _need(self) -> Expectation:
        if self._expected is None:
            raise RuntimeError("a record came before the court had looked up the tags")
        return self._expected

    def close(self) -> None:
        """Close the staging file: everything is in it, or the stream broke."""
        self._file.close()
