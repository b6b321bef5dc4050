"""The forms of a timestamp request, its response and its token, read and written by `cryptography`'s strict DER.

RFC 3161 sections 2.4.1 and 2.4.2, RFC 5652 section 5, RFC 5035 section 4. Of the forms that the standards allow only those are here that
a token may have (docs/spec/timestamp.md): no certificates, no revocation lists, one signer, no unsigned attributes.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from relay.core.errors import Malformed

T = TypeVar("T")

NULL: Final = asn1.Null()
SIGNED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.2")
TST_INFO: Final = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE: Final = ObjectIdentifier("1.2.840.113549.1.9.3")
SIGNING_CERTIFICATE: Final = ObjectIdentifier("1.2.840.113549.1.9.16.2.12")
SIGNING_CERTIFICATE_V2: Final = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")


@asn1.sequence
class Algorithm:
    """AlgorithmIdentifier whose parameters are NULL or left out."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class Imprint:
    """MessageImprint."""

    algorithm: Algorithm
    digest: bytes


@asn1.sequence
class Request:
    """TimeStampReq with a nonce; no policy is asked for, and no certificate is to come back."""

    version: int
    imprint: Imprint
    nonce: int


@asn1.sequence
class Status:
    """PKIStatusInfo."""

    status: int
    text: list[str] | None
    failure: asn1.BitString | None


@asn1.sequence
class Refusal:
    """TimeStampResp without a token."""

    status: Status


@asn1.sequence
class Response:
    """TimeStampResp with a token."""

    status: Status
    token: asn1.TLV


@asn1.sequence
class Attribute:
    """A signed attribute."""

    kind: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class SignerName:
    """IssuerAndSerialNumber."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Signer:
    """SignerInfo without unsigned attributes."""

    version: int
    name: SignerName
    digest: Algorithm
    attributes: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]
    algorithm: Algorithm
    signature: bytes


@asn1.sequence
class Content:
    """EncapsulatedContentInfo."""

    kind: ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """SignedData without certificates and revocation lists."""

    version: int
    digests: asn1.SetOf[Algorithm]
    content: Content
    signers: asn1.SetOf[Signer]


@asn1.sequence
class Token:
    """TimeStampToken: a ContentInfo."""

    kind: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class SigningCertificate:
    """SigningCertificate or SigningCertificateV2; the first of `certificates` is the signer's."""

    certificates: list[asn1.TLV]


@asn1.sequence
class CertificateIssuer:
    """IssuerSerial."""

    names: list[asn1.TLV]
    serial: int


@asn1.sequence
class CertificateId:
    """The beginning of ESSCertID and ESSCertIDv2 with their default hashes."""

    digest: bytes
    issuer: CertificateIssuer | None


@asn1.sequence
class CertificateIdOther:
    """ESSCertIDv2 whose hash is not the default."""

    algorithm: Algorithm
    digest: bytes
    issuer: CertificateIssuer | None


def decode(form: type[T], data: bytes, what: str, place: str) -> T:
    """Strict DER of exactly this form. Raises `Malformed`."""
    try:
        return asn1.decode_der(form, data)
    except ValueError as error:
        raise Malformed(what, place, f"is not the DER of a {form.__name__}: {str(error)[:200]}") from None


def encode(value: object) -> bytes:
    """The DER of a form of this module."""
    return asn1.encode_der(value)


def whole(data: bytes) -> asn1.TLV:
    """One element of any kind, as it stands. Raises `Malformed`."""
    return decode(asn1.TLV, data, "DER", "")
