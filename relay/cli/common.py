"""What all verbs share: options, and running asynchronous work."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from relay.core.errors import Malformed, RelayError

T = TypeVar("T")

Home = Annotated[Path, typer.Option("--home", envvar="COURTRELAY_HOME", help="Folder made by `courtrelay init`.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
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
