"""The `courtrelay` command: what people at a terminal say, turned into calls of relay.app."""

from __future__ import annotations

from relay.cli.main import main

__all__ = ["main"]
