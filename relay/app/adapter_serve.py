"""`courtrelay adapter serve`: a ledger family of this installation in a process of its own, for roles with family `remote`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, TypeVar

from adapters.remote.server import Offer, serving_adapter
from relay.app.adapters import court_opener, load_adapter
from relay.app.runtime import announce, program_version, run_process, set_up_logging, until_signalled
from relay.config.adapter import AdapterConfig, read_adapter
from relay.config.roles import LedgerConfig
from relay.core.errors import Malformed
from relay.ports.ledgers import AdapterFamily, AnchorSource, CourtRegistry
from relay.transport.certificates import check_identity

PACKAGE: Final = "courtrelay"
T = TypeVar("T", AnchorSource, CourtRegistry)


def serve_adapter(config: Path) -> int:
    """Run until SIGTERM or Ctrl-C; the exit code."""
    set_up_logging()
    return run_process(run_adapter(config), config)


async def run_adapter(path: Path) -> None:
    """Serve until SIGTERM. Raises `Malformed` for a wrong configuration."""
    config = read_adapter(path)
    check_identity(config.tls, config.identity)
    async with AsyncExitStack() as stack:
        family = _family(path, config)
        source = court = None
        if config.source is not None:
            source = await _open(path, "source", family.open_source, config.source, stack)
        if config.court is not None:
            court = await _open(path, "court", court_opener(family), config.court, stack)
        if source is not None and court is not None and source.ledger != court.ledger:
            reason = f"is {court.ledger}, [source] is {source.ledger}; run one adapter for each ledger"
            raise Malformed(str(path), "court.ledger", reason)
        offer = Offer(
            name=PACKAGE,
            version=program_version(),
            family=family.name,
            proof_kind=family.proof_kind,
            source=source,
            court=court,
        )
        port = await stack.enter_async_context(
            serving_adapter(offer, address=config.listen, tls=config.tls, writers=config.writers, limits=config.limits)
        )
        announce("adapter", f"{config.listen.rpartition(':')[0]}:{port}")
        await until_signalled()


def _family(path: Path, config: AdapterConfig) -> AdapterFamily:
    name, table = next((one, name) for name, one in (("source", config.source), ("court", config.court)) if one)
    try:
        family = load_adapter(name.family)
    except Malformed as error:
        raise Malformed(str(path), f"{table}.family", error.reason) from None
    if not family.proof_kind:
        reason = f"{family.name} reaches an adapter and is no ledger; point the role itself to that adapter"
        raise Malformed(str(path), f"{table}.family", reason)
    return family


async def _open(
    path: Path,
    table: str,
    opener: Callable[[Mapping[str, object]], Awaitable[T]],
    ledger: LedgerConfig,
    stack: AsyncExitStack,
) -> T:
    """Open, and close with the stack. A family speaks of its keys as `ledger.…`; people see the file and its table."""
    try:
        opened = await opener(ledger.settings)
    except Malformed as error:
        if error.what != "configuration":
            raise
        field = error.field.removeprefix("ledger.")
        place = f"{table}.{field}" if field else table
        raise Malformed(str(path), place, error.reason, concern=error.concern) from None
    stack.push_async_callback(opened.close)
    return opened
