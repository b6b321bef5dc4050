"""The sentences that verification and retrieval can say, read from the program text of every module they stand on."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from typing import Final

from relay.core.verdict import Finding
from relay.services.custodian.planning import MEDIATION, OUT_OF_SCOPE, PRIVILEGED
from relay.words import speaker
from tests.support.house import ROOT
from tests.words.collect import asked_for, key, po_files, read
from tests.words.shapes import PLACE, as_shape, shapes_of

STARTS: Final = (
    "relay.core.verify",
    "relay.core.view",
    "relay.core.frames",
    "relay.core.report_check",
    "adapters.embedded.proof",
    "adapters.evm.proof",
    "adapters.tlog.proof",
)
"""What judges a bundle, what reads a disclosure as it arrives, and the ledger proofs' verifiers."""
BY_HAND: Final[dict[str, tuple[str, ...]]] = {
    "no pinned key valid at that time signed this checkpoint{}": (
        "no pinned key valid at that time signed this checkpoint",
        "{}, which did, {}",
    ),
}
"""Shapes whose last place is a row of further sentences, each of which is given by itself."""
NOT_SAID: Final = frozenset(
    {
        "{}: {}: {}",  # how an error puts its three members together
        "{}: {}",  # the same with two
        "bytes | list[Item]",  # types
        "bytes | Sequence[Encodable]",
        "cosignature/v1\ntime {}\n{}",  # bytes that are signed, and lines of files
        "index {}",
        'data: "',  # how a library's message is cut
        'reason: "',
        "{} to {}",  # a period inside a sentence
        "trust roots: ledgers[{}].validators[{}]",  # a place in a file, behind its name
        "courtrelay verify BUNDLE --trust TRUST",  # what a report prints as it is
        "courtrelay-report/v1 {}/{}",
        "not run",  # a step's result: has a name of its own
    }
)
CONTINUES: Final = (" ", ";", ",")
"""A shape that begins so is the tail of another one, which is found with it."""


def modules(starts: Iterable[str]) -> list[str]:
    """These modules and every module of the core or of an adapter that they import, and so on."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        module = waiting.pop()
        path = ROOT / (module.replace(".", "/") + ".py")
        if module in seen or not module.startswith(("relay.core", "adapters.")) or not path.exists():
            continue
        seen.add(module)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return sorted(seen)


@cache
def core_shapes() -> dict[str, str]:
    """Shape → where it stands."""
    made: dict[str, str] = {}
    for module in modules(STARTS):
        shapes, labels = shapes_of(ROOT / (module.replace(".", "/") + ".py"), ROOT)
        for found in [*shapes, *labels]:
            for shape in BY_HAND.get(found.shape, (found.shape,)):
                if shape not in NOT_SAID and not shape.startswith(CONTINUES) and shape.strip(PLACE):
                    made.setdefault(shape, found.where)
    return made


@cache
def known_shapes() -> dict[str, tuple[str, str]]:
    """Shape → (file, English) of every text of the Chinese catalogue, and of the names of documents and checks."""
    made: dict[str, tuple[str, str]] = {}
    for path in po_files("zh-CN"):
        for message in read(path):
            if not message.context or message.context == "what":
                for shape in tails(str(message.id)):
                    made.setdefault(shape, (path.name, str(message.id)))
    return made


def tails(template: str) -> list[str]:
    """The shape of a template, and of what stands behind each colon of it: a template may name the document or the place too."""
    pieces = as_shape(template).split(": ")
    return [": ".join(pieces[number:]) for number in range(len(pieces))]


def unknown_shapes() -> list[tuple[str, str]]:
    """(shape, place) of what the core can say and the catalogue does not know.

    A shape that has a fixed word where a template has a place is known when its sentence is.
    """
    known = known_shapes()
    wanted = {**core_shapes(), **dict.fromkeys(LENDER_WORDS, "relay/services/custodian/planning.py")}
    chinese = speaker("zh-CN")
    return sorted(
        (shape, place)
        for shape, place in wanted.items()
        if shape not in known and not chinese.recognised(shape.replace(PLACE, "7")).whole
    )


FILE_WORDS: Final = frozenset(
    {"cannot be read: {}", "No such file or directory", "Is a directory", "Permission denied"}
)
"""What `relay.app.trust.read_trust` and the operating system say of a file."""
LENDER_WORDS: Final = frozenset({MEDIATION, OUT_OF_SCOPE, PRIVILEGED})
"""Why the custodian withholds a record: words of this program in a lender's signed list."""
NO_LETTERS: Final = frozenset({"{}: {}."})
"""Sentences of places alone."""
LIBRARY_WORDS: Final = frozenset(
    {
        "Expecting value",
        "Expecting property name enclosed in double quotes",
        "Expecting ':' delimiter",
        "Expecting ',' delimiter",
        "Extra data",
        "Unterminated string starting at",
        "Invalid control character at",
        "Invalid \\escape",
        "Invalid \\uXXXX escape",
        "Illegal trailing comma before end of object",
        "Illegal trailing comma before end of array",
        "Mismatch between messages",
    }
)
"""What Python's JSON parser and the library for timestamps say; the core passes it on."""


@cache
def written() -> frozenset[str]:
    """Every string and f-string of the program, as shapes: a text that is none of them is said by nobody."""
    made: set[str] = set()
    for path in sorted([*(ROOT / "relay").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]):
        if "/v1/" not in str(path):
            shapes, labels = shapes_of(path, ROOT, single=True)
            made |= {_unnamed(found.shape) for found in (*shapes, *labels)}
    return frozenset(made)


def _unnamed(text: str) -> str:
    """A template that is kept in a table as a shape; any other text as it is."""
    try:
        return as_shape(text)
    except ValueError:  # braces that are none of a template
        return text


def unused() -> list[tuple[str, str]]:
    """(file, English) of texts that nothing says or asks for."""
    said = {
        *core_shapes(),
        *LIBRARY_WORDS,
        *FILE_WORDS,
        *NO_LETTERS,
        *written(),
        *(finding.value for finding in Finding),
    }
    asked = asked_for()
    return [
        (path.name, str(message.id))
        for path in po_files("zh-CN")
        for message in read(path)
        if not message.context and said.isdisjoint(tails(str(message.id))) and key(message)[1] not in asked
    ]
