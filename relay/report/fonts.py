"""The font a report is set in: TrueType outlines only, embedded as a subset, so that it prints alike for decades.

Looked for in this order: the configured file; Debian's fonts-wqy-microhei; Noto Sans SC among the project's tools. Without any of
them an English report is set in the Vera fonts that come with ReportLab, and a Chinese one is refused.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from relay.core.errors import Malformed

DEBIAN: Final = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
NOTO: Final = Path("node_modules/@expo-google-fonts/noto-sans-sc")
HAN: Final = "存"
"""A character that every font for Chinese has."""
FONT_BYTES_MAX: Final = 64 * 1024 * 1024
FONTS_MAX: Final = 8
"""Font files that are kept read: two of each language, and others that were configured before."""


@dataclass(frozen=True, slots=True)
class Fonts:
    """Names under which ReportLab knows them; `bold` is the same as `regular` where the family has none."""

    regular: str
    bold: str
    title: str
    """What the family calls itself, with the beginning of the file's digest: it is told in the report's metadata."""
    chinese: bool

    def has(self, character: str) -> bool:
        """Whether both faces have a glyph for it."""
        return self.has_all(character)

    def has_all(self, text: str) -> bool:
        """The same for every character of a text."""
        return all(_codes(name).issuperset(map(ord, text)) for name in {self.regular, self.bold})


def find_fonts(configured: Path | None, language: str) -> Fonts:
    """The font for a language. Raises `Malformed`: a file that is no such font, or none for Chinese."""
    if configured is not None:
        found = load(configured, configured)
        if language == "zh-CN" and not found.chinese:
            raise Malformed(str(configured), "report.font", "has no Chinese characters")
        return found
    noto = Path(sys.prefix) / "tools" / NOTO
    places = (
        (DEBIAN, DEBIAN),
        (noto / "400Regular/NotoSansSC_400Regular.ttf", noto / "700Bold/NotoSansSC_700Bold.ttf"),
    )
    for regular, bold in places:
        if regular.is_file() and bold.is_file():
            return load(regular, bold)
    if language == "zh-CN":
        raise Malformed(
            "report",
            "font",
            "there is none with Chinese characters: install fonts-wqy-microhei, or set report.font to a TrueType file",
        )
    vera = Path(str(files("reportlab").joinpath("fonts")))
    return load(vera / "Vera.ttf", vera / "VeraBd.ttf")


def load(regular: Path, bold: Path) -> Fonts:
    """Register two files, once. Raises `Malformed`."""
    name, heavy = _register(regular), _register(bold)
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return Fonts(regular=name, bold=heavy, title=f"{name.split('/')[0]} {digest}", chinese=ord(HAN) in _codes(name))


@lru_cache(maxsize=FONTS_MAX)
def _register(path: Path) -> str:
    try:
        if path.stat().st_size > FONT_BYTES_MAX:
            raise Malformed(str(path), "report.font", f"is bigger than {FONT_BYTES_MAX} bytes")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name = f"{path.stem}/{digest}"
        font = TTFont(name, str(path), subfontIndex=0)
    except (OSError, TTFError, ValueError, IndexError) as error:
        raise Malformed(str(path), "report.font", f"is no font with TrueType outlines: {error}") from None
    pdfmetrics.registerFont(font)
    return name


@lru_cache(maxsize=FONTS_MAX)
def _codes(name: str) -> frozenset[int]:
    font: Any = pdfmetrics.getFont(name)
    return frozenset(font.face.charToGlyph)
