"""Revocation lists (RFC 5280 section 5): one file a trust domain, read again when it changes, asked on every call.

gRPC for Python offers no place to check them in the handshake, so the gate does, on each call and while a stream is open.
A list that cannot be used never replaces one that can; when the last good one has run out, nobody of its domain is let in.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from relay.core.errors import Denied, Malformed
from relay.core.limits import FUTURE_SKEW_S
from relay.telemetry.events import REVOCATION_LIST_IN_FORCE, REVOCATION_LIST_REFUSED, log_event
from relay.transport.credentials import TlsFiles
from relay.transport.peer import Peer

log = logging.getLogger(__name__)

LIST_BYTES_MAX: Final = 8 * 1024 * 1024
LOOK_EVERY_S: Final = 1.0
_UNDERSTOOD: Final = (x509.CRLNumber, x509.AuthorityKeyIdentifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """One complete list of one authority, its signature checked."""

    authority: x509.Certificate
    number: int
    made: datetime.datetime
    next_due: datetime.datetime
    serials: frozenset[int]


def parse_list(
    data: bytes, authorities: Sequence[x509.Certificate], now: datetime.datetime, *, what: str
) -> RevocationList:
    """Read a list in PEM. Raises `Malformed`: not signed by one of these authorities, run out, not complete, or without number."""
    if len(data) > LIST_BYTES_MAX:
        raise Malformed(what, "", f"{len(data)} bytes; at most {LIST_BYTES_MAX}")
    try:
        found = x509.load_pem_x509_crl(data)
        extensions = list(found.extensions)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        serials = frozenset(entry.serial_number for entry in found)
    except x509.ExtensionNotFound:
        raise Malformed(
            what, "", "has no number (CRLNumber), without which an older list cannot be told from a newer"
        ) from None
    except (ValueError, TypeError) as error:
        raise Malformed(what, "", f"is not a revocation list in PEM: {error}") from None
    authority = next((ca for ca in authorities if _signed(found, ca)), None)
    if authority is None:
        raise Malformed(what, "", "is not signed by an authority of the ca file that may sign lists")
    for extension in extensions:
        if extension.critical or not isinstance(extension.value, _UNDERSTOOD):
            raise Malformed(
                what, "", f"must be one complete list; {extension.oid.dotted_string} says that it is something else"
            )
    if found.next_update_utc is None or found.next_update_utc <= now:
        raise Malformed(what, "", f"has run out at {found.next_update_utc}; get the authority's new one")
    if found.last_update_utc > now + datetime.timedelta(seconds=FUTURE_SKEW_S):
        raise Malformed(what, "", f"is dated in the future: {found.last_update_utc}")
    return RevocationList(
        authority=authority, number=number, made=found.last_update_utc, next_due=found.next_update_utc, serials=serials
    )


def _signed(found: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
        key = authority.public_key()
        return found.issuer == authority.subject and usage.crl_sign and found.is_signature_valid(key)  # type: ignore[arg-type]
    except (x509.ExtensionNotFound, TypeError, ValueError):
        return False


@lru_cache(maxsize=4096)
def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key has signed the certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


class Memory(Protocol):
    """The newest list that a role has used of each trust domain, across its lives."""

    def newest(self, domain: str) -> tuple[int, datetime.datetime] | None:
        """Number and date; None before the first list."""

    def keep(self, domain: str, number: int, made: datetime.datetime) -> None:
        """Durable on return."""


class NoMemory:
    """For a server without a folder of its own: each life begins with the list that it finds."""

    def newest(self, domain: str) -> tuple[int, datetime.datetime] | None:
        """See `Memory`."""
        return None

    def keep(self, domain: str, number: int, made: datetime.datetime) -> None:
        """See `Memory`."""


class RevocationLists:
    """The newest good list of every trust domain that is configured. Built by `open`."""

    def __init__(self, paths: Mapping[str, Path], authorities: Sequence[x509.Certificate], memory: Memory) -> None:
        self._paths = paths
        self._authorities = authorities
        self._memory = memory
        self._lists: dict[str, RevocationList] = {}
        self._seen: dict[str, tuple[int, ...]] = {}

    @classmethod
    def open(cls, tls: TlsFiles, memory: Memory = NoMemory()) -> RevocationLists:  # noqa: B008  (holds nothing)
        """Read every list once. Raises `Malformed` naming the file: a server does not begin without, nor with an older one than before."""
        if not tls.crl:
            return cls({}, (), memory)
        try:
            authorities = x509.load_pem_x509_certificates(tls.ca.read_bytes())
        except (OSError, ValueError) as error:
            raise Malformed(str(tls.ca), "", f"cannot be read as certificates: {error}") from None
        lists = cls(tls.crl, authorities, memory)
        for domain in tls.crl:
            lists.read(domain)
        return lists

    def read(self, domain: str) -> bool:
        """Take a domain's list in when its file changed; True when it did. Raises `Malformed`; the list before then stays."""
        path = self._paths[domain]
        try:
            stat = path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen.get(domain):
                return False
            self._seen[domain] = seen
            with path.open("rb") as file:
                data = file.read(LIST_BYTES_MAX + 1)
        except OSError as error:
            raise Malformed(
                str(path), "", f"cannot be read: {error.strerror}; it must hold the list of {domain}"
            ) from None
        new = parse_list(data, self._authorities, datetime.datetime.now(datetime.UTC), what=str(path))
        old = self._memory.newest(domain)
        if domain in self._lists:
            old = self._lists[domain].number, self._lists[domain].made
        if old is not None and (new.number, new.made) < old:
            raise Malformed(
                str(path),
                "",
                f"is list {new.number} of {new.made}, older than {old[0]} of {old[1]}, which was in use here; get the authority's newest",
            )
        if old is None or (new.number, new.made) > old:
            self._memory.keep(domain, new.number, new.made)
        self._lists[domain] = new
        return True

    def check(self, peer: Peer) -> None:
        """Raises `Denied` for a certificate that is revoked, or of which no list in force says that it is not."""
        if not self._paths:
            return
        identity = peer.identity
        held = self._lists.get(identity.trust_domain)
        if held is None:
            raise Denied(f"{identity}: no revocation list of this trust domain is configured")
        if held.next_due <= datetime.datetime.now(datetime.UTC):
            raise Denied(f"{identity}: the revocation list of {identity.trust_domain} has run out at {held.next_due}")
        if not issued_by(peer.certificate, held.authority):
            raise Denied(f"{identity}: its certificate is not of the authority that speaks for {identity.trust_domain}")
        if peer.certificate.serial_number in held.serials:
            raise Denied(f"{identity}: the certificate {peer.certificate.serial_number:x} is revoked")

    async def watch(self) -> None:
        """Look at the files for ever; ends by cancellation."""
        said: dict[str, str] = {}
        while self._paths:
            await asyncio.sleep(LOOK_EVERY_S)
            for domain in self._paths:
                try:
                    if await asyncio.to_thread(self.read, domain):
                        said.pop(domain, None)
                        log_event(log, REVOCATION_LIST_IN_FORCE, number=self._lists[domain].number, domain=domain)
                except Malformed as error:
                    if said.get(domain) != str(error):
                        log_event(log, REVOCATION_LIST_REFUSED, domain=domain, reason=error)
                    said[domain] = str(error)
