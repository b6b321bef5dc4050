"""The table `[mqtt]` of a role (notices) and of a desk (who follows them), and the broker in a ledger's table (docs/mqtt.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from relay.config.http import is_loopback
from relay.config.strict import Table
from relay.core.errors import Malformed
from relay.core.identity import Identity, parse_identity
from relay.core.topics import check_prefix
from relay.transport.broker import BrokerSettings, BrokerTls
from relay.transport.credentials import TlsFiles

PORTS: Final = {"mqtts": 8883, "mqtt": 1883}
KEEPALIVE_S: Final = 30
KEEP: Final = 100_000
KEEP_HIGHEST: Final = 10_000_000
KEEP_DAYS: Final = 7
PREFIX: Final = "courtrelay"


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """`keep`, `keep_days`: how many notices stay for readers that missed them, and for how long."""

    broker: BrokerSettings
    prefix: str
    keep: int
    keep_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowConfig:
    """Whose notices a desk follows, and where."""

    broker: BrokerSettings
    prefix: str
    publisher: Identity


def read_mqtt(table: Table, tls: TlsFiles) -> MqttConfig:
    """A role's table. Raises `Malformed`."""
    config = MqttConfig(
        broker=_broker(table, tls),
        prefix=_prefix(table),
        keep=table.integer("keep", low=1, high=KEEP_HIGHEST) if table.has("keep") else KEEP,
        keep_days=table.integer("keep_days", low=1, high=3650) if table.has("keep_days") else KEEP_DAYS,
    )
    table.done()
    return config


def read_follow(table: Table, tls: TlsFiles) -> FollowConfig:
    """A desk's table. Raises `Malformed`."""
    config = FollowConfig(
        broker=_broker(table, tls),
        prefix=_prefix(table),
        publisher=parse_identity(table.text("publisher"), what="desk", field=table.at("publisher")),
    )
    table.done()
    return config


def read_broker(table: Table, tls: TlsFiles | None) -> BrokerSettings:
    """The table `broker` of a ledger. Raises `Malformed`."""
    settings = _broker(table, tls)
    table.done()
    return settings


def _prefix(table: Table) -> str:
    if not table.has("prefix"):
        return PREFIX
    prefix = table.text("prefix")
    try:
        return check_prefix(prefix, "", "")
    except Malformed as error:
        raise table.refuse("prefix", error.reason) from None


def _broker(table: Table, tls: TlsFiles | None) -> BrokerSettings:
    secure, host, port = _url(table)
    if not secure and table.has("tls"):
        raise table.refuse("tls", "belongs to a broker at mqtts://")
    username = table.text("username") if table.has("username") else ""
    if table.has("password") and not username:
        raise table.refuse("username", "is missing beside a password")
    return BrokerSettings(
        host=host,
        port=port,
        tls=_tls(table, tls) if secure else None,
        version=_version(table),
        username=username,
        password=table.secret("password") if table.has("password") else "",
        keepalive_s=table.integer("keepalive_s", low=5, high=3600) if table.has("keepalive_s") else KEEPALIVE_S,
    )


def _url(table: Table) -> tuple[bool, str, int]:
    text = table.text("url")
    wanted = "must be mqtts://host:port; mqtt://host:port on the loopback alone"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise table.refuse("url", wanted) from None
    if parts.scheme not in PORTS or not host or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise table.refuse("url", wanted)
    if parts.scheme == "mqtt" and not is_loopback(host):
        raise table.refuse("url", "a broker elsewhere is reached by mqtts:// only")
    return parts.scheme == "mqtts", host, port or PORTS[parts.scheme]


def _version(table: Table) -> Literal["5", "3.1.1"]:
    version = table.text("version") if table.has("version") else "5"
    if version == "5":
        return "5"
    if version == "3.1.1":
        return "3.1.1"
    raise table.refuse("version", 'must be "5" or "3.1.1"')


def _tls(table: Table, own: TlsFiles | None) -> BrokerTls:
    """The role's own files, or a table of its own, in which certificate and key are there together or not at all."""
    if own is not None and not table.has("tls"):
        return BrokerTls(ca=own.ca, certificate=own.certificate, key=own.key)
    inner = table.table("tls")
    if inner.has("certificate") != inner.has("key"):
        raise inner.refuse("certificate", "and key are given together or not at all")
    shown = inner.has("certificate")
    made = BrokerTls(
        ca=inner.file("ca"),
        certificate=inner.file("certificate") if shown else None,
        key=inner.private_file("key") if shown else None,
    )
    inner.done()
    return made
