"""Who is calling: the peer certificate's one SPIFFE id, checked on every call (X509-SVID sections 2 to 5)."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Any

import grpc.aio
from cryptography import x509

from relay.core.errors import Denied, Malformed
from relay.core.identity import Identity, parse_identity


def peer_identity(context: grpc.aio.ServicerContext[Any, Any]) -> Identity:
    """The caller's identity. Raises `Denied`: no certificate, not exactly one URI, an authority's certificate, expired."""
    identity, not_before, not_after = _shown(context)
    if not not_before <= datetime.datetime.now(datetime.UTC) <= not_after:
        raise Denied(f"the certificate of {identity} is not valid now")
    return identity


def seconds_left(context: grpc.aio.ServicerContext[Any, Any]) -> float:
    """How long the caller's certificate is still valid; below 0 when it is not. Raises `Denied`."""
    _, _, not_after = _shown(context)
    return (not_after - datetime.datetime.now(datetime.UTC)).total_seconds()


def _shown(context: grpc.aio.ServicerContext[Any, Any]) -> tuple[Identity, datetime.datetime, datetime.datetime]:
    pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
    if not pem:
        raise Denied("the caller showed no certificate")
    return _read(bytes(pem))


@lru_cache(maxsize=1024)
def _read(pem: bytes) -> tuple[Identity, datetime.datetime, datetime.datetime]:
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
    return identity, certificate.not_valid_before_utc, certificate.not_valid_after_utc
