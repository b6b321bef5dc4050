"""The configuration of custodian, relay, court gateway and desks (docs/operate/reference.md shows each file)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.config.http import HttpConfig, read_http
from relay.config.mqtt import FollowConfig, MqttConfig, read_broker, read_follow, read_mqtt
from relay.config.ops import OpsConfig, read_ops
from relay.config.report import ReportConfig, read_report
from relay.config.strict import Table, read_table
from relay.config.time import AuthorityConfig, read_time
from relay.config.trace import TraceConfig, read_trace
from relay.config.web import WebConfig, read_web
from relay.core.errors import Malformed
from relay.core.identity import Role
from relay.private.references import SecretReference
from relay.setup.signers import KeyReference
from relay.transport.broker import BrokerSettings
from relay.transport.credentials import TlsFiles
from relay.transport.limits import Limits, parse_limits

LEAP_MAX: Final = 256
LEDGER_FILES: Final = ("ca", "certificate", "trust", "data")
"""Settings of a ledger's table that are paths; `key` and `account` are secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every role has. `operators` are the only people's identities that may use its desk."""

    identity: str
    listen: str
    operators: frozenset[str]
    trust: Path
    data: Path
    tls: TlsFiles
    limits: Limits
    http: HttpConfig | None
    """Where the logs are served; None: nowhere."""
    ops: OpsConfig | None
    """Where metrics and health are; None: nowhere but in gRPC's own health service."""
    trace: TraceConfig | None = None
    """Where spans go; None: none are made."""
    mqtt: MqttConfig | None = None
    """The broker that is told what happens; None: nobody is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConfig:
    """An adapter family and the settings that belong to it alone."""

    family: str
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodianConfig:
    """`relay` is an address; signing keys are Ed25519, in files or tokens; `sealing` and `master` are 32 bytes each,
    raw in a file or in base64 in a variable.

    Without `custody_key` the custody log is kept and anchored all the same, but no head of it can be shown.
    """

    common: Common
    origin: str
    custody_origin: str
    relay: str
    ledger: LedgerConfig
    record_key: KeyReference
    log_key: KeyReference
    grant_key: KeyReference
    sealing_key: SecretReference
    master_key: SecretReference
    custody_key: KeyReference | None
    interval_s: float
    count: int
    retention: Path | None
    """A retention policy of the lender's own; None: the one of the package."""
    projections: tuple[Mapping[str, object], ...]
    """Which events of the lender's own contracts go into the evidence log; the ledger's family reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedOrigin:
    """A log that a relay serves. Its keys and their periods stand in the trust roots."""

    origin: str
    custodian: str
    ledger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStore:
    """A PostgreSQL database that several workers share; `lease_s`: after how many seconds a silent one's jobs are given away."""

    url: str
    lease_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """`court` is an address; `store` None: SQLite in the data folder."""

    common: Common
    store: SharedStore | None
    court: str
    court_ledger: LedgerConfig
    sources: tuple[LedgerConfig, ...]
    origins: tuple[ServedOrigin, ...]
    leap: int
    """When so many checkpoints of an origin wait, the newest goes to the court first and covers the others; 0: each by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtConfig:
    """`relay` is an address; `witness_name` and `custody_origin` are note key names. The first of `request_keys` is the one that
    grants are bound to now; the others answer for older grants.
    """

    common: Common
    relay: str
    court_ledger: LedgerConfig
    witness_name: str
    custody_origin: str
    witness_key: KeyReference
    seal_key: KeyReference
    request_keys: tuple[KeyReference, ...]
    custody_key: KeyReference
    authorities: tuple[AuthorityConfig, ...]
    """Timestamp authorities that are asked; none: checkpoints are not stamped."""
    web: WebConfig | None
    """The court's pages; None: there are none."""
    report: ReportConfig | None
    """Its deposit reports; None: it issues none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskConfig:
    """Where a desk is and who calls it. `court` is the court that the lender's desk grants to by default.

    `mqtt`: whose notices `courtrelay notices --follow` follows.
    """

    address: str
    tls: TlsFiles
    court: str
    mqtt: FollowConfig | None = None


def read_tls(table: Table) -> TlsFiles:
    """The table `tls` in this one."""
    inner = table.table("tls")
    crl = inner.table("crl") if inner.has("crl") else None
    files = TlsFiles(
        ca=inner.file("ca"),
        certificate=inner.file("certificate"),
        key=inner.private_file("key"),
        crl={} if crl is None else crl.files_by_trust_domain(),
    )
    inner.done()
    return files


def read_limits(table: Table) -> Limits:
    """The table `limits` in this one, where there is one."""
    if not table.has("limits"):
        return Limits()
    inner = table.table("limits")
    try:
        return parse_limits(inner.rest())
    except Malformed as error:
        raise inner.refuse(error.field, error.reason) from None


def _common(table: Table, role: Role) -> Common:
    tls = read_tls(table)
    return Common(
        identity=table.identity("identity", role),
        listen=table.text("listen"),
        operators=table.identities("operators", Role.OPERATOR),
        trust=table.file("trust"),
        data=table.file("data"),
        tls=tls,
        limits=read_limits(table),
        http=read_http(table.table("http"), witness=role is Role.COURT) if table.has("http") else None,
        ops=read_ops(table.table("ops")) if table.has("ops") else None,
        trace=read_trace(table.table("trace")) if table.has("trace") else None,
        mqtt=read_mqtt(table.table("mqtt"), tls) if table.has("mqtt") else None,
    )


def read_ledger(table: Table, tls: TlsFiles) -> LedgerConfig:
    """The role's own TLS files unless the ledger's table names others; what is a file in any family is relative to this file.

    A table that stands before another ledger (`broker` and `inner`) is of that ledger, and has no files of its own.
    """
    family = table.text("family")
    if stands_before(table):
        return read_before(
            table, family, read_broker(table.table("broker"), tls), read_ledger(table.table("inner"), tls)
        )
    own = {"ca": str(tls.ca), "certificate": str(tls.certificate), "key": str(tls.key)}
    files = ledger_files(table)
    return LedgerConfig(family=family, settings={**own, **files, **table.rest()})


def ledger_files(table: Table) -> dict[str, str]:
    """What is a file, or a secret by reference, in a ledger's table of any family: relative to this file."""
    files = {name: str(table.file(name)) for name in LEDGER_FILES if table.has(name)}
    if table.has("key"):
        files["key"] = str(table.private_file("key"))
    if table.has("account"):
        files["account"] = str(table.reference("account"))
    return files


def stands_before(table: Table) -> bool:
    """Whether a ledger's table is of one that stands before another."""
    return table.has("broker") and table.has("inner")


def read_before(table: Table, family: str, broker: BrokerSettings, inner: LedgerConfig) -> LedgerConfig:
    """It is of the inner one's ledger, and has no files of its own."""
    about = {"broker": broker, "inner": inner, "ledger": inner.settings.get("ledger")}
    return LedgerConfig(family=family, settings={**about, **table.rest()})


def read_custodian(path: Path) -> CustodianConfig:
    """Raises `Malformed` naming file and key, as all readers here."""
    table = read_table(path)
    common = _common(table, Role.CUSTODIAN)
    keys, anchoring, relay = table.table("keys"), table.table("anchoring"), table.table("relay")
    config = CustodianConfig(
        common=common,
        origin=table.text("origin"),
        custody_origin=table.text("custody_origin"),
        relay=relay.text("address"),
        ledger=read_ledger(table.table("ledger"), common.tls),
        record_key=keys.signing_key("record"),
        log_key=keys.signing_key("log"),
        grant_key=keys.signing_key("grant"),
        sealing_key=keys.reference("sealing"),
        master_key=keys.reference("master"),
        custody_key=keys.signing_key("custody") if keys.has("custody") else None,
        interval_s=anchoring.seconds("interval_s", low=0.05, high=86_400),
        count=anchoring.integer("count", low=1, high=10_000_000),
        retention=_retention(table.table("retention")) if table.has("retention") else None,
        projections=read_projections(table),
    )
    for one in (table, keys, anchoring, relay):
        one.done()
    return config


def read_projections(table: Table) -> tuple[Mapping[str, object], ...]:
    """The tables `[[projection]]`, where there are any."""
    return tuple(one.rest() for one in table.tables("projection")) if table.has("projection") else ()


def _retention(table: Table) -> Path:
    policy = table.file("policy")
    table.done()
    return policy


def read_relay(path: Path) -> RelayConfig:
    """The relay's file."""
    table = read_table(path)
    common = _common(table, Role.RELAY)
    court = table.table("court")
    config = RelayConfig(
        common=common,
        store=_store(table.table("store")) if table.has("store") else None,
        court=court.text("address"),
        court_ledger=read_ledger(table.table("court_ledger"), common.tls),
        sources=tuple(read_ledger(source, common.tls) for source in table.tables("sources")),
        origins=tuple(_origin(origin) for origin in table.tables("origins")),
        leap=table.integer("leap", low=0, high=LEAP_MAX) if table.has("leap") else 0,
    )
    court.done()
    table.done()
    known = {str(source.settings.get("ledger")) for source in config.sources}
    for origin in config.origins:
        if origin.ledger not in known:
            raise Malformed(
                str(path), "origins", f"{origin.origin} is anchored on {origin.ledger}, which is no source here"
            )
    return config


def _store(table: Table) -> SharedStore | None:
    family = table.text("family")
    if family not in ("sqlite", "postgresql"):
        raise table.refuse("family", f"{family!a} is neither sqlite nor postgresql")
    store = None
    if family == "postgresql":
        store = SharedStore(url=table.secret("url"), lease_s=table.seconds("lease_s", low=1.0, high=600.0))
    table.done()
    return store


def _origin(table: Table) -> ServedOrigin:
    origin = ServedOrigin(
        origin=table.text("origin"),
        custodian=table.identity("custodian", Role.CUSTODIAN),
        ledger=table.text("ledger"),
    )
    table.done()
    return origin


def read_court(path: Path) -> CourtConfig:
    """The court gateway's file."""
    table = read_table(path)
    common = _common(table, Role.COURT)
    keys, relay = table.table("keys"), table.table("relay")
    config = CourtConfig(
        common=common,
        relay=relay.text("address"),
        court_ledger=read_ledger(table.table("court_ledger"), common.tls),
        witness_name=table.text("witness_name"),
        custody_origin=table.text("custody_origin"),
        witness_key=keys.signing_key("witness"),
        seal_key=keys.signing_key("seal"),
        request_keys=(
            keys.signing_key("request"),
            *(keys.signing_keys("request_old") if keys.has("request_old") else ()),
        ),
        custody_key=keys.signing_key("custody"),
        authorities=read_time(table.table("time")) if table.has("time") else (),
        web=read_web(table.table("web")) if table.has("web") else None,
        report=read_report(table.table("report")) if table.has("report") else None,
    )
    for one in (table, keys, relay):
        one.done()
    return config


def read_desk(path: Path) -> DeskConfig:
    """A desk's file."""
    table = read_table(path)
    tls = read_tls(table)
    config = DeskConfig(
        address=table.text("address"),
        tls=tls,
        court=table.identity("court", Role.COURT) if table.has("court") else "",
        mqtt=read_follow(table.table("mqtt"), tls) if table.has("mqtt") else None,
    )
    table.done()
    return config
