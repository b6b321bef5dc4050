"""The embedded ledgers of `bench`, each behind a remote adapter: server and client over mutual TLS, in this loop.

An adapter writes as itself, so there is one for each account that the embedded ledgers know: custodian, relay and court.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.embedded.proof import KIND
from adapters.remote.client import open_court, open_source
from adapters.remote.server import Offer, serving_adapter
from relay.app.initialise import COURT_LEDGER, IDENTITIES, LENDER_LEDGER
from relay.ports.ledgers import AnchorSource, CourtRegistry
from relay.transport.credentials import TlsFiles
from tests.ledgers.bench import Bench, open_bench


def tls_of(home: Path, role: str) -> TlsFiles:
    """A role's own certificate."""
    folder = home / role
    return TlsFiles(ca=folder / "ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")


def settings(home: Path, role: str, port: int, ledger: str, **more: object) -> dict[str, object]:
    """A role's ledger table of family `remote`."""
    files = {name: str(getattr(tls_of(home, role), name)) for name in ("ca", "certificate", "key")}
    return {"family": "remote", "address": f"127.0.0.1:{port}", "ledger": ledger, **files, **more}


def offer(source: AnchorSource | None = None, court: CourtRegistry | None = None) -> Offer:
    """An embedded ledger, or what passes for one."""
    return Offer(name="bench", version="1", family="embedded", proof_kind=KIND, source=source, court=court)


@asynccontextmanager
async def adapted(home: Path, offered: Offer, writer: str, role: str = "", **options: Any) -> AsyncIterator[int]:
    """An adapter that `writer` may write through; its port."""
    tls = tls_of(home, role or ("lender-ledger" if offered.source else "court-ledger"))
    writers = frozenset({str(IDENTITIES[writer])}) if writer else frozenset()
    async with serving_adapter(offered, address="127.0.0.1:0", tls=tls, writers=writers, **options) as port:
        yield port


@asynccontextmanager
async def open_remote_bench(folder: Path) -> AsyncIterator[Bench]:
    """As `open_bench`, but every one of its three clients speaks to an adapter."""
    async with open_bench(folder) as bench, AsyncExitStack() as stack:
        direct = bench.source, bench.court, bench.gateway
        home = bench.home
        port = await stack.enter_async_context(adapted(home, offer(bench.source), "custodian"))
        bench.source = await open_source(settings(home, "custodian", port, LENDER_LEDGER, kind=KIND))
        port = await stack.enter_async_context(adapted(home, offer(court=bench.court), "relay"))
        bench.court = await open_court(settings(home, "relay", port, COURT_LEDGER, kind=KIND))
        port = await stack.enter_async_context(adapted(home, offer(court=bench.gateway), "court"))
        bench.gateway = await open_court(settings(home, "court", port, COURT_LEDGER))
        try:
            yield bench
        finally:
            for opened in (bench.source, bench.court, bench.gateway):
                await opened.close()
            bench.source, bench.court, bench.gateway = direct
