"""Wires a court gateway's retrievals: the court's keys, the relay, the custody log, and what callers name."""

from __future__ import annotations

from relay.app.adapters import verifiers
from relay.app.runtime import SystemClock, backoff, random_bytes
from relay.config.roles import CourtConfig
from relay.core.trust import TrustRoots
from relay.ports.court import CourtStore, RetrievalLink
from relay.ports.ledgers import CourtRegistry
from relay.services.court.custody import CustodyKeeper
from relay.services.court.once import NamedRetrievals
from relay.services.court.retrieval import Retrieval
from relay.setup.signers import open_signer


def named_retrievals(
    config: CourtConfig,
    store: CourtStore,
    link: RetrievalLink,
    registry: CourtRegistry,
    custody: CustodyKeeper,
    trust: TrustRoots,
) -> NamedRetrievals:
    """Retrievals with the court's keys. Raises `Malformed` for a key that cannot be used."""
    retrieval = Retrieval(
        identity=config.common.identity,
        store=store,
        link=link,
        registry=registry,
        custody=custody,
        trust=trust,
        verifiers=verifiers(),
        request_keys=[open_signer(key, "request") for key in config.request_keys],
        seal_key=open_signer(config.seal_key, "seal"),
        clock=SystemClock(),
        random_bytes=random_bytes,
        backoff=backoff,
    )
    return NamedRetrievals(retrieval, store)
