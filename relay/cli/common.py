"""What all verbs share: options, and running asynchronous work."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from relay.app.exits import EXIT_FAILED, EXIT_USAGE
from relay.cli import output
from relay.core.errors import Malformed, RelayError
from relay.words import Language, Speaker, of_environment, speaker

T = TypeVar("T")

Home = Annotated[Path, typer.Option("--home", envvar="COURTRELAY_HOME", help="Folder made by `courtrelay init`.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, max=3600, help="Try again for so many seconds while the role is away.")
]
InLanguage = Annotated[
    Language | None,
    typer.Option(
        "--language",
        help="Language of the text; default by LC_ALL, LC_MESSAGES, LANG, then en. JSON is always English.",
    ),
]
DEFAULT_HOME: Final = Path("courtrelay-home")


def check_arguments(arguments: Sequence[str]) -> None:
    """Text that is no text in this system's encoding is refused by its place. Raises `Malformed`.

    Python hides such bytes in lone surrogates, which can be neither sent nor shown.
    """
    for number, argument in enumerate(arguments):
        if not argument.isascii() and any("\ud800" <= char <= "\udfff" for char in argument):
            before = arguments[number - 1] if number else ""
            place = before if before.startswith("--") else f"argument {number + 1}"
            raise Malformed("command line", place, f"{argument[:40]!a} holds bytes that are not UTF-8 text")


def speaker_of(language: Language | None, as_json: bool) -> Speaker:
    """Who speaks to the reader: the language asked for, that of the terminal, or English beside JSON."""
    return speaker("en" if as_json else language or of_environment(os.environ))


@contextmanager
def errors_in(w: Speaker) -> Iterator[None]:
    """Errors inside become one line in the reader's language and an exit code, as `main` does it in English."""
    try:
        yield
    except Malformed as error:
        output.complain(w.text("error: {text}", text=w.said(str(error))))
        sys.exit(EXIT_USAGE)
    except (RelayError, OSError) as error:
        output.complain(w.text("error: {text}", text=w.said(str(error))))
        sys.exit(EXIT_FAILED)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run async work; errors become one line and an exit code."""
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, RelayError | OSError):
            raise error from None
        raise
