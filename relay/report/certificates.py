"""The certificates around a seal: what the document says of one, and whether it may sign reports."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from relay.core.errors import Malformed
from relay.core.report_inputs import CertificateFacts

PEM_BYTES_MAX: Final = 256 * 1024


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file in its order. Raises `Malformed`."""
    try:
        data = path.read_bytes()
        if len(data) > PEM_BYTES_MAX:
            raise Malformed(str(path), "", f"{len(data)} bytes; at most {PEM_BYTES_MAX}")
        return tuple(x509.load_pem_x509_certificates(data))
    except (OSError, ValueError) as error:
        raise Malformed(str(path), "", f"is no PEM file of certificates: {error}") from None


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """What a report says of the certificate that seals it."""
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        not_before_ms=int(certificate.not_valid_before_utc.timestamp()) * 1000,
        not_after_ms=int(certificate.not_valid_after_utc.timestamp()) * 1000,
    )


def usage_problem(certificate: x509.Certificate) -> str:
    """Why it may not seal a report; empty when it may: key usage contentCommitment (nonRepudiation), no authority (RFC 5280 4.2.1.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        commits = usage.content_commitment
    except (x509.ExtensionNotFound, ValueError):
        commits = False
    if not commits:
        return "its key usage does not include contentCommitment (nonRepudiation): it is not meant to seal documents"
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        authority = False
    return "it is an authority's certificate, not a sealer's" if authority else ""
