"""`python3 -m tests.words.collect`: texts of pages, reports and commands that a catalogue lacks, and messages that nothing uses.

`--sort` writes the files of all languages again, sorted, and takes out of `more.po` what another file has. Texts are found in templates
(`t("…")`, `w.text("…")`) and in Python (the same, and tables of `Words`); sentences of the core by `tests.words.core`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from relay.words import LANGUAGES
from tests.support.house import ROOT

FOLDER: Final = ROOT / "relay/words/catalogues"
TEMPLATES: Final = ROOT / "relay/web/templates"
MORE: Final = "more.po"
"""Texts that a part's own file lacks."""
CALLED: Final = frozenset({"t", "text"})
SPEAKERS: Final = frozenset({"_w", "speaker", "speaker_of", "w", "words"})
"""What `.text(…)` is asked of for a text of a catalogue; of anything else (a form, a table of settings) it asks for something else."""
TABLES: Final = frozenset({"labels", "meanings", "names", "texts", "words"})
"""Names of tables that a template sets and takes its texts from."""


def po_files(language: str) -> list[Path]:
    """The files of a language."""
    return sorted((FOLDER / language).glob("*.po"))


def read(path: Path) -> list[Message]:
    """The messages of one file in its order."""
    with path.open("rb") as file:
        return [message for message in read_po(file) if message.id]


def key(message: Message) -> tuple[str, str]:
    """By context, then by English."""
    return message.context or "", str(message.id)


def in_templates(folder: Path = TEMPLATES) -> Iterator[tuple[str, str]]:
    """(text, place) of every text that a template asks for, read by the template language's own parser."""
    for path in sorted(folder.rglob("*.html")) if folder.exists() else []:
        parsed = Environment(autoescape=True).parse(path.read_text("utf-8"))
        found = [node for call in parsed.find_all(nodes.Call) if _asks(call) for node in call.args[:1]]
        for one in parsed.find_all(nodes.Assign):
            if isinstance(one.target, nodes.Name) and one.target.name in TABLES and isinstance(one.node, nodes.Dict):
                found += [pair.value for pair in one.node.items]
        for node in found:
            for text in _template_literals(node):
                yield text, f"{path.relative_to(ROOT)}:{node.lineno}"


def _asks(call: nodes.Call) -> bool:
    if isinstance(call.node, nodes.Name):
        return call.node.name in CALLED
    inner = getattr(call.node, "node", None)
    return getattr(call.node, "attr", "") == "text" and isinstance(inner, nodes.Name) and inner.name in SPEAKERS


def _template_literals(node: nodes.Node | None) -> Iterator[str]:
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from _template_literals(node.expr1)
        yield from _template_literals(node.expr2)


def in_python(*folders: str) -> Iterator[tuple[str, str]]:
    """(text, place) of every text that program text asks for by a literal; both ways of `a if b else c`."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and node.args and _spoken(node.func):
                    for text in _literals(node.args[0]):
                        yield text, f"{path.relative_to(ROOT)}:{node.lineno}"


def _spoken(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute) and called.attr == "text":
        asked = called.value.func if isinstance(called.value, ast.Call) else called.value
        return _name(asked) in SPEAKERS
    return _name(called) in CALLED


def _name(called: ast.expr) -> str:
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


SPOKEN: Final = ("relay/web", "relay/report", "relay/services/court", "relay/cli", "relay/app")
"""Where people are spoken to in their language. Names of settings in `relay/config` are read by `.text(…)` too, so it is not here."""


def constants() -> Iterator[tuple[str, str]]:
    """Texts of every module-level table that is annotated as one of texts for people: `Final[dict[…, Words]]`, `Words = "…"`.

    A part that keeps its texts in a table and asks for them by a name annotates the table with `relay.words.Words`.
    """
    for path in sorted((ROOT / "relay").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.AnnAssign) and node.value is not None and "Words" in ast.unparse(node.annotation):
                keys = {id(k) for one in ast.walk(node.value) if isinstance(one, ast.Dict) for k in one.keys if k}
                for one in ast.walk(node.value):
                    if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in keys:
                        yield one.value, f"{path.relative_to(ROOT)}:{one.lineno}"


def asked_for() -> dict[str, str]:
    """Text → one place that asks for it."""
    made: dict[str, str] = {}
    for text, place in (*in_templates(), *in_python(*SPOKEN), *constants()):
        made.setdefault(text, place)
    return made


def sort(path: Path, without: frozenset[tuple[str, str]] = frozenset()) -> None:
    """Write a file again with its messages sorted and one head, without those that stand elsewhere."""
    kept = sorted((message for message in read(path) if key(message) not in without), key=key)
    body = b"".join(b"\n" + rendered(message) for message in kept)
    locale = path.parent.name.replace("-", "_")
    head = f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Language: {locale}\\n"\n'
    path.write_bytes(head.encode("ascii") + body)


def sort_all() -> None:
    """Every file of every language; MORE keeps only what no other file has."""
    for language in LANGUAGES:
        for path in po_files(language):
            others = [key(m) for other in po_files(language) if other.name != MORE for m in read(other)]
            sort(path, frozenset(others) if path.name == MORE else frozenset())


def rendered(message: Message) -> bytes:
    """One message as it stands in a file."""
    lines = [f"msgctxt {quoted(message.context)}"] if message.context else []
    lines += [f"msgid {quoted(str(message.id))}", f"msgstr {quoted(str(message.string))}"]
    return ("\n".join(lines) + "\n").encode("utf-8")


def quoted(text: str) -> str:
    """A PO string on one line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def main() -> int:
    """Print what is missing and what is unused."""
    from tests.words.core import core_shapes, unknown_shapes, unused

    if "--sort" in sys.argv[1:]:
        sort_all()
        return 0
    known = {key(message)[1] for path in po_files("zh-CN") for message in read(path) if not message.context}
    missing = {text: place for text, place in asked_for().items() if text not in known}
    for text, place in sorted(missing.items()):
        print(f"missing  {place}: {text!r}")
    for shape, place in unknown_shapes():
        print(f"no template  {place}: {shape!r}")
    for part, text in unused():
        print(f"unused  {part}: {text!r}")
    print(f"{len(asked_for())} texts, {len(core_shapes())} sentences of the core, {len(missing)} missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
