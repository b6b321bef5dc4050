"""TLS files and the credentials made of them. Both sides always show a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from relay.core.errors import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the authorities' certificates, our certificate, our key; for servers a revocation list for each trust domain.

    Without any list nothing is looked up in one: right for an authority whose certificates live for hours.
    """

    ca: Path
    certificate: Path
    key: Path
    crl: Mapping[str, Path] = field(default_factory=dict)

    def read(self) -> tuple[bytes, bytes, bytes]:
        """(ca, certificate, key). Raises `Malformed` naming the file."""
        return _pem(self.ca, b"CERTIFICATE"), _pem(self.certificate, b"CERTIFICATE"), _pem(self.key, b"PRIVATE KEY")


def _pem(path: Path, kind: bytes) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}; `courtrelay init` makes it") from None
    if b"-----BEGIN " not in data or kind not in data:
        raise Malformed(str(path), "", f"is not a PEM file with a {kind.decode().lower()}")
    return data


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials of a client."""
    ca, certificate, key = files.read()
    return grpc.ssl_channel_credentials(ca, key, certificate)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials of a server that asks every client for a certificate of the same authority."""
    ca, certificate, key = files.read()
    return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
