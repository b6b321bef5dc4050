"""docs/operate.md as a list of steps: what runs on which host, and what is carried between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/operate.md"
HOSTS = ("authority", "lender-ledger", "court-ledger", "lender", "relay", "court")
MAKING = ("clone", "every")
"""Where the wheel is built, and where it is installed: every host alike."""
_FENCE = re.compile(r"^```(sh|text) ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One block. `host` is empty for what is carried; `until`: again and again until it succeeds."""

    line: int
    host: str
    until: bool
    body: str


@dataclass(frozen=True)
class Carried:
    """One file that leaves a host."""

    from_host: str
    from_path: str
    to_host: str
    to_path: str


def steps(text: str) -> list[Step]:
    """All marked blocks, in order. A mark that means nothing fails: a block that nobody runs would rot."""
    found = []
    for match in _FENCE.finditer(text):
        language, marks, body = match[1], match[2].split(), match[3]
        line = text.count("\n", 0, match.start()) + 1
        if (language, marks) == ("text", ["carry"]):
            found.append(Step(line, "", False, body))
            continue
        host, *mode = marks
        assert language == "sh", f"docs/operate.md:{line}: {language} {marks}"
        assert host in (*HOSTS, *MAKING), f"docs/operate.md:{line}: no such host: {host}"
        assert mode in ([], ["until"]), f"docs/operate.md:{line}: {mode}"
        found.append(Step(line, host, bool(mode), body))
    return found


def carried(step: Step) -> Iterator[Carried]:
    """The files of a block `text carry`: from:path to:path."""
    for row in step.body.splitlines():
        source, target = row.split()
        from_host, _, from_path = source.partition(":")
        to_host, _, to_path = target.partition(":")
        yield Carried(from_host, from_path, to_host, to_path)
