"""The one error after which a process must not go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_told: Final[list[Callable[[StorageFailed], None]]] = []


class StorageFailed(Exception):
    """A write, commit or fsync failed: what is on disk is unknown. The process ends (exit code 70) and a restart reads it.

    Deliberately no RelayError: nothing that answers a caller's mistake may catch it by accident. Where it is caught all the same, as a
    server catches whatever a call raises, the process hears of it: see `storage_failures`.
    """

    def __init__(self, *words: object) -> None:
        super().__init__(*words)
        for tell in tuple(_told):
            tell(self)


@contextmanager
def storage_failures(tell: Callable[[StorageFailed], None]) -> Iterator[None]:
    """Call `tell` with every storage failure of this process while the body runs, in the thread that meets it."""
    _told.append(tell)
    try:
        yield
    finally:
        _told.remove(tell)
