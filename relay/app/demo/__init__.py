"""`courtrelay demo`: one dossier's whole way as a story, on real processes."""

from __future__ import annotations

from relay.app.demo.story import run

__all__ = ["run"]
