"""What there is to look at in a role: the same list for every role, taken out of its configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adapters.embedded import ledger as embedded_ledger
from adapters.embedded import node as embedded
from adapters.evm import node as evm
from relay.app.custodian import MASTER_KEY_BYTES
from relay.config.adapter import read_adapter
from relay.config.roles import (
    Common,
    CourtConfig,
    CustodianConfig,
    LedgerConfig,
    RelayConfig,
    SharedStore,
    read_court,
    read_custodian,
    read_relay,
)
from relay.core.errors import Malformed
from relay.core.identity import Role
from relay.core.pinned import KeyUse
from relay.core.sealing import PRIVATE_KEY_BYTES
from relay.private.references import SecretReference
from relay.setup.signers import KeyReference
from relay.store import court, custodian_schema, office, relay_schema
from relay.transport.broker import BrokerSettings
from relay.transport.credentials import TlsFiles

ROLES: Final = ("lender-ledger", "court-ledger", "court", "relay", "custodian")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A signing key; `use` None: nobody pins it. `name` empty: whatever it is pinned as."""

    label: str
    reference: KeyReference
    use: KeyUse | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """A SQLite file, and the newest schema that this program knows."""

    path: Path
    application: int
    version: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Another role that this one calls."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """`court`: it is opened as a court's ledger, and asked for the last checkpoint of `origin`."""

    table: str
    config: LedgerConfig
    court: bool
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """All that is checked of one role. What a role has not is empty."""

    role: str
    path: Path
    tls: TlsFiles
    identity: str = ""
    trust: Path | None = None
    data: Path | None = None
    disk_free_bytes_min: int | None = None
    keys: Sequence[OwnKey] = ()
    secrets: Sequence[tuple[str, SecretReference, int]] = ()
    """(key of the file, where it is, bytes)."""
    files: Sequence[tuple[str, Path]] = ()
    """Private files that a library reads itself."""
    stores: Sequence[Store] = ()
    shared: SharedStore | None = None
    broker: BrokerSettings | None = None
    listens: Sequence[tuple[str, str]] = ()
    """(key of the file, address)."""
    peers: Sequence[Peer] = ()
    ledgers: Sequence[Ledger] = field(default=())
    origins: Sequence[tuple[str, str]] = ()
    """(log, ledger) that a relay serves."""


def role_of(path: Path) -> str:
    """What a configuration file is of, by its identity; a ledger node's has none. Raises `Malformed`."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Malformed(str(path), "", f"cannot be read: {error}") from None
    role = str(values.get("identity", "")).split("/")[3:4]
    known = {Role.CUSTODIAN.value: "custodian", Role.RELAY.value: "relay", Role.COURT.value: "court"}
    if not role:
        return "lender-ledger"
    return known.get(role[0], "adapter")


def read_subject(role: str, path: Path) -> Subject:
    """Raises `Malformed` as the role itself would at its start."""
    if role == "custodian":
        return _custodian(path, read_custodian(path))
    if role == "relay":
        return _relay(path, read_relay(path))
    if role == "court":
        return _court(path, read_court(path))
    if role == "adapter":
        return _adapter(path)
    return _node(role, path)


def _listens(common: Common) -> list[tuple[str, str]]:
    found = [("listen", common.listen)]
    found += [("ops.listen", common.ops.listen)] if common.ops else []
    return found + ([("http.listen", common.http.listen)] if common.http else [])


def _least(common: Common) -> int | None:
    return common.ops.disk_free_bytes_min if common.ops else None


def _custodian(path: Path, config: CustodianConfig) -> Subject:
    common = config.common
    keys = [
        OwnKey("keys.record", config.record_key, "record"),
        OwnKey("keys.log", config.log_key, "log", config.origin),
        OwnKey("keys.grant", config.grant_key, "grant"),
    ]
    if config.custody_key is not None:
        keys.append(OwnKey("keys.custody", config.custody_key, "custody", config.custody_origin))
    schema = custodian_schema
    return Subject(
        role="custodian",
        path=path,
        tls=common.tls,
        identity=common.identity,
        trust=common.trust,
        data=common.data,
        disk_free_bytes_min=_least(common),
        broker=common.mqtt.broker if common.mqtt else None,
        keys=keys,
        secrets=[
            ("keys.sealing", config.sealing_key, PRIVATE_KEY_BYTES),
            ("keys.master", config.master_key, MASTER_KEY_BYTES),
        ],
        stores=[Store(common.data / "custodian.sqlite", schema.APPLICATION, len(schema.MIGRATIONS))],
        listens=_listens(common),
        peers=[Peer("relay", config.relay)],
        ledgers=[Ledger("ledger", config.ledger, court=False)],
    )


def _relay(path: Path, config: RelayConfig) -> Subject:
    common, schema = config.common, relay_schema
    origin = config.origins[0].origin
    store = Store(common.data / "relay.sqlite", schema.APPLICATION, len(schema.MIGRATIONS))
    return Subject(
        role="relay",
        path=path,
        tls=common.tls,
        identity=common.identity,
        trust=common.trust,
        data=common.data,
        disk_free_bytes_min=_least(common),
        broker=common.mqtt.broker if common.mqtt else None,
        stores=[] if config.store else [store],
        shared=config.store,
        listens=_listens(common),
        peers=[Peer("court", config.court)],
        ledgers=[
            *(Ledger(f"sources[{i}]", one, court=False) for i, one in enumerate(config.sources)),
            Ledger("court_ledger", config.court_ledger, court=True, origin=origin),
        ],
        origins=[(one.origin, one.ledger) for one in config.origins],
    )


def _court(path: Path, config: CourtConfig) -> Subject:
    common = config.common
    keys = [
        OwnKey("keys.witness", config.witness_key, "witness", config.witness_name),
        OwnKey("keys.seal", config.seal_key, "seal"),
        OwnKey("keys.request", config.request_keys[0], "request"),
        *(OwnKey("keys.request_old", one, None) for one in config.request_keys[1:]),
        OwnKey("keys.custody", config.custody_key, "custody", config.custody_origin),
    ]
    if common.http and common.http.witness:
        keys.append(OwnKey("http.witness.key", common.http.witness.key, None))
    stores = [Store(common.data / "court.sqlite", court.APPLICATION, len(court.MIGRATIONS))]
    listens, files = _listens(common), []
    if config.web is not None:
        stores.append(Store(common.data / "office/office.sqlite", office.APPLICATION, len(office.MIGRATIONS)))
        listens.append(("web.listen", config.web.listen))
        files += [("web.key", config.web.key)] if config.web.key else []
    files += [("report.key", config.report.key)] if config.report else []
    return Subject(
        role="court",
        path=path,
        tls=common.tls,
        identity=common.identity,
        trust=common.trust,
        data=common.data,
        disk_free_bytes_min=_least(common),
        broker=common.mqtt.broker if common.mqtt else None,
        keys=keys,
        files=files,
        stores=stores,
        listens=listens,
        peers=[Peer("relay", config.relay)],
        ledgers=[Ledger("court_ledger", config.court_ledger, court=True, origin=config.custody_origin)],
    )


def _adapter(path: Path) -> Subject:
    config = read_adapter(path)
    named = (("source", config.source, False), ("court", config.court, True))
    return Subject(
        role="adapter",
        path=path,
        tls=config.tls,
        identity=config.identity,
        listens=[("listen", config.listen)],
        ledgers=[Ledger(table, one, court=is_court) for table, one, is_court in named if one is not None],
    )


def _node(role: str, path: Path) -> Subject:
    """A ledger's node, of the family that its file names."""
    if _family(path) == "evm":
        chain = evm.read_node_config(path)
        keys = [OwnKey(f"attesters.{name}", key, None) for name, key in chain.attesters.items()]
        listens = [("address", chain.address)]
        return Subject(role=role, path=path, tls=chain.tls, data=chain.data, keys=keys, listens=listens)
    config = embedded.read_node_config(path)
    return Subject(
        role=role,
        path=path,
        tls=config.tls,
        data=config.data,
        keys=[OwnKey(f"validators.{name}", key, None) for name, key in config.validators.items()],
        stores=[Store(config.data / "ledger.sqlite", embedded_ledger.APPLICATION, 1)],
        listens=[("address", config.address)],
    )


def _family(path: Path) -> str:
    try:
        return str(tomllib.loads(path.read_text("utf-8")).get("family", "embedded"))
    except (OSError, ValueError):
        return "embedded"
