"""TLS files and the credentials made of them. Both sides always show a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from relay.core.errors import Malformed
from relay.private.files import read_private


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
        """(ca, certificate, key). Raises `Malformed` naming the file; also for a key that others may read."""
        key = _pem(self.key, read_private(self.key), b"PRIVATE KEY")
        ca, certificate = _public(self.ca), _public(self.certificate)
        check_pair(certificate, key, self.certificate, self.key)
        return ca, certificate, key


def check_pair(certificate: bytes, key: bytes, certificate_file: Path, key_file: Path) -> None:
    """Raises `Malformed` for a key that is none or another one than the certificate's; gRPC would only say that it cannot listen."""
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Malformed(str(key_file), "", "is not an unencrypted PEM private key", concern="key") from None
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise Malformed(str(certificate_file), "", f"is not a certificate: {error}", concern="key") from None
    if leaf.public_key() != private.public_key():
        reason = f"is not the key of {certificate_file}; put the two that belong together there"
        raise Malformed(str(key_file), "", reason, concern="key")


def _public(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except PermissionError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}", concern="access") from None
    except OSError as error:
        raise Malformed(
            str(path), "", f"cannot be read: {error.strerror}; correct the path, or put the file there", concern="key"
        ) from None
    return _pem(path, data, b"CERTIFICATE")


def _pem(path: Path, data: bytes, kind: bytes) -> bytes:
    if b"-----BEGIN " not in data or kind not in data:
        raise Malformed(str(path), "", f"is not a PEM file with a {kind.decode().lower()}", concern="key")
    return data


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials of a client."""
    ca, certificate, key = files.read()
    return grpc.ssl_channel_credentials(ca, key, certificate)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials of a server that asks every client for a certificate of the same authority."""
    ca, certificate, key = files.read()
    return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
