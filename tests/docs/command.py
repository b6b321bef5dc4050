"""The `courtrelay` command as it is, and as documents write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import typer

from relay.cli.main import app
from tests.docs.texts import ROOT, documents, fences, spans, text

_CALL: Final = re.compile(r"(?<![\w./@-])courtrelay ((?:[^\n|;&<>#`]|\\\n|[a-z]\|[a-z])*)")
_OPTION: Final = re.compile(r"--[a-z][a-z0-9-]*")
DEPLOYED: Final = (".yaml", ".yml", ".service", ".toml", "Dockerfile")


@dataclass(frozen=True)
class Said:
    """A call as somebody wrote it: where, and the words after `courtrelay`."""

    where: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: courtrelay {' '.join(self.words)}"


@cache
def verbs() -> dict[tuple[str, ...], frozenset[str]]:
    """Every verb by its words → its options."""
    return dict(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], frozenset[str]]]:
    if hasattr(command, "list_commands"):
        around = typer.Context(command)
        for name in command.list_commands(around):
            yield from _walk(command.get_command(around, name), (*path, name))
        return
    options = {text for one in command.params for text in (*one.opts, *one.secondary_opts) if text.startswith("--")}
    yield path, frozenset({*options, "--help"})


def groups() -> frozenset[tuple[str, ...]]:
    """Words that a verb begins with and that are none."""
    return frozenset(path[:length] for path in verbs() for length in range(len(path)))


def said() -> list[Said]:
    """Every call in the documents and in what is deployed."""
    found = []
    for path in documents():
        where = str(path.relative_to(ROOT))
        for code in (*fences(path, "sh"), *spans(path)):
            found += [Said(where, words) for words in _calls(code)]
    for path in sorted((ROOT / "deploy").rglob("*")):
        if path.is_file() and path.name.endswith(DEPLOYED):
            found += [Said(str(path.relative_to(ROOT)), words) for words in _calls(_commands_of(path))]
    return found


def _commands_of(path: Path) -> str:
    """What is run, not what is said: units start a program by its path, comments quote it."""
    whole = text(path).replace("/bin/courtrelay", " courtrelay")
    if path.suffix == ".service":
        return "\n".join(line for line in whole.splitlines() if line.startswith("Exec"))
    return "\n".join(_quoted(whole))


def _quoted(whole: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", whole)


def _calls(code: str) -> Iterator[tuple[str, ...]]:
    for body in _CALL.findall(code):
        words = body.replace("\\\n", " ").replace("[", " ").replace("]", " ").split()
        if words:
            yield tuple(words)


def resolve(call: Said) -> tuple[list[tuple[str, ...]], str]:
    """The verbs that a call names, and what is wrong with it ("" for nothing).

    `batch check, run, report` and `setup custodian|court` name several; a group alone and `relay …` name none.
    """
    path: tuple[str, ...] = ()
    words = list(call.words)
    while words and path in groups():
        listed = _alternatives(words)
        known = [one for one in listed if (*path, one) in verbs() or (*path, one) in groups()]
        if listed == ["…"] or (listed[0].startswith("-") and not path):
            return [], ""
        if known != listed:
            return [], f"no {' '.join([*path, *listed])}"
        if len(listed) > 1:
            return [(*path, one) for one in listed if (*path, one) in verbs()], ""
        path = (*path, listed[0])
    if path not in verbs():
        return [], ""
    wrong = [option for word in words for option in _OPTION.findall(word) if word.startswith("--")]
    wrong = [option for option in wrong if option not in verbs()[path]]
    return [path], f"no option {', '.join(wrong)} of {' '.join(path)}" if wrong else ""


def _alternatives(words: list[str]) -> list[str]:
    """Takes the next word off, with its alternatives: after bars or commas."""
    found = words.pop(0).rstrip(".:").split("|")
    while found[-1].endswith(","):
        found[-1] = found[-1][:-1]
        if not words:
            break
        found.append(words.pop(0))
    return found
