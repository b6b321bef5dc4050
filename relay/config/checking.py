"""The file of `courtrelay adapter check`: the adapter's ledgers, the keys to write with, and hooks (docs/write-an-adapter.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.config.mqtt import read_broker
from relay.config.roles import LedgerConfig, read_before, stands_before
from relay.config.strict import Table, read_table
from relay.setup.signers import KeyReference
from relay.transport.credentials import TlsFiles

USES: Final = ("log", "witness", "custody", "lender")
HOOKS: Final = ("mine", "reorganise", "restart")
DEADLINE_S: Final = 60.0
Hook = str | tuple[str, ...]
"""`module:function`, or a program and its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReference:
    """Whom a key speaks for (an origin, a witness name, a lender's id), and where it is."""

    name: str
    key: KeyReference


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckConfig:
    """`adapter` is `module:attribute` of a family that is not installed, found beside the file."""

    folder: Path
    trust: Path | None
    deadline_s: float
    left_out: frozenset[str]
    adapter: str
    source: LedgerConfig | None
    court: LedgerConfig | None
    custody: LedgerConfig | None
    keys: Mapping[str, NamedReference]
    hooks: Mapping[str, Hook]


def read_check(path: Path, left_out: frozenset[str]) -> CheckConfig:
    """Raises `Malformed` naming file and key. `left_out` are the words that the key of this name may hold."""
    table = read_table(path)
    tls = _tls(table)
    config = CheckConfig(
        folder=path.resolve().parent,
        trust=table.file("trust") if table.has("trust") else None,
        deadline_s=table.seconds("deadline_s", low=0.1, high=86_400) if table.has("deadline_s") else DEADLINE_S,
        left_out=table.words("left_out", left_out) if table.has("left_out") else frozenset(),
        adapter=_place(table) if table.has("adapter") else "",
        source=_ledger(table, "source", tls),
        court=_ledger(table, "court", tls),
        custody=_ledger(table, "custody", tls),
        keys=_keys(table),
        hooks=_hooks(table.table("hooks")) if table.has("hooks") else {},
    )
    table.done()
    if config.source is None and config.court is None:
        raise table.refuse("source", "neither [source] nor [court] is given: there is nothing to check")
    return config


def _tls(table: Table) -> dict[str, object]:
    """Settings that every ledger's table gets unless it has its own, as in a role's file."""
    if not table.has("tls"):
        return {}
    inner = table.table("tls")
    files: dict[str, object] = {name: str(inner.file(name)) for name in ("ca", "certificate")}
    files["key"] = str(inner.private_file("key"))
    inner.done()
    return files


def _ledger(table: Table, name: str, tls: dict[str, object]) -> LedgerConfig | None:
    if not table.has(name):
        return None
    own = table.table(name)
    family = own.text("family")
    if stands_before(own):
        broker = read_broker(own.table("broker"), _files(tls))
        inner = _ledger(own, "inner", tls)
        assert inner is not None
        return read_before(own, family, broker, inner)
    return LedgerConfig(family=family, settings={**tls, **own.rest()})


def _files(tls: dict[str, object]) -> TlsFiles | None:
    if not tls:
        return None
    ca, certificate, key = (Path(str(tls[name])) for name in ("ca", "certificate", "key"))
    return TlsFiles(ca=ca, certificate=certificate, key=key)


def _keys(table: Table) -> dict[str, NamedReference]:
    """Each key with its name: `[keys.log]` has `name` and `key`."""
    found = {}
    keys = table.table("keys") if table.has("keys") else None
    if keys is None:
        return {}
    for use in USES:
        if keys.has(use):
            inner = keys.table(use)
            found[use] = NamedReference(name=inner.text("name"), key=inner.signing_key("key"))
            inner.done()
    keys.done()
    return found


def _hooks(table: Table) -> dict[str, Hook]:
    found = {name: table.command(name) for name in HOOKS if table.has(name)}
    table.done()
    return found


def _place(table: Table) -> str:
    place = table.command("adapter")
    if not isinstance(place, str):
        raise table.refuse("adapter", "must be module:attribute of an AdapterFamily")
    return place
