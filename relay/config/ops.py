"""The table `[ops]` of every role: where metrics, health and the status page are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from relay.config.http import is_loopback
from relay.config.strict import Table

DISK_FREE_MIN: Final = 256 * 1024**2
DISK_FREE_HIGHEST: Final = 1 << 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsConfig:
    """`tls`: mutual (every client shows a certificate), none (the loopback alone), open (plain, for a network of monitoring alone).

    `disk_free_bytes_min`: with less room where the data is, the role says that its disk is a problem.
    """

    listen: str
    tls: Literal["mutual", "none", "open"]
    disk_free_bytes_min: int


def read_ops(table: Table) -> OpsConfig:
    """Raises `Malformed`."""
    listen, host = table.listen("listen")
    kind = table.text("tls") if table.has("tls") else "mutual"
    if kind == "none" and not is_loopback(host):
        raise table.refuse("tls", "none is for the loopback alone; open is for a network that monitoring alone reaches")
    config = OpsConfig(
        listen=listen,
        tls=_kind(table, kind),
        disk_free_bytes_min=(
            table.integer("disk_free_bytes_min", low=0, high=DISK_FREE_HIGHEST)
            if table.has("disk_free_bytes_min")
            else DISK_FREE_MIN
        ),
    )
    table.done()
    return config


def _kind(table: Table, kind: str) -> Literal["mutual", "none", "open"]:
    if kind == "mutual":
        return "mutual"
    if kind == "none":
        return "none"
    if kind == "open":
        return "open"
    raise table.refuse("tls", f"{kind!a} is none of mutual, none, open")
