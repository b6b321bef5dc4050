"""What sealing and reading seals needs beside the base installation."""

from __future__ import annotations

from importlib.util import find_spec

from relay.core.errors import Malformed


def need_pyhanko() -> None:
    """Raises `Malformed` that says what to install."""
    if find_spec("pyhanko") is None:
        raise Malformed("report", "seal", "sealing and checking seals needs pyHanko: install the extra courtrelay[web]")
