"""Wires a court gateway's trusted time, whose authorities the trust roots must pin, and its platform statements."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from relay.app.adapters import verifiers
from relay.app.runtime import SystemClock, backoff, random_bytes
from relay.config.roles import CourtConfig
from relay.core.trust import TrustRoots
from relay.ports.statements import StatementStore
from relay.ports.timestamps import TimestampStore
from relay.services.backoff import delays
from relay.services.court.custody import CustodyKeeper
from relay.services.court.statements import Statements
from relay.services.court.timestamps import Timestamps, check_configured
from relay.wire.timestamp_http import HttpTimestampAuthority

FIRST_S: Final = 1.0
CAP_S: Final = 300.0


def _patience() -> Iterator[float]:
    """Between questions to an authority that does not answer: somebody else's service is not hurried."""
    return delays(FIRST_S, CAP_S, random.random)


def timestamps(config: CourtConfig, store: TimestampStore, trust: TrustRoots) -> Timestamps:
    """Raises `Malformed` for an authority that is not pinned, or without aiohttp."""
    authorities = [HttpTimestampAuthority(one.name, one.url, one.hash_name) for one in config.authorities]
    check_configured(authorities, trust)
    return Timestamps(
        store=store,
        authorities=authorities,
        trust=trust,
        clock=SystemClock(),
        random_bytes=random_bytes,
        backoff=_patience,
    )


def statements(config: CourtConfig, store: StatementStore, custody: CustodyKeeper, trust: TrustRoots) -> Statements:
    """The court's keeper of platform statements."""
    return Statements(
        identity=config.common.identity,
        store=store,
        custody=custody,
        trust=trust,
        verifiers=verifiers(),
        clock=SystemClock(),
        backoff=backoff,
    )
