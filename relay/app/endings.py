"""When a role's certificates, revocation lists and trust roots end, read from the files that it uses."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from relay.app.trust import read_trust
from relay.config.roles import Common
from relay.core.errors import Malformed
from relay.telemetry.overview import Ending


def endings(common: Common) -> tuple[Ending, ...]:
    """Soonest first. A file that cannot be read now is left out: whoever uses it says so."""
    return tuple(sorted(_all(common), key=lambda one: one.ends_ms))


def _all(common: Common) -> Iterator[Ending]:
    yield from _certificates("certificate", common.tls.certificate)
    yield from _certificates("authority", common.tls.ca)
    for domain, path in sorted(common.tls.crl.items()):
        yield from _list(domain, path)
    try:
        trust = read_trust(common.trust)
    except Malformed:
        return
    yield Ending(
        kind="trust", name=common.trust.name, begins_ms=trust.issued_at_s * 1000, ends_ms=trust.expires_at_s * 1000
    )


def _certificates(kind: str, path: Path) -> Iterator[Ending]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return
    for number, one in enumerate(found[:1] if kind == "certificate" else found):
        name = path.name if number == 0 else f"{path.name} ({number + 1})"
        yield _ending(kind, name, one.not_valid_before_utc, one.not_valid_after_utc)


def _list(domain: str, path: Path) -> Iterator[Ending]:
    try:
        found = x509.load_pem_x509_crl(path.read_bytes())
    except (OSError, ValueError):
        return
    if found.next_update_utc is not None:
        yield _ending("list", domain, found.last_update_utc, found.next_update_utc)


def _ending(kind: str, name: str, begins: datetime.datetime, ends: datetime.datetime) -> Ending:
    return Ending(kind=kind, name=name, begins_ms=int(begins.timestamp() * 1000), ends_ms=int(ends.timestamp() * 1000))
