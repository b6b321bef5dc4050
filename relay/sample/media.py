"""Recordings and images as real files without a codec: PCM in RIFF/WAVE, PNG with stored deflate blocks."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from typing import Final

from relay.sample.dice import Dice

RATE_HZ: Final = 8000
_STORED_MAX: Final = 65_535


def recording(dice: Dice, seconds: int) -> bytes:
    """Speech-like tones, mono, 16 bit, 8 kHz."""
    samples = bytearray()
    for _ in range(seconds * 4):
        tone = dice.between(110, 320)
        loud = dice.between(1500, 9000)
        for i in range(RATE_HZ // 4):
            swell = math.sin(math.pi * i / (RATE_HZ // 4))
            samples += struct.pack("<h", int(loud * swell * math.sin(2 * math.pi * tone * i / RATE_HZ)))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(bytes(samples))
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
