"""The configuration of an adapter process (docs/operate/reference.md shows the file)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relay.config.roles import LedgerConfig, read_ledger, read_limits, read_tls
from relay.config.strict import read_table
from relay.core.identity import Role
from relay.transport.credentials import TlsFiles
from relay.transport.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """`source` and `court` are one ledger's tables, at least one of them. `writers` may write through it; empty: nobody."""

    identity: str
    listen: str
    tls: TlsFiles
    writers: frozenset[str]
    limits: Limits
    source: LedgerConfig | None
    court: LedgerConfig | None


def read_adapter(path: Path) -> AdapterConfig:
    """Raises `Malformed` naming file and key."""
    table = read_table(path)
    tls = read_tls(table)
    writers: frozenset[str] = frozenset()
    if table.has("writers"):
        writers = table.identities("writers", Role.CUSTODIAN, Role.RELAY, Role.COURT)
    config = AdapterConfig(
        identity=table.identity("identity", Role.LEDGER),
        listen=table.text("listen"),
        tls=tls,
        writers=writers,
        limits=read_limits(table),
        source=read_ledger(table.table("source"), tls) if table.has("source") else None,
        court=read_ledger(table.table("court"), tls) if table.has("court") else None,
    )
    table.done()
    if config.source is None and config.court is None:
        raise table.refuse("source", "is missing, and so is court: an adapter needs a [source], a [court] or both")
    if config.source and config.court and config.source.family != config.court.family:
        raise table.refuse(
            "court.family", f"must be {config.source.family} as in [source]: one adapter is of one ledger"
        )
    return config
