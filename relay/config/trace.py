"""The table `[trace]` of every role: where its spans go (docs/traces.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relay.config.http import is_loopback
from relay.config.strict import Table

ENDPOINT_CHARS_MAX: Final = 500
HEADERS_MAX: Final = 16
VALUE_CHARS_MAX: Final = 4096
_HEADER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_TAKEN: Final = frozenset(
    {"content-type", "content-length", "content-encoding", "host", "transfer-encoding", "connection"}
)
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceConfig:
    """`endpoint` is the address for OTLP over HTTP, path included. `sample`: the share of ways that begin here and are recorded."""

    endpoint: str
    ca: Path | None
    """Certificates of the collector's authority; None: those that every program on the machine trusts."""
    headers: Mapping[str, str]
    sample: float


def read_trace(table: Table) -> TraceConfig:
    """Raises `Malformed`."""
    endpoint = table.text("endpoint")
    reason = _wrong(endpoint)
    if reason:
        raise table.refuse("endpoint", reason)
    secure = endpoint.startswith("https:")
    if table.has("ca") and not secure:
        raise table.refuse("ca", "is for an endpoint that begins with https://")
    config = TraceConfig(
        endpoint=endpoint,
        ca=table.file("ca") if table.has("ca") else None,
        headers=_headers(table.table("headers")) if table.has("headers") else {},
        sample=table.share("sample") if table.has("sample") else 1.0,
    )
    table.done()
    return config


def _wrong(endpoint: str) -> str:
    """What is wrong with it; empty when nothing is."""
    if len(endpoint) > ENDPOINT_CHARS_MAX or re.fullmatch(r"[\x21-\x7e]+", endpoint) is None:
        return f"must be an address of at most {ENDPOINT_CHARS_MAX} characters without spaces"
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not host or parts.path in ("", "/"):
        return "must be such as https://collector.example:4318/v1/traces"
    if parts.username is not None or parts.query or parts.fragment or "?" in endpoint or "#" in endpoint:
        return "must have no user, query or fragment; a password belongs into [trace.headers]"
    if parts.scheme == "http" and not is_loopback(host):
        return "http is for the loopback alone (an address such as 127.0.0.1); use https"
    return ""


def _headers(table: Table) -> dict[str, str]:
    """All of this table: names in lower case, values by reference."""
    names = table.names()
    if len(names) > HEADERS_MAX:
        raise table.refuse("", f"has {len(names)} headers; at most {HEADERS_MAX}")
    headers = {}
    for name in names:
        if _HEADER.fullmatch(name) is None or name in _TAKEN:
            raise table.refuse(name[:64], "is no header that can be set here; names are in lower case")
        value = table.secret(name)
        if len(value) > VALUE_CHARS_MAX or _VALUE.fullmatch(value) is None:
            raise table.refuse(name, f"must be at most {VALUE_CHARS_MAX} visible ASCII characters")
        headers[name] = value
    return headers
