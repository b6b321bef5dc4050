"""The table `[http]`: the logs that a role holds, at the paths of C2SP tlog-tiles, and a court's witness."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from relay.config.strict import Table
from relay.setup.signers import KeyReference


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessConfig:
    """`name` is a note key name. Name and key are others than the mirror's."""

    name: str
    key: KeyReference


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """`listen` is an address with a port; `mutual`: with the role's own TLS files, every client showing a certificate."""

    listen: str
    mutual: bool
    custody: bool
    witness: WitnessConfig | None


def read_http(table: Table, *, witness: bool) -> HttpConfig:
    """Raises `Malformed`; `witness`: whether the role may have one."""
    listen, host = table.listen("listen")
    kind = table.text("tls") if table.has("tls") else "mutual"
    if kind not in ("mutual", "none"):
        raise table.refuse("tls", f"{kind!a} is neither mutual nor none")
    if kind == "none" and not is_loopback(host):
        raise table.refuse("tls", "none is for the loopback alone; put a proxy with TLS in front for others")
    config = HttpConfig(
        listen=listen,
        mutual=kind == "mutual",
        custody=table.flag("custody") if table.has("custody") else False,
        witness=_witness(table.table("witness")) if witness and table.has("witness") else None,
    )
    table.done()
    return config


def is_loopback(host: str) -> bool:
    """Whether a host of an address is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _witness(table: Table) -> WitnessConfig:
    config = WitnessConfig(name=table.text("name"), key=table.signing_key("key"))
    table.done()
    return config
