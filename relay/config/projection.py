"""The file of `courtrelay projection`: which events of which ledger a log is compared with. A custodian's own file serves too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.config.roles import LedgerConfig, ledger_files, read_projections
from relay.config.strict import read_table

_WRITERS: Final = ("account", "attesters", "attesters_needed", "data")
"""Settings of a ledger's table that reading its events needs none of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionConfig:
    """`tls`: authority, certificate and key towards the server of a log; None: the system's authorities."""

    origin: str
    trust: Path
    ledger: LedgerConfig
    tables: tuple[Mapping[str, object], ...]
    tls: tuple[Path, Path, Path] | None


def read_projection(path: Path) -> ProjectionConfig:
    """Reads `origin`, `trust`, `[ledger]`, `[[projection]]` and, where it is, `[tls]`; leaves all else alone. Raises `Malformed`."""
    table = read_table(path)
    origin, trust = table.text("origin"), table.file("trust")
    tls = None
    if table.has("tls"):
        inner = table.table("tls")
        tls = (inner.file("ca"), inner.file("certificate"), inner.private_file("key"))
    ledger = table.table("ledger")
    family = ledger.text("family")
    files = ledger_files(ledger)
    settings = {name: value for name, value in {**ledger.rest(), **files}.items() if name not in _WRITERS}
    tables = read_projections(table)
    if not tables:
        raise table.refuse("projection", "is missing: it says which events the log is compared with")
    return ProjectionConfig(
        origin=origin,
        trust=trust,
        ledger=LedgerConfig(family=family, settings=settings),
        tables=tables,
        tls=tls,
    )
