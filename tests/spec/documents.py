"""Reads docs/spec: fenced examples by name, tables by their first column, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "spec"
_FENCE: Final = re.compile(r"^```(?:json|text) example=([a-z0-9-]+)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([a-z-]*(?:README)?(?:\.md)?)(?:#([a-z0-9-]+))?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One fenced block: where it stands and its text without the last newline."""

    document: str
    name: str
    text: str


def read_examples() -> list[Example]:
    """Every named block of every document, in order."""
    return [
        Example(document=path.name, name=name, text=text)
        for path in sorted(FOLDER.glob("*.md"))
        for name, text in _FENCE.findall(path.read_text(encoding="utf-8"))
    ]


def example_texts() -> dict[str, str]:
    """Name → text."""
    return {example.name: example.text for example in read_examples()}


def rows(document: str) -> dict[str, str]:
    """First column (in backticks) → second column, of all tables of a document."""
    return {name: value.strip() for name, value in _ROW.findall((FOLDER / document).read_text(encoding="utf-8"))}


def links(document: Path) -> list[tuple[str, str]]:
    """(file, anchor) of every link inside the folder; an empty file is the document itself."""
    return [(file or document.name, anchor) for file, anchor in _LINK.findall(document.read_text(encoding="utf-8"))]


def anchors(document: Path) -> set[str]:
    """What headings of a document can be linked to."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
