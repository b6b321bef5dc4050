"""Find ledger families: the ones built in, and those that other packages announce in the entry-point group `relay.adapters`."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final

from relay.config.roles import LedgerConfig
from relay.core.checks import Verifiers
from relay.core.errors import Malformed
from relay.ports.ledgers import AdapterFamily, AnchorSource, CourtRegistry

GROUP: Final = "relay.adapters"
BUILT_IN: Final = {
    "embedded": ("adapters.embedded", "ADAPTER"),
    "evm": ("adapters.evm", "ADAPTER"),
    "evm-qbft": ("adapters.evm", "QBFT"),
    "mqtt": ("adapters.mqtt", "ADAPTER"),
    "remote": ("adapters.remote", "ADAPTER"),
    "tlog": ("adapters.tlog", "ADAPTER"),
}
"""Family → module and name of its `AdapterFamily`."""


@lru_cache(maxsize=64)
def load_adapter(family: str) -> AdapterFamily:
    """Raises `Malformed` that lists the known families."""
    if family in BUILT_IN:
        module, name = BUILT_IN[family]
        adapter = getattr(importlib.import_module(module), name)
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
    """The proof verifiers of every family installed, by proof kind. A family without a kind of its own brings none."""
    names = {*BUILT_IN, *(point.name for point in entry_points(group=GROUP))}
    adapters = map(load_adapter, sorted(names))
    return {adapter.proof_kind: adapter.verify_proof for adapter in adapters if adapter.proof_kind}


def court_opener(family: AdapterFamily) -> Callable[[Mapping[str, object]], Awaitable[CourtRegistry]]:
    """How a court's ledger of that family is opened here: with the verifiers of all families where it checks lenders' proofs itself."""
    checking = family.open_checking_court
    return family.open_court if checking is None else lambda settings: checking(settings, verifiers())


def source_opener(family: AdapterFamily) -> Callable[[Mapping[str, object]], Awaitable[AnchorSource]]:
    """How a lender's ledger of that family is opened here: a family that stands before another ledger is given that one, opened."""
    around = family.open_around
    if around is None:
        return family.open_source

    async def open_both(settings: Mapping[str, object]) -> AnchorSource:
        inner = settings.get("inner")
        if not isinstance(inner, LedgerConfig):
            raise Malformed("configuration", "ledger.inner", "is missing: the table of the ledger that is really read")
        behind = await open_source(inner)
        try:
            return await around(settings, behind)
        except BaseException:
            await behind.close()
            raise

    return open_both


async def open_source(config: LedgerConfig) -> AnchorSource:
    """The lender's ledger that a role is configured with. Raises `Malformed`, and what opening it raises."""
    return await source_opener(load_adapter(config.family))(config.settings)


async def open_court(family: str, settings: Mapping[str, object]) -> CourtRegistry:
    """The court's ledger that a role is configured with. Raises `Malformed`."""
    return await court_opener(load_adapter(family))(settings)
