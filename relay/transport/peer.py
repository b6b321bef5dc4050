"""Who is calling: the peer certificate's one SPIFFE id, checked on every call (X509-SVID sections 2 to 5)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import grpc.aio
from cryptography import x509

from relay.core.errors import Denied, Malformed
from relay.core.identity import Identity, parse_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A caller's certificate, read: a leaf of exactly one identity."""

    identity: Identity
    certificate: x509.Certificate

    def seconds_left(self) -> float:
        """How long the certificate is still valid; below 0 when it is not."""
        return (self.certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).total_seconds()

    def check_time(self) -> None:
        """Raises `Denied` outside the certificate's validity."""
        now = datetime.datetime.now(datetime.UTC)
        if not self.certificate.not_valid_before_utc <= now <= self.certificate.not_valid_after_utc:
            raise Denied(f"the certificate of {self.identity} is not valid now")


def peer_identity(context: grpc.aio.ServicerContext[Any, Any]) -> Identity:
    """The caller's identity. Raises `Denied`: no certificate, not exactly one URI, an authority's certificate, expired."""
    peer = shown_peer(context)
    peer.check_time()
    return peer.identity


def shown_peer(context: grpc.aio.ServicerContext[Any, Any]) -> Peer:
    """Whose certificate the caller showed, valid now or not. Raises `Denied`."""
    pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
    if not pem:
        raise Denied("the caller showed no certificate")
    return read_peer(bytes(pem))


@lru_cache(maxsize=1024)
def read_peer(pem: bytes) -> Peer:
    """A certificate in PEM. Raises `Denied` when it is not a leaf of one identity."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Denied(f"the caller's certificate lacks what an identity needs: {error}") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise Denied(f"the caller's certificate carries {len(uris)} URI names; exactly one is an identity")
    if basic.ca or usage.key_cert_sign or usage.crl_sign or not usage.digital_signature:
        raise Denied("the caller's certificate is not a leaf for signatures")
    try:
        identity = parse_identity(uris[0])
    except Malformed as error:
        raise Denied(f"the caller's identity: {error}") from None
    return Peer(identity=identity, certificate=certificate)
