"""A disclosure while it arrives: every chunk is opened and staged, every record judged against the court's own mirror.

Synchronous, for a worker thread: only `Arrival.expect` comes from outside, between the manifest and the first record. What is staged is
judged again from its beginning after a restart, with no chunk asked for twice.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from relay.core.bundle import payload_part, record_part
from relay.core.checks import absent_payload, check_record, check_scope, check_sent_payload, same
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
from relay.core.grants import Grant
from relay.core.records import Record
from relay.core.sealing import StreamOpener
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding
from relay.ports.common import LogFiles
from relay.services.court.bundle_file import StagedPart
from relay.services.court.staging import Staging


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
    grant: Grant
    positions: tuple[int | None, ...]
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
    """Feed chunks in order; yields the manifest's token once (answer with `expect`), then `Judged` rows."""

    def __init__(self, opener: StreamOpener, staging: Staging, trust: TrustRoots, lender: str) -> None:
        self._opener = opener
        self._decoder = FrameDecoder()
        self._staging = staging
        self._start = 0
        self._trust = trust
        self._lender = lender
        self._expected: Expectation | None = None
        self._open: _Open | None = None
        self._digest: Any = None
        self._crc = 0
        self.parts: list[StagedPart] = []
        self.records: dict[int, Record] = {}
        self.chunks = 0
        self.bytes = 0

    @property
    def bytes_total(self) -> int:
        """Plaintext bytes that the stream's header says."""
        return self._opener.plaintext_bytes

    @property
    def complete(self) -> bool:
        """Every chunk is here."""
        return self._opener.complete

    def expect(self, expected: Expectation) -> None:
        """The court has looked up the tags."""
        self._expected = expected

    def feed(self, chunk: bytes) -> Iterator[str | Judged]:
        """Judgements that this chunk completes; a `str` is the manifest's token. Raises `Malformed`, `Unverified`."""
        plaintext = self._opener.open(chunk)
        self._staging.add(plaintext)
        yield from self._read(plaintext)

    def again(self) -> Iterator[str | Judged]:
        """The same for what is staged already."""
        while not self._opener.complete:
            size = self._opener.next_size
            plaintext = self._staging.read(size)
            if plaintext is None:
                return
            self._opener.skip()
            yield from self._read(plaintext)

    def _read(self, plaintext: bytes) -> Iterator[str | Judged]:
        self.chunks += 1
        self.bytes += len(plaintext)
        for event in self._decoder.feed(plaintext):
            yield from self._take(event)
        if self._opener.complete:
            self._decoder.finish()

    def finish(self) -> None:
        """Raises `Unverified` unless the last chunk is here."""
        self._opener.finish()

    def _take(self, event: Event) -> Iterator[str | Judged]:
        if isinstance(event, PayloadData):
            self._hash(event.data)
        elif isinstance(event, ManifestFrame):
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
        entry = self._need().disclosure.entry(record.seq)
        if entry is None:
            raise Unverified("disclosure", f"seq {record.seq} arrived, which the lender's list does not name")
        if entry.status != "disclosed":
            raise Unverified(
                "disclosure", f"seq {record.seq} arrived, though the lender's list calls it {entry.status}"
            )
        verdict, reason = self._judge(record, entry)
        self._open = _Open(record=record, entry=entry, verdict=verdict, reason=reason)
        self.records[record.seq] = record
        data = frame.text.encode("ascii")
        part = StagedPart.of(record_part(record.seq, "record.sd-jwt"), data)
        # its body has just been read: it stands in the staged plaintext as it is
        self.parts.append(replace(part, content=self._decoder.position - len(data)))

    def _judge(self, record: Record, entry: ManifestEntry) -> tuple[Finding, str]:
        """The record against the court's mirror and the lender's key."""
        expected = self._need()
        try:
            if entry.index >= expected.mirror_size or expected.covering(entry.index) is None:
                self._check(record, entry, record.commitment, expected.now_ms)
                return Finding.PENDING_FINALITY, "no checkpoint that the court ledger accepted covers it yet"
            position = expected.positions[entry.seq] if entry.seq < len(expected.positions) else None
            if position is None:
                raise NotFound("its tag is not in the court's mirror of the log")
            same("entry", "its log index", entry.index, position)
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
        check_scope(record, entry, self._need().grant)

    def _close_record(self) -> Iterator[Judged]:
        """All payloads are here, or never will be: the verdict precedes any display."""
        open_ = self._open
        if open_ is None:
            return
        self._open = None
        for payload in open_.record.payloads:
            if payload.name not in open_.payloads and open_.verdict in (Finding.CONSISTENT, Finding.PENDING_FINALITY):
                finding, reason = absent_payload(payload.name, open_.entry)
                if finding is not Finding.CONSISTENT:
                    open_.verdict, open_.reason = finding, reason
        yield Judged(seq=open_.record.seq, kind=open_.record.kind, verdict=open_.verdict, reason=open_.reason)

    def _start_payload(self, start: PayloadStart) -> None:
        self._start = self._decoder.position
        self._digest = hashlib.sha256()
        self._crc = 0
        if self._open is not None:
            try:
                check_sent_payload(start.digest.name, self._open.entry, self._need().grant)
            except Unverified as error:
                self._fail(str(error))

    def _hash(self, data: memoryview) -> None:
        self._digest.update(data)
        self._crc = zlib.crc32(data, self._crc)

    def _end_payload(self, end: PayloadEnd) -> None:
        if self._open is None:
            raise RuntimeError("no payload is open")
        size = self._decoder.position - self._start
        digest = self._digest.hexdigest()
        declared = next(p for p in self._open.record.payloads if p.name == end.name)
        if digest != declared.sha256:
            self._fail(f"payload {end.name} was changed: its digest is not that of the signed record")
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

    def _fail(self, reason: str) -> None:
        """The first contradiction of a record stays."""
        if self._open is not None and self._open.verdict is not Finding.INCONSISTENT:
            self._open.verdict, self._open.reason = Finding.INCONSISTENT, reason

    def _need(self) -> Expectation:
        if self._expected is None:
            raise RuntimeError("a record came before the court had looked up the tags")
        return self._expected
