"""A development certificate authority: P-256, one SPIFFE id a leaf, loopback names so that host checks work.

A production deployment brings certificates of its own authority with the same shape.
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.core.errors import Malformed
from relay.core.identity import Identity
from relay.setup.keys import write_secret

AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 825
_LEAF_EKU: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def make_authority(folder: Path, trust_domain: str, now: datetime.datetime) -> None:
    """Write `ca.pem` and `ca.key` into a folder. Raises `Conflict` when they exist."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{trust_domain} development authority")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(leaf=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_secret(folder / "ca.key", _key_pem(key))
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def issue(authority: Path, identity: Identity, out: Path, now: datetime.datetime, *, days: int = LEAF_DAYS) -> None:
    """Write `tls.pem` and `tls.key` for an identity into a folder. Raises `Malformed`, `Conflict`."""
    try:
        ca = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
        ca_key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    except (OSError, ValueError) as error:
        raise Malformed(str(authority), "authority", f"cannot be read: {error}") from None
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise Malformed(str(authority / "ca.key"), "", "must be an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(str(identity)),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(identity.name))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_LEAF_EKU), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_secret(out / "tls.key", _key_pem(key))
    (out / "tls.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (out / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
