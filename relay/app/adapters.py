"""Find ledger families: the ones built in, and those that other packages announce in the entry-point group `relay.adapters`."""

from __future__ import annotations

import importlib
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final

from relay.core.checks import Verifiers
from relay.core.errors import Malformed
from relay.ports.ledgers import AdapterFamily

GROUP: Final = "relay.adapters"
BUILT_IN: Final = {"embedded": "adapters.embedded"}


@lru_cache(maxsize=64)
def load_adapter(family: str) -> AdapterFamily:
    """Raises `Malformed` that lists the known families."""
    if family in BUILT_IN:
        adapter = importlib.import_module(BUILT_IN[family]).ADAPTER
    else:
        found = {point.name: point for point in entry_points(group=GROUP)}
        if family not in found:
            known = ", ".join(sorted({*BUILT_IN, *found}))
            raise Malformed(
                "configuration", "family", f"{family!a} is not an installed ledger family; known are {known}"
            )
        adapter = found[family].load()
    if not isinstance(adapter, AdapterFamily):
        raise Malformed("configuration", "family", f"{family!a} does not announce an AdapterFamily")
    return adapter


@lru_cache(maxsize=1)
def verifiers() -> Verifiers:
    """The proof verifiers of every family installed, by proof kind."""
    names = {*BUILT_IN, *(point.name for point in entry_points(group=GROUP))}
    return {adapter.proof_kind: adapter.verify_proof for adapter in map(load_adapter, sorted(names))}
