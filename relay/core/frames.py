"""Frames of a disclosure's plaintext: an encoder that copies no payload, and a strict incremental decoder.

Frame = uint8 type ‖ uint32be header length ‖ header (JCS) ‖ uint64be body length ‖ body. Order: manifest, then records
in the order of their sequence numbers, each followed by its payloads in the record's order, then the end frame.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Malformed
from relay.core.jose import ascii_text
from relay.core.limits import (
    FRAME_HEADER_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    RECORDS_PER_DOSSIER_MAX,
    SD_JWT_BYTES_MAX,
)
from relay.core.records import PAYLOAD_NAME, PayloadDigest, Record, parse_sd_jwt

_WHAT: Final = "disclosure"
_PREFIX_BYTES: Final = 5
_LENGTH_BYTES: Final = 8


class _Type(enum.IntEnum):
    MANIFEST = 1
    RECORD = 2
    PAYLOAD = 3
    END = 4


_BODY_BYTES_MAX: Final = {
    _Type.MANIFEST: MANIFEST_BYTES_MAX,
    _Type.RECORD: SD_JWT_BYTES_MAX,
    _Type.PAYLOAD: PAYLOAD_BYTES_MAX,
    _Type.END: 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFrame:
    """The manifest's compact JWS, not yet parsed."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFrame:
    """A record, parsed but not verified, and its SD-JWT text as it came."""

    record: Record
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadStart:
    """A payload of the record before it begins; `digest` is what that record says of it."""

    seq: int
    digest: PayloadDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadData:
    """The next bytes of the payload: a view of what was fed."""

    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadEnd:
    """The payload has all its bytes; whether they match the digest is for the reader to check."""

    seq: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Nothing follows. `frames` came before."""

    frames: int


Buffer = bytes | bytearray | memoryview
Event = ManifestFrame | RecordFrame | PayloadStart | PayloadData | PayloadEnd | End


class FrameEncoder:
    """Writes the frames of one disclosure in order. Wrong order or sizes are RuntimeError: they are our own fault."""

    def __init__(self) -> None:
        self._frames = 0
        self._ended = False

    def manifest(self, token: str) -> bytes:
        """The first frame."""
        if self._frames:
            raise RuntimeError("the manifest comes first and once")
        return self._frame(_Type.MANIFEST, {}, len(token)) + token.encode("ascii")

    def record(self, seq: int, text: str) -> bytes:
        """A record's SD-JWT text."""
        return self._frame(_Type.RECORD, {"seq": seq}, len(text)) + text.encode("ascii")

    def payload_head(self, seq: int, name: str, size: int) -> bytes:
        """Head of a payload frame. The caller puts exactly `size` bytes behind it."""
        return self._frame(_Type.PAYLOAD, {"seq": seq, "name": name}, size)

    def end(self) -> bytes:
        """The last frame."""
        frames = self._frames
        head = self._frame(_Type.END, {"frames": frames}, 0)
        self._ended = True
        return head

    def _frame(self, kind: _Type, header: dict[str, object], body_bytes: int) -> bytes:
        if self._ended:
            raise RuntimeError("nothing follows the end frame")
        if not self._frames and kind is not _Type.MANIFEST:
            raise RuntimeError("the manifest comes first")
        if body_bytes > _BODY_BYTES_MAX[kind]:
            raise RuntimeError(f"{body_bytes} bytes are too many for a {kind.name.lower()} frame")
        self._frames += 1
        data = dumps(header)
        return bytes((kind,)) + len(data).to_bytes(4, "big") + data + body_bytes.to_bytes(8, "big")


class _Part(enum.Enum):
    """What the decoder reads next."""

    PREFIX = "frame type and header length"
    HEADER = "frame header"
    LENGTH = "body length"
    BODY = "body"
    PAYLOAD = "payload"
    NOTHING = "nothing"


class FrameDecoder:
    """Reads frames from plaintext in pieces of any size. After `Malformed` it must not be used again.

    At most one frame that is not a payload is held in memory; payload bytes pass through as views.
    """

    def __init__(self) -> None:
        self.position = 0
        """Bytes read before the event that is being delivered ends: a payload begins here, a record's body has just ended."""
        self._held = bytearray()
        self._need = _PREFIX_BYTES
        self._part = _Part.PREFIX
        self._kind = _Type.MANIFEST
        self._header = Fields({}, what=_WHAT)
        self._frames = 0
        self._seq = -1
        self._payloads: list[PayloadDigest] = []
        self._payload: PayloadDigest | None = None

    def feed(self, plaintext: bytes) -> Iterator[Event]:
        """Events that these bytes complete, in order. Consume the iterator before the next call. Raises `Malformed`.

        Events before a malformed place are delivered before the error.
        """
        rest = memoryview(plaintext)
        while len(rest):
            if self._part is _Part.NOTHING:
                raise Malformed(_WHAT, self._place(), "bytes follow the end frame")
            taken = rest[: self._need]
            rest = rest[len(taken) :]
            self.position += len(taken)
            self._need -= len(taken)
            if self._part is _Part.PAYLOAD:
                yield PayloadData(data=taken)
                if not self._need:
                    yield self._payload_end()
                continue
            self._held += taken
            if not self._need:
                data = bytes(self._held)
                self._held.clear()
                yield from self._advance(data)

    def finish(self) -> None:
        """Raises `Malformed` unless the end frame was read."""
        if self._part is not _Part.NOTHING:
            raise Malformed(_WHAT, self._place(), f"breaks off: {self._need} more bytes of {self._part.value} expected")

    def _place(self) -> str:
        return f"frame {self._frames}"

    def _expect(self, part: _Part, size: int) -> None:
        self._part = part
        self._need = size

    def _advance(self, data: bytes) -> Iterator[Event]:
        """One part is complete."""
        if self._part is _Part.PREFIX:
            self._kind = self._next_kind(data[0])
            size = int.from_bytes(data[1:], "big")
            if not 2 <= size <= FRAME_HEADER_BYTES_MAX:
                reason = f"{size} bytes; must be 2 to {FRAME_HEADER_BYTES_MAX}"
                raise Malformed(_WHAT, f"{self._place()} header", reason)
            self._expect(_Part.HEADER, size)
        elif self._part is _Part.HEADER:
            what = f"{_WHAT} {self._place()} header"
            self._header = Fields(loads(data, what=what, bytes_max=FRAME_HEADER_BYTES_MAX), what=what)
            self._expect(_Part.LENGTH, _LENGTH_BYTES)
        elif self._part is _Part.LENGTH:
            yield from self._begin_body(int.from_bytes(data, "big"))
        else:
            yield self._whole_body(data)

    def _next_kind(self, number: int) -> _Type:
        allowed = {_Type.MANIFEST} if not self._frames else {_Type.RECORD, _Type.PAYLOAD, _Type.END}
        if number not in allowed:
            names = ", ".join(str(int(kind)) for kind in sorted(allowed))
            raise Malformed(_WHAT, f"{self._place()} type", f"is {number}; here only {names} may stand")
        return _Type(number)

    def _begin_body(self, size: int) -> Iterator[Event]:
        if size > _BODY_BYTES_MAX[self._kind]:
            raise Malformed(_WHAT, f"{self._place()} body", f"{size} bytes; at most {_BODY_BYTES_MAX[self._kind]}")
        if self._kind is _Type.PAYLOAD:
            yield self._payload_start(size)
            if not size:
                yield self._payload_end()
        elif self._kind is _Type.END:
            yield self._end()
        elif not size:
            raise Malformed(_WHAT, f"{self._place()} body", "must not be empty")
        else:
            self._expect(_Part.BODY, size)

    def _payload_start(self, size: int) -> PayloadStart:
        seq = self._header.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1)
        name = self._header.matching("name", PAYLOAD_NAME, "a payload's file name")
        self._header.done()
        if seq != self._seq:
            raise self._header.refuse("seq", f"is {seq}, but the record before it is {self._seq}")
        # what stands before it in the record's list may be missing, but may not come later
        while self._payloads and self._payloads[0].name != name:
            self._payloads.pop(0)
        if not self._payloads:
            raise self._header.refuse("name", f"{name} is no payload of record {seq}, or out of the record's order")
        self._payload = self._payloads.pop(0)
        if size != self._payload.size:
            raise Malformed(_WHAT, f"{self._place()} body", f"{size} bytes; the record says {self._payload.size}")
        self._expect(_Part.PAYLOAD, size)
        return PayloadStart(seq=seq, digest=self._payload)

    def _payload_end(self) -> PayloadEnd:
        if self._payload is None:
            raise RuntimeError("no payload is being read")
        ended = PayloadEnd(seq=self._seq, name=self._payload.name)
        self._payload = None
        self._next_frame()
        return ended

    def _end(self) -> End:
        frames = self._header.integer("frames")
        self._header.done()
        if frames != self._frames:
            raise self._header.refuse("frames", f"is {frames}, but {self._frames} frames came before")
        self._expect(_Part.NOTHING, 0)
        return End(frames=frames)

    def _whole_body(self, data: bytes) -> Event:
        if self._kind is _Type.MANIFEST:
            self._header.done()
            token = ascii_text(data, "disclosure manifest")
            self._next_frame()
            return ManifestFrame(token=token)
        seq = self._header.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1)
        self._header.done()
        if seq <= self._seq:
            raise self._header.refuse("seq", f"is {seq}, which does not come after {self._seq}")
        record = parse_sd_jwt(data)
        if record.seq != seq:
            raise self._header.refuse("seq", f"is {seq}, but the record in the frame is {record.seq}")
        self._seq = seq
        self._payloads = list(record.payloads)
        self._next_frame()
        return RecordFrame(record=record, text=data.decode("ascii"))

    def _next_frame(self) -> None:
        self._frames += 1
        self._expect(_Part.PREFIX, _PREFIX_BYTES)
