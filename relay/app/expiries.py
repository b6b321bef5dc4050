"""When what a role relies on ends: its certificate, the authorities', revocation lists, trust roots, the keys pinned there."""

from __future__ import annotations

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
from relay.transport.revocation import LIST_BYTES_MAX

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
"""Files are read again at a scrape when the last reading is older: a certificate that was renewed shows its new end."""

CLOSED_S: Final = 30 * 86_400.0
"""A key that ended so long ago belongs to something that is closed: it is not shown any more."""

Expiry = tuple[str, str, float]
"""Kind, name, seconds since 1970 UTC."""


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
        for kind, name, end_s in self._ends():
            if kind.endswith("_key") and end_s < now_s - CLOSED_S:
                continue
            metrics.credential_expiry.labels(kind, name).set(end_s)

    def _ends(self) -> Iterator[Expiry]:
        tls = self._common.tls
        yield from _certificates(tls.certificate, "certificate", self._role)
        yield from _certificates(tls.ca, "ca", self._role)
        for domain, path in tls.crl.items():
            yield from _list(path, domain)
        try:
            trust = read_trust(self._common.trust)
        except Malformed as error:
            log.warning("when the trust roots end is not known: %s", error)
            return
        yield "trust_roots", self._role, float(trust.expires_at_s)
        yield from _keys(trust)


def _certificates(path: Path, kind: str, name: str) -> Iterator[Expiry]:
    """The end of the file's certificates, the earliest of several."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        log.warning("when %s ends is not known: %s", path.name, error)
        return
    yield kind, name, min(one.not_valid_after_utc for one in found).timestamp()


def _list(path: Path, domain: str) -> Iterator[Expiry]:
    try:
        with path.open("rb") as file:
            found = x509.load_pem_x509_crl(file.read(LIST_BYTES_MAX))
    except (OSError, ValueError) as error:
        log.warning("when the revocation list of %s ends is not known: %s", domain, error)
        return
    if found.next_update_utc is not None:
        yield "revocation_list", domain, found.next_update_utc.timestamp()


def _keys(trust: TrustRoots) -> Iterator[Expiry]:
    """For each use and name the key that holds longest: where one follows another in time, nothing runs out."""
    ends: dict[tuple[str, str], int] = {}
    for key in trust.pinned_keys:
        held = key.use, key.name or key.party
        end_ms = key.valid_to_ms if key.revoked_from_ms is None else min(key.valid_to_ms, key.revoked_from_ms)
        ends[held] = max(ends.get(held, 0), end_ms)
    for (use, name), end_ms in ends.items():
        yield f"{use}_key", name, end_ms / 1000
