"""One language's texts as they stand in its files: `catalogues/<language>/<part>.po`, read once.

A message without context is a text, its English is the key (the verdicts too: `NOT_FOUND`). A message with a context (`kind`, `member`,
`step` ...) is the readable name of an identifier: of `repayment`, of `amount_cents`. English has a catalogue too, of such names alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from relay.words.language import Language

CONTEXTS: Final = (
    "algorithm",
    "class",
    "kind",
    "key use",
    "member",
    "provenance",
    "result",
    "role",
    "stage",
    "status",
    "step",
    "value",
    "what",
)
"""`what` names documents and checks as errors of the core begin with them; the others are said in `relay.words.speaker.Speaker`."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`texts`: English → text. `names`: (context, identifier) → readable name."""

    texts: Mapping[str, str]
    names: Mapping[tuple[str, str], str]


@lru_cache(maxsize=8)
def catalogue(language: Language) -> Catalogue:
    """A language's catalogue."""
    texts: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    for _, message in messages(language):
        if isinstance(message.id, str) and isinstance(message.string, str) and message.id and message.string:
            if message.context:
                names[message.context, message.id] = message.string
            else:
                texts[message.id] = message.string
    return Catalogue(texts=texts, names=names)


def messages(language: Language) -> Iterator[tuple[str, Message]]:
    """(file name, message) of all files of a language, in the order of their names; without the head of each file."""
    for entry in parts(language):
        with entry.open("rb") as file:
            for message in read_po(file, locale=language.replace("-", "_")):
                if message.id:
                    yield entry.name, message


def parts(language: Language) -> list[Traversable]:
    """The files of a language."""
    folder = files("relay.words").joinpath("catalogues", language)
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".po")), key=lambda entry: entry.name)
