"""The two contracts: their sources, what the compiler made of them, and how to make it again."""

from __future__ import annotations

from adapters.evm.contracts.artefacts import Artefact, anchor_log, court_registry

__all__ = ["Artefact", "anchor_log", "court_registry"]
