"""The table `[time]` of a court gateway: timestamp authorities that it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from relay.config.strict import Table
from relay.core.fields import TOKEN
from relay.core.limits import TIMESTAMPS_PER_ANCHOR_MAX
from relay.core.timestamp import IMPRINT_HASHES, ImprintHash

URL_CHARS_MAX: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityConfig:
    """`name` as the trust roots pin it; `url` takes the POST of RFC 3161 section 3.4."""

    name: str
    url: str
    hash_name: ImprintHash


def read_time(table: Table) -> tuple[AuthorityConfig, ...]:
    """Raises `Malformed`."""
    tables = table.tables("authority")
    authorities = tuple(_authority(one) for one in tables)
    table.done()
    if len({authority.name for authority in authorities}) < len(authorities):
        raise table.refuse("authority", "names one authority twice")
    if len(authorities) > TIMESTAMPS_PER_ANCHOR_MAX:
        raise table.refuse("authority", f"{len(authorities)} authorities; at most {TIMESTAMPS_PER_ANCHOR_MAX}")
    return authorities


def _authority(table: Table) -> AuthorityConfig:
    name, url = table.text("name"), table.text("url")
    hash_name = table.text("hash") if table.has("hash") else "sha256"
    if not TOKEN.fullmatch(name):
        raise table.refuse("name", "must be a lower-case name of letters, digits, _ and -")
    _check_url(table, url)
    for known in IMPRINT_HASHES:
        if known == hash_name:
            table.done()
            return AuthorityConfig(name=name, url=url, hash_name=known)
    raise table.refuse("hash", f"must be {' or '.join(IMPRINT_HASHES)}")


def _check_url(table: Table, url: str) -> None:
    """HTTPS or HTTP: a token is as good as its signature, whoever carries it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise table.refuse("url", "is not an address") from None
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARS_MAX
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.fragment:
        raise table.refuse("url", "must be the authority's http or https address")
    if parts.username is not None or parts.password is not None:
        raise table.refuse("url", "must not hold a password")
