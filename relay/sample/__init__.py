"""Realistic sample dossiers, the same bytes for the same seed on every machine and every day. Nobody in them exists."""

from __future__ import annotations

from relay.sample.generate import generate, heavy_dossier, small_dossier

__all__ = ["generate", "heavy_dossier", "small_dossier"]
