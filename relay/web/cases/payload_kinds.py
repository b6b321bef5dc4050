"""How a payload may be shown: by its declared media type when that is on the list and its first bytes agree, else as bytes.

Whatever can hold active content (SVG, HTML, XML, office files, anything unknown) is never given to the browser to interpret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal

Way = Literal["image", "audio", "video", "pdf", "text", "bytes"]
HEAD_BYTES: Final = 64 * 1024
"""So much of a payload's beginning decides, and is shown of one that can be shown as bytes only."""
HEX_BYTES: Final = 1024


def _begins(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(signatures)


def _riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _iso_media(head: bytes) -> bool:
    """ISO/IEC 14496-12: a `ftyp` box first."""
    return head[4:8] == b"ftyp"


def _mpeg_audio(head: bytes) -> bool:
    """An ID3 tag, or a frame's eleven sync bits."""
    return head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


_EBML: Final = _begins(b"\x1a\x45\xdf\xa3")
_ALLOWED: Final[Mapping[str, tuple[Way, Callable[[bytes], bool]]]] = {
    "image/png": ("image", _begins(b"\x89PNG\r\n\x1a\n")),
    "image/jpeg": ("image", _begins(b"\xff\xd8\xff")),
    "image/gif": ("image", _begins(b"GIF87a", b"GIF89a")),
    "image/webp": ("image", _riff(b"WEBP")),
    "audio/wav": ("audio", _riff(b"WAVE")),
    "audio/x-wav": ("audio", _riff(b"WAVE")),
    "audio/mpeg": ("audio", _mpeg_audio),
    "audio/ogg": ("audio", _begins(b"OggS")),
    "audio/flac": ("audio", _begins(b"fLaC")),
    "audio/mp4": ("audio", _iso_media),
    "audio/webm": ("audio", _EBML),
    "video/mp4": ("video", _iso_media),
    "video/webm": ("video", _EBML),
    "video/ogg": ("video", _begins(b"OggS")),
    "application/pdf": ("pdf", _begins(b"%PDF-")),
}
_TEXTS: Final = frozenset({"text/plain", "text/csv", "application/json"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def way_of(media_type: str, head: bytes) -> Way:
    """How to show it; `bytes` for all that is not allowed, or is not what its media type says."""
    allowed = _ALLOWED.get(media_type)
    if allowed is not None:
        return allowed[0] if allowed[1](head) else "bytes"
    return "text" if media_type in _TEXTS and text_of(head) is not None else "bytes"


def agrees(media_type: str, head: bytes) -> bool:
    """Whether the bytes can be what the media type says, as far as it is known here."""
    allowed = _ALLOWED.get(media_type)
    return allowed is None or allowed[1](head)


def text_of(head: bytes) -> str | None:
    """The bytes as text, when they are UTF-8 without control characters; a character cut off at the end is left out."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(head) < HEAD_BYTES or error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8-sig")
    return None if _CONTROL.search(text) else text


def hex_of(head: bytes) -> str:
    """Offset, sixteen bytes in hex, and those that are visible ASCII, a line for each sixteen."""
    lines = []
    for start in range(0, min(len(head), HEX_BYTES), 16):
        row = head[start : start + 16]
        shown = "".join(chr(b) if 0x20 < b < 0x7F else "·" for b in row)
        lines.append(f"{start:06x}  {row.hex(' '):<47}  {shown}")
    return "\n".join(lines)
