"""Record kinds as JSON Schemas (docs/spec/record-kinds.md), and how long each is kept."""

from __future__ import annotations

from relay.schemas.catalogue import KindCatalogue
from relay.schemas.retention import load_policy

__all__ = ["KindCatalogue", "load_policy"]
