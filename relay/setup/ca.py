"""A development certificate authority: P-256, one SPIFFE id a leaf, loopback names so that host checks work.

A production deployment brings certificates of its own authority with the same shape.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.core.errors import Conflict, Malformed
from relay.core.identity import Identity
from relay.private.files import read_private
from relay.setup.keys import write_secret

AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 825
_DOCUMENT_SIGNING: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
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


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key(read_private(folder / "ca.key"), None)
    except (OSError, ValueError) as error:
        raise Malformed(str(folder), "authority", f"cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Malformed(str(folder / "ca.key"), "", "must be an elliptic curve key")
    return ca, key


def make_authority(
    folder: Path, trust_domain: str, now: datetime.datetime, kind: str = "development authority"
) -> None:
    """Write `ca.pem` and `ca.key` into a folder. Raises `Conflict` when they exist."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{trust_domain} {kind}")
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


def write_list(
    authority: Path,
    to: Path,
    now: datetime.datetime,
    revoked: Iterable[x509.RevokedCertificate],
    number: int,
    *,
    days: int = LEAF_DAYS,
) -> None:
    """Write a revocation list (RFC 5280) with these entries, whole or not at all. Raises `Malformed`."""
    ca, ca_key = _authority(authority)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(now - datetime.timedelta(minutes=5))
        .next_update(now + datetime.timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    data = builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    new = to.with_name(to.name + ".new")
    new.write_bytes(data)
    new.replace(to)


def revoke(
    authority: Path, list_file: Path, certificate: Path, now: datetime.datetime, *, days: int = LEAF_DAYS
) -> int:
    """Put a certificate on the list, under the next number; the certificate's serial number.

    Raises `Malformed` when this authority did not issue it, for its number on this list would revoke nothing; `Conflict` when it is there.
    """
    ca, _ = _authority(authority)
    try:
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
        leaf.verify_directly_issued_by(ca)
    except (OSError, ValueError, TypeError) as error:
        raise Malformed(str(certificate), "", f"cannot be revoked on {list_file}: {error}") from None
    except InvalidSignature:
        raise Malformed(str(certificate), "", f"was not issued by the authority in {authority}") from None
    entries, number = _listed(list_file)
    if leaf.serial_number in {entry.serial_number for entry in entries}:
        raise Conflict(f"{certificate} is revoked already")
    new = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(now).build()
    write_list(authority, list_file, now, [*entries, new], number + 1, days=days)
    return leaf.serial_number


def renew_list(authority: Path, list_file: Path, now: datetime.datetime, *, days: int) -> int:
    """The same list under the next number, good for so many days from now; how many it names. Raises `Malformed`."""
    entries, number = _listed(list_file)
    write_list(authority, list_file, now, entries, number + 1, days=days)
    return len(entries)


def _listed(list_file: Path) -> tuple[list[x509.RevokedCertificate], int]:
    """What is on a list, each with the time when it was revoked, and the list's own number."""
    try:
        held = x509.load_pem_x509_crl(list_file.read_bytes())
        number = held.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise Malformed(str(list_file), "", f"is no revocation list that can be continued: {error}") from None
    return list(held), number


def issue(authority: Path, identity: Identity, out: Path, now: datetime.datetime, *, days: int = LEAF_DAYS) -> None:
    """Write `tls.pem` and `tls.key` for an identity into a folder. Raises `Malformed`, `Conflict`."""
    key = ec.generate_private_key(ec.SECP256R1())
    loopback = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    certificate = sign_leaf(authority, key.public_key(), identity, loopback, now, days)
    write_secret(out / "tls.key", _key_pem(key))
    (out / "tls.pem").write_bytes(certificate)
    (out / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())


def sign_leaf(
    authority: Path,
    public_key: ec.EllipticCurvePublicKey,
    identity: Identity,
    names: Sequence[x509.GeneralName],
    now: datetime.datetime,
    days: int,
) -> bytes:
    """The PEM of a certificate for this key and identity, which answers to these names. Raises `Malformed`."""
    ca, ca_key = _authority(authority)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(identity.name))
        .issuer_name(ca.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_LEAF_EKU), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity)), *names]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


REPORT_DAYS: Final = 365


def issue_report_seal(authority: Path, court: Identity, name: str, out: Path, now: datetime.datetime) -> None:
    """Write `report.pem` (with the authority behind it) and `report.key`: a court's certificate for sealing documents.

    Key usage contentCommitment alone (RFC 5280 section 4.2.1.3), extended key usage document signing (RFC 9336). Raises
    `Malformed`, `Conflict`.
    """
    ca, ca_key = _authority(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=REPORT_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([_DOCUMENT_SIGNING]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(court))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_secret(out / "report.key", _key_pem(key))
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (out / "report.pem").write_bytes(pem + (authority / "ca.pem").read_bytes())
