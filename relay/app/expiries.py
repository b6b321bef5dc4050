"""When what a role relies on ends: its certificate, the authorities', revocation lists, trust roots, the keys pinned there."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509

from relay.app.trust import read_trust
from relay.config.roles import Common
from relay.core.errors import Malformed
from relay.core.trust import TrustRoots
from relay.telemetry import metrics
from relay.telemetry.overview import Ending
from relay.transport.revocation import LIST_BYTES_MAX

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
"""Files are read again at a scrape when the last reading is older: a certificate that was renewed shows its new end."""

CLOSED_S: Final = 30 * 86_400.0
"""A key that ended so long ago belongs to something that is closed: it is not shown any more."""


class Expiries:
    """Of one role. Files are read once a minute at most."""

    def __init__(self, role: str, common: Common) -> None:
        self._role = role
        self._common = common
        self._read_at_s: float | None = None

    def sample(self, now_s: float) -> None:
        """Set the gauges. What cannot be read keeps its last value: its role says so by itself."""
        if self._read_at_s is not None and 0 <= now_s - self._read_at_s < EVERY_S:
            return
        self._read_at_s = now_s
        for one in endings(self._role, self._common, now_s):
            metrics.credential_expiry.labels(one.kind, one.name).set(one.ends_ms / 1000)


def endings(role: str, common: Common, now_s: float) -> list[Ending]:
    """Soonest first, without keys of what is closed. What cannot be read is left out: its role says so by itself."""
    found = [
        one for one in _all(role, common) if not (one.kind.endswith("_key") and one.ends_ms < (now_s - CLOSED_S) * 1000)
    ]
    return sorted(found, key=lambda one: one.ends_ms)


def _all(role: str, common: Common) -> Iterator[Ending]:
    yield from _certificates(common.tls.certificate, "certificate", role)
    yield from _certificates(common.tls.ca, "ca", role)
    for domain, path in common.tls.crl.items():
        yield from _list(path, domain)
    try:
        trust = read_trust(common.trust)
    except Malformed as error:
        log.warning("when the trust roots end is not known: %s", error)
        return
    yield Ending(kind="trust_roots", name=role, begins_ms=trust.issued_at_s * 1000, ends_ms=trust.expires_at_s * 1000)
    yield from _keys(trust)


def _certificates(path: Path, kind: str, name: str) -> Iterator[Ending]:
    """The end of the file's certificates, the earliest of several."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        log.warning("when %s ends is not known: %s", path.name, error)
        return
    first = min(found, key=lambda one: one.not_valid_after_utc)
    yield _ending(kind, name, first.not_valid_before_utc, first.not_valid_after_utc)


def _list(path: Path, domain: str) -> Iterator[Ending]:
    try:
        with path.open("rb") as file:
            found = x509.load_pem_x509_crl(file.read(LIST_BYTES_MAX))
    except (OSError, ValueError) as error:
        log.warning("when the revocation list of %s ends is not known: %s", domain, error)
        return
    if found.next_update_utc is not None:
        yield _ending("revocation_list", domain, found.last_update_utc, found.next_update_utc)


def _ending(kind: str, name: str, begins: datetime.datetime, ends: datetime.datetime) -> Ending:
    return Ending(kind=kind, name=name, begins_ms=int(begins.timestamp() * 1000), ends_ms=int(ends.timestamp() * 1000))


def _keys(trust: TrustRoots) -> Iterator[Ending]:
    """For each use and name the key that holds longest: where one follows another in time, nothing runs out."""
    last: dict[tuple[str, str], Ending] = {}
    for key in trust.pinned_keys:
        name = key.name or key.party
        ends_ms = key.valid_to_ms if key.revoked_from_ms is None else min(key.valid_to_ms, key.revoked_from_ms)
        one = Ending(kind=f"{key.use}_key", name=name, begins_ms=key.valid_from_ms, ends_ms=ends_ms)
        held = last.setdefault((key.use, name), one)
        if held.ends_ms < ends_ms:
            last[key.use, name] = one
    yield from last.values()
