"""Record kinds as JSON Schemas (docs/spec/record-kinds.md)."""

from __future__ import annotations

from relay.schemas.catalogue import KindCatalogue

__all__ = ["KindCatalogue"]
