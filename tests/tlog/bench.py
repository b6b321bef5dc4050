"""Opening the family on a written log, and the trust root that goes with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from adapters.tlog.proof import verify_tlog
from adapters.tlog.source import TlogSource, open_source
from relay.core.errors import Unavailable
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.trust import LedgerRoot, Validator
from relay.ports.ledgers import AnchorBlock
from tests.tlog.writer import LOG, ORIGIN, WITNESSES, Key

LEDGER = "tlog:bank"
FOREVER_MS = 253_402_300_799_000
POLL_S = 0.02


def settings(where: str, folder: Path, **changes: Any) -> dict[str, object]:
    """What a role's configuration gives the adapter."""
    own = {"family": "tlog", "ca": "/ca.pem", "certificate": "/cert.pem", "key": "/key.pem"}
    return {
        **own,
        "ledger": LEDGER,
        "url": where,
        "origin": ORIGIN,
        "log_key": LOG.vkey,
        "witnesses": [w.vkey for w in WITNESSES],
        "threshold": 3,
        "data": str(folder),
        "poll_s": POLL_S,
        **changes,
    }


def root_of(keys: Sequence[Key] = (LOG, *WITNESSES), threshold: int = 3) -> LedgerRoot:
    """The log first, then its witnesses."""
    validators = [
        Validator(name=key.name, public_key=key.public, valid_from_ms=0, valid_to_ms=FOREVER_MS) for key in keys
    ]
    return LedgerRoot(ledger=LEDGER, kind="tlog", threshold=threshold, validators=tuple(validators))


def proven(proof: LedgerProof, root: LedgerRoot | None = None) -> ProvenFact:
    return verify_tlog(proof, root or root_of())


@asynccontextmanager
async def opened(url: str | Path, data: Path, **changes: Any) -> AsyncIterator[TlogSource]:
    source = await open_source(settings(str(url), data, **changes))
    try:
        yield source
    finally:
        await source.close()


async def first_blocks(source: TlogSource, count: int, start: int = 1) -> list[AnchorBlock]:
    """The next `count` blocks; what is not there now is asked for again, as a relay does."""
    seen: list[AnchorBlock] = []
    async with asyncio.timeout(60):
        while True:
            with suppress(Unavailable):
                async for block in source.blocks(start + len(seen)):
                    seen.append(block)
                    if len(seen) == count:
                        return seen
            await asyncio.sleep(POLL_S)
