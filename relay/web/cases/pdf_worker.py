"""Run by file, not imported: a PDF on stdin, on stdout how many pages it has or one of them as PNG. `pdf_worker.py count | <page>`.

A process of its own with no environment, no more files, bounded memory and time: a PDF that breaks PDFium breaks this alone. PDFium
as it is built for pypdfium2 has no script engine; forms are not filled in and nothing is fetched.
"""

from __future__ import annotations

import resource
import struct
import sys
import zlib

CPU_S = 10
MEMORY_BYTES = 1024**3
PIXELS_MAX = 4_000_000
WIDTH_PX = 1100
EXIT_REFUSED = 3


def main() -> int:
    """0, or 3 for a PDF that cannot be shown."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read()
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            if sys.argv[1] == "count":
                out = str(len(document)).encode()
            else:
                out = _page(document, int(sys.argv[1]))
    except (pypdfium2.PdfiumError, MemoryError, IndexError, ValueError):
        return EXIT_REFUSED
    sys.stdout.buffer.write(out)
    return 0


def _page(document: object, number: int) -> bytes:
    """One page as PNG, no wider than WIDTH_PX and of no more than PIXELS_MAX pixels."""
    page = document[number]  # type: ignore[index]  # pypdfium2 is not typed
    width, height = page.get_size()
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise ValueError("a page without a size")
    scale = min(WIDTH_PX / width, (PIXELS_MAX / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale, may_draw_forms=False, rev_byteorder=True, prefer_bgrx=False)
    return _png(bitmap.width, bitmap.height, bitmap.stride, bytes(bitmap.buffer), bitmap.n_channels)


def _png(width: int, height: int, stride: int, data: bytes, channels: int) -> bytes:
    """ISO/IEC 15948: 8 bits a sample, no filter."""
    colour = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + data[y * stride : y * stride + width * channels] for y in range(height))
    header = struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 6)) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    sys.exit(main())
