"""The EVM family: contracts for a lender's and a court's chain, adapters over JSON-RPC, and proofs of what the contracts recorded.

Two kinds of proof, so two entries: `evm` for chains whose final blocks pinned attesters vouch for, `evm-qbft` for chains that seal
their own (docs/spec/ledger-evm.md). What talks to a node is loaded when one is opened: verifying offline needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.evm.proof import ATTESTED, verify_attested, verify_qbft
from adapters.evm.proof import QBFT as QBFT_KIND
from relay.core.checks import Verifiers
from relay.ports.ledgers import AdapterFamily, AnchorSource, CourtRegistry
from relay.ports.projection import LedgerEvents


async def _open_source(config: Mapping[str, object]) -> AnchorSource:
    from adapters.evm.source import open_source

    return await open_source(config)


async def _open_court(config: Mapping[str, object]) -> CourtRegistry:
    from adapters.evm.court import open_court

    return await open_court(config)


async def _open_checking_court(config: Mapping[str, object], verifiers: Verifiers) -> CourtRegistry:
    from adapters.evm.court import open_court

    return await open_court(config, verifiers=verifiers)


async def _open_qbft_source(config: Mapping[str, object]) -> AnchorSource:
    from adapters.evm.source import open_source

    return await open_source(config, qbft=True)


async def _open_qbft_court(config: Mapping[str, object]) -> CourtRegistry:
    from adapters.evm.court import open_court

    return await open_court(config, qbft=True)


async def _open_checking_qbft_court(config: Mapping[str, object], verifiers: Verifiers) -> CourtRegistry:
    from adapters.evm.court import open_court

    return await open_court(config, qbft=True, verifiers=verifiers)


async def _open_events(config: Mapping[str, object], tables: Sequence[Mapping[str, object]]) -> LedgerEvents:
    from adapters.evm.projecting import open_events

    return await open_events(config, tables)


async def _open_qbft_events(config: Mapping[str, object], tables: Sequence[Mapping[str, object]]) -> LedgerEvents:
    from adapters.evm.projecting import open_events

    return await open_events(config, tables, qbft=True)


ADAPTER = AdapterFamily(
    name="evm",
    proof_kind=ATTESTED,
    verify_proof=verify_attested,
    open_source=_open_source,
    open_court=_open_court,
    open_checking_court=_open_checking_court,
    open_events=_open_events,
)
QBFT = AdapterFamily(
    name="evm-qbft",
    proof_kind=QBFT_KIND,
    verify_proof=verify_qbft,
    open_source=_open_qbft_source,
    open_court=_open_qbft_court,
    open_checking_court=_open_checking_qbft_court,
    open_events=_open_qbft_events,
)
