"""How the command speaks: progress bars, tables, JSON, and errors in one line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

WIDE: Final = 200
"""Columns where the output is no terminal, so that nothing is folded for a program or a file."""

out: Final = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDE)
err: Final = Console(stderr=True, soft_wrap=True, highlight=False)

Advance = Callable[[int, int], None]
"""Called with (done, total)."""


def never_unencodable() -> None:
    """What a terminal's encoding lacks is shown as an escape, not as a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def progress(label: str, *, unit_bytes: bool = False, quiet: bool = False) -> Iterator[Advance]:
    """A bar on standard error while something runs; silent when output is for a program or not a terminal."""
    if quiet or not err.is_terminal:
        yield lambda _done, _total: None
        return
    count = DownloadColumn() if unit_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def as_json(value: object) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table."""
    grid = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(str(cell) for cell in row))
    out.print(grid)


def say(text: str) -> None:
    """One line for a person, without markup."""
    out.print(text, markup=False)


def complain(text: str) -> None:
    """One line on standard error."""
    err.print(text, markup=False)
