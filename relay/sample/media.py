"""Recordings and images as real files without a codec: PCM in RIFF/WAVE, PNG with stored deflate blocks.

Integers only: a sine of the C library may differ in its last bit from one machine to the next.
"""

from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import Final

from relay.sample.dice import Dice

RATE_HZ: Final = 8000
PARTS_PER_SECOND: Final = 4
WAVE_HEADER_BYTES: Final = 44
_TURN: Final = 1 << 16
"""One period of a tone, in units of phase."""
_STORED_MAX: Final = 65_535


def recording(dice: Dice, seconds: int) -> bytes:
    """Speech-like tones, mono, 16 bit, 8 kHz."""
    count = RATE_HZ // PARTS_PER_SECOND
    samples: list[int] = []
    for _ in range(seconds * PARTS_PER_SECOND):
        step = dice.between(110, 320) * _TURN // RATE_HZ
        loud = dice.between(1500, 9000)
        samples += [loud * _swell(i, count) * _tone(i * step) >> 30 for i in range(count)]
    return _riff(struct.pack(f"<{len(samples)}h", *samples), bytes_per_sample=2)


def _tone(phase: int) -> int:
    """Two parabolas for the two halves of a period; -2^15 to 2^15."""
    half = phase % (_TURN // 2)
    height = half * (_TURN // 2 - half) >> 13
    return -height if phase % _TURN >= _TURN // 2 else height


def _swell(i: int, count: int) -> int:
    """Rises and falls once over `count` samples; 0 to 2^15."""
    return (i * (count - i) << 17) // (count * count)


def noise(data: bytes) -> bytes:
    """A recording, mono, 8 bit, 8 kHz, whose samples are these bytes; `WAVE_HEADER_BYTES` longer than they are."""
    return _riff(data, bytes_per_sample=1)


def _riff(samples: bytes, *, bytes_per_sample: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(bytes_per_sample)
        file.setframerate(RATE_HZ)
        file.writeframes(samples)
    return out.getvalue()


def image(dice: Dice, width: int = 200, height: int = 120) -> bytes:
    """A grey scale picture of soft noise, as a camera in bad light makes it."""
    grain = dice.data(width * height)
    shade = dice.between(60, 160)
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        rows += bytes(min(255, shade + y // 4 + grain[y * width + x] % 24) for x in range(width))
    header = struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", _stored(bytes(rows))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4): no compressor's version can change it."""
    out = bytearray(b"\x78\x01")
    for start in range(0, len(data), _STORED_MAX):
        block = data[start : start + _STORED_MAX]
        last = start + _STORED_MAX >= len(data)
        out += struct.pack("<BHH", int(last), len(block), len(block) ^ 0xFFFF) + block
    return bytes(out) + struct.pack(">L", zlib.adler32(data))
