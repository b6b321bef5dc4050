"""What all verbs share: options, and running asynchronous work."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from relay.core.errors import RelayError

T = TypeVar("T")

Home = Annotated[Path, typer.Option("--home", envvar="COURTRELAY_HOME", help="Folder made by `courtrelay init`.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DEFAULT_HOME: Final = Path("courtrelay-home")


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
