"""RFC 3161 timestamps over cosigned checkpoints: what is asked, what is taken, and how a token is verified offline.

Stamped are the bytes of the cosigned note as the court holds it (docs/spec/timestamp.md). Signature, chain, key usage, imprint and
nonce are verified by `rfc3161_client`; this module adds that a token has one spelling, one pinned signer that it names itself
(RFC 5816), one of the pinned policies, and a time that its authority answers for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, ObjectIdentifier, load_der_x509_certificate
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from relay.core import cms
from relay.core.authorities import AuthorityRoot
from relay.core.errors import Malformed, Unverified
from relay.core.limits import TIMESTAMP_BYTES_MAX, TIMESTAMP_SERIAL_BITS_MAX
from relay.core.times import format_utc

ImprintHash = Literal["sha256", "sha512"]
"""What the note is hashed with: SHA-256 unless an authority insists on SHA-512."""
IMPRINT_HASHES: Final[tuple[ImprintHash, ...]] = get_args(ImprintHash)
_WHAT: Final = "timestamp"
_OIDS: Final = {
    "sha256": ObjectIdentifier("2.16.840.1.101.3.4.2.1"),
    "sha384": ObjectIdentifier("2.16.840.1.101.3.4.2.2"),
    "sha512": ObjectIdentifier("2.16.840.1.101.3.4.2.3"),
}
_NAMES: Final = {oid: name for name, oid in _OIDS.items()}
_RSA: Final = ObjectIdentifier("1.2.840.113549.1.1.1")
_ECDSA: Final = {
    "sha256": ObjectIdentifier("1.2.840.10045.4.3.2"),
    "sha384": ObjectIdentifier("1.2.840.10045.4.3.3"),
    "sha512": ObjectIdentifier("1.2.840.10045.4.3.4"),
}
_GRANTED: Final = cms.Status(status=0, text=None, failure=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampToken:
    """A token that was read and not yet verified. `issuer` (DER) and `signer` (serial number) name its signer's certificate."""

    der: bytes
    shape: cms.Token
    response: TimeStampResponse
    issuer: bytes
    signer: int
    time_ms: int
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A token that holds: who, when (ms since 1970 UTC, of the full second), and its serial number in hex."""

    authority: str
    time_ms: int
    serial: str


def request_bytes(note: bytes, hash_name: ImprintHash, nonce: int) -> bytes:
    """The TimeStampReq over a cosigned note, in DER; no certificate is to come back with the token."""
    algorithm = cms.Algorithm(algorithm=_OIDS[hash_name], parameters=cms.NULL)
    imprint = cms.Imprint(algorithm=algorithm, digest=hashlib.new(hash_name, note).digest())
    return cms.encode(cms.Request(version=1, imprint=imprint, nonce=nonce))


def token_of(response: bytes) -> bytes:
    """The token of a TimeStampResp. Raises `Malformed`, `Unverified` with the authority's words when it refuses."""
    if len(response) > TIMESTAMP_BYTES_MAX:
        raise Malformed(_WHAT, "response", f"{len(response)} bytes; at most {TIMESTAMP_BYTES_MAX}")
    try:
        refusal = cms.decode(cms.Refusal, response, _WHAT, "response").status
    except Malformed:
        answer = cms.decode(cms.Response, response, _WHAT, "response")
        if answer.status.status == 0:
            return cms.encode(answer.token)
        refusal = answer.status
    words = "; ".join(refusal.text or ()) or "no reason given"
    raise Unverified(_WHAT, f"the authority refuses with status {refusal.status}: {words[:200]!a}")


def response_of(token: bytes) -> bytes:
    """The token as a granted TimeStampResp, as `openssl ts` and others take it."""
    return cms.encode(cms.Response(status=_GRANTED, token=cms.whole(token)))


def parse_token(der: bytes) -> TimestampToken:
    """One spelling, nothing in it that the signature does not cover. Raises only `Malformed`; proves nothing."""
    if len(der) > TIMESTAMP_BYTES_MAX:
        raise Malformed(_WHAT, "token", f"{len(der)} bytes; at most {TIMESTAMP_BYTES_MAX}")
    shape = cms.decode(cms.Token, der, _WHAT, "token")
    signed = shape.content
    signers, digests = signed.signers.as_list(), signed.digests.as_list()
    if cms.encode(shape) != der:
        raise Malformed(_WHAT, "token", "is not in its one spelling")
    if (shape.kind, signed.version, signed.content.kind) != (cms.SIGNED_DATA, 3, cms.TST_INFO):
        raise Malformed(_WHAT, "token", "is not signed data of version 3 over a TSTInfo")
    if len(signers) != 1 or len(digests) != 1 or signers[0].version != 1:
        raise Malformed(
            _WHAT, "token", "must have one signer, named by issuer and serial number, and one digest algorithm"
        )
    if cms.encode(digests[0]) != cms.encode(signers[0].digest):
        raise Malformed(_WHAT, "token", "lists another digest algorithm than its signer's")
    try:
        response = decode_timestamp_response(response_of(der))
        info = response.tst_info
        time_ms = int(info.gen_time.timestamp()) * 1000
    except ValueError as error:
        raise Malformed(_WHAT, "token", f"cannot be read: {str(error)[:200]}") from None
    if info.version != 1 or not 0 <= info.serial_number < 1 << TIMESTAMP_SERIAL_BITS_MAX or time_ms < 0:
        raise Malformed(_WHAT, "TSTInfo", "must be of version 1, of this era, with a serial number of at most 160 bits")
    name = signers[0].name
    return TimestampToken(
        der=der,
        shape=shape,
        response=response,
        issuer=cms.encode(name.issuer),
        signer=name.serial,
        time_ms=time_ms,
        serial=info.serial_number,
    )


def find_authority(
    token: TimestampToken, authorities: Iterable[AuthorityRoot]
) -> tuple[AuthorityRoot, Certificate] | None:
    """Whose certificate the token names; None for a signer that is not pinned."""
    for authority in authorities:
        certificate = authority.signer(token.issuer, token.signer)
        if certificate is not None:
            return authority, certificate
    return None


def verify_token(
    token: TimestampToken, note: bytes, authority: AuthorityRoot, signer: Certificate, nonce: int | None = None
) -> Stamp:
    """The authority stamped exactly these bytes. Raises `Unverified`; `nonce` is given by whoever has just asked."""
    _check_info(token, authority)
    _check_algorithms(token, signer)
    _check_signer_named(token, signer)
    imprint = token.response.tst_info.message_imprint
    if _NAMES.get(imprint.hash_algorithm) not in IMPRINT_HASHES:
        raise Unverified(
            _WHAT, f"its imprint is made with {imprint.hash_algorithm.dotted_string}, not SHA-256 or SHA-512"
        )
    builder = VerifierBuilder(
        tsa_certificate=signer,
        roots=[load_der_x509_certificate(data) for data in authority.certificates],
        nonce=nonce,
    )
    try:
        builder.build().verify_message(token.response, note)
    except (VerificationError, ValueError) as error:
        raise Unverified(_WHAT, f"{authority.name}: {_words(error)}") from None
    return Stamp(authority=authority.name, time_ms=token.time_ms, serial=f"{token.serial:x}")


def _check_info(token: TimestampToken, authority: AuthorityRoot) -> None:
    info = token.response.tst_info
    if info.policy.dotted_string not in authority.policies:
        raise Unverified(_WHAT, f"{authority.name}: its policy {info.policy.dotted_string} is not one that is pinned")
    if not authority.valid_from_ms <= token.time_ms < authority.valid_to_ms:
        period = f"{format_utc(authority.valid_from_ms // 1000)} to {format_utc(authority.valid_to_ms // 1000)}"
        at = format_utc(token.time_ms // 1000)
        raise Unverified(_WHAT, f"{authority.name}: it is dated {at}, the authority is pinned from {period}")
    accuracy = info.accuracy
    if accuracy is not None:
        stated_us = ((accuracy.seconds or 0) * 1000 + (accuracy.millis or 0)) * 1000 + (accuracy.micros or 0)
        if stated_us > authority.accuracy_ms * 1000:
            raise Unverified(
                _WHAT,
                f"{authority.name}: it is exact to {stated_us // 1000} ms only, {authority.accuracy_ms} ms are asked for",
            )


def _check_algorithms(token: TimestampToken, signer: Certificate) -> None:
    """One way of writing the signature's algorithm for each kind of key (RFC 3370 section 3.2, RFC 5754 section 3.3)."""
    info = token.shape.content.signers.as_list()[0]
    digest = _NAMES.get(info.digest.algorithm)
    key = signer.public_key()
    if digest is None:
        raise Unverified(_WHAT, f"is signed over digest {info.digest.algorithm.dotted_string}; SHA-2 is asked for")
    if isinstance(key, RSAPublicKey):
        wanted, null = _RSA, True
    elif isinstance(key, EllipticCurvePublicKey):
        wanted, null = _ECDSA[digest], False
    else:
        raise Unverified(_WHAT, "is signed with a key that is neither RSA nor ECDSA")
    if info.algorithm.algorithm != wanted or (info.algorithm.parameters is not None) is not null:
        raise Unverified(
            _WHAT, f"its signature algorithm is {info.algorithm.algorithm.dotted_string}, not {wanted.dotted_string}"
        )


def _check_signer_named(token: TimestampToken, signer: Certificate) -> None:
    """The signed attributes say of which certificate the signature is (RFC 3161 section 2.4.1, RFC 5816 section 2.2.1)."""
    certificate = signer.public_bytes(Encoding.DER)
    attributes = {a.kind: a.values.as_list() for a in token.shape.content.signers.as_list()[0].attributes.as_list()}
    for kind in (cms.SIGNING_CERTIFICATE_V2, cms.SIGNING_CERTIFICATE):
        for value in attributes.get(kind, ())[:1]:
            first = cms.decode(cms.SigningCertificate, cms.encode(value), _WHAT, "signing certificate").certificates[:1]
            for named in first:
                name, digest = _certificate_digest(
                    cms.encode(named), "sha256" if kind == cms.SIGNING_CERTIFICATE_V2 else "sha1"
                )
                if hashlib.new(name, certificate).digest() == digest:
                    return
                raise Unverified(_WHAT, "says that another certificate signed it")
    raise Unverified(_WHAT, "does not say which certificate signed it")


def _certificate_digest(named: bytes, default: str) -> tuple[str, bytes]:
    try:
        return default, cms.decode(cms.CertificateId, named, _WHAT, "signing certificate").digest
    except Malformed:
        other = cms.decode(cms.CertificateIdOther, named, _WHAT, "signing certificate")
        name = _NAMES.get(other.algorithm.algorithm)
        if name is None:
            raise
        return name, other.digest


def _words(error: Exception) -> str:
    """What the library says, without its stack."""
    text = str(error)
    reason = text.partition('reason: "')[2].partition('"')[0]
    detail = text.partition('data: "')[2].partition('"')[0]
    return "; ".join(part for part in (reason, detail) if part) or text[:200]
