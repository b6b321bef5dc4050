"""The project's documents as data: files, pieces of code, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FENCE: Final = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"\]\(([^()\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_PLACE: Final = re.compile(r"(?:docs|deploy|tests|relay|proto|adapters|bench)/[\w./-]*\w/?|[A-Z]+\.md")


@cache
def documents() -> tuple[Path, ...]:
    """Every Markdown file of the project."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return tuple(sorted(path for path in found if ".venv" not in path.parts))


@cache
def text(path: Path) -> str:
    """A file's text."""
    return path.read_text(encoding="utf-8")


def fences(path: Path, language: str = "") -> list[str]:
    """Bodies of fenced blocks; with a language, of those whose first word it is."""
    return [body for _, kind, body in _FENCE.findall(text(path)) if not language or kind.split()[:1] == [language]]


def prose(path: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text(path))


def spans(path: Path) -> list[str]:
    """Inline code."""
    return _SPAN.findall(prose(path))


def links(path: Path) -> Iterator[tuple[str, str]]:
    """(file, anchor) of each link that leads to a file; no file: the document itself."""
    for target in _LINK.findall(_SPAN.sub("", prose(path))):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield file, anchor


@cache
def anchors(path: Path) -> frozenset[str]:
    """What headings can be linked to, as GitHub makes it: lower case, without punctuation, hyphens for spaces."""
    plain = (re.sub(r"[^\w \-]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(prose(path)))
    return frozenset(plain)


def places(path: Path) -> list[str]:
    """Files and folders of the project that inline code names."""
    return [span for span in spans(path) if _PLACE.fullmatch(span)]
