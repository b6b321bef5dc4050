"""Timestamp authorities as trust roots pin them: names, certificates, policies, a period, how exact their clocks must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.x509 import BasicConstraints, Certificate, ExtensionNotFound, load_der_x509_certificate

from relay.core.base64strict import b64encode
from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.limits import (
    AUTHORITIES_MAX,
    AUTHORITY_ACCURACY_MS_MAX,
    AUTHORITY_CERTIFICATE_BYTES_MAX,
    AUTHORITY_CERTIFICATES_MAX,
    AUTHORITY_POLICIES_MAX,
    TIME_S_MAX,
)
from relay.core.times import format_utc

POLICY: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,18})){1,31}")
"""An object identifier in dotted form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRoot:
    """A pinned authority. What it stamped counts when it was stamped in [valid_from_ms, valid_to_ms).

    `certificates`: DER; its signing certificates and all their issuers up to a self-signed one. `accuracy_ms`: the largest
    deviation of its clock that is taken.
    """

    name: str
    certificates: tuple[bytes, ...]
    policies: tuple[str, ...]
    valid_from_ms: int
    valid_to_ms: int
    accuracy_ms: int

    def signer(self, issuer: bytes, serial: int) -> Certificate | None:
        """Its certificate with this issuer (DER of the name) and serial number; never that of an issuer of others."""
        for data in self.certificates:
            certificate = load_der_x509_certificate(data)
            named = certificate.serial_number == serial and certificate.issuer.public_bytes() == issuer
            if named and not _is_ca(certificate):
                return certificate
        return None


def read_authority(fields: Fields) -> AuthorityRoot:
    """Raises `Malformed`."""
    certificates = []
    for i, text in enumerate(fields.array("certificates", count_max=AUTHORITY_CERTIFICATES_MAX)):
        one = Fields({"it": text}, what=fields.what, path=f"{fields.at('certificates')}[{i}]")
        certificates.append(one.b64("it", bytes_max=AUTHORITY_CERTIFICATE_BYTES_MAX))
    authority = AuthorityRoot(
        name=fields.token("name"),
        certificates=tuple(certificates),
        policies=fields.names("policies", POLICY, count_max=AUTHORITY_POLICIES_MAX, meant="a dotted object identifier"),
        valid_from_ms=fields.utc("valid_from") * 1000,
        valid_to_ms=fields.utc("valid_to") * 1000,
        accuracy_ms=fields.integer("accuracy_ms", low=1, high=AUTHORITY_ACCURACY_MS_MAX),
    )
    fields.done()
    return authority


def authority_claims(authority: AuthorityRoot) -> dict[str, object]:
    """The inverse of `read_authority`."""
    return {
        "name": authority.name,
        "certificates": [b64encode(data) for data in authority.certificates],
        "policies": list(authority.policies),
        "valid_from": format_utc(authority.valid_from_ms // 1000),
        "valid_to": format_utc(authority.valid_to_ms // 1000),
        "accuracy_ms": authority.accuracy_ms,
    }


def check_authorities(authorities: Sequence[AuthorityRoot], quorum: int, what: str) -> None:
    """Each once, each whole, no certificate of two, and at least `quorum` of them. Raises `Malformed`."""
    if len(authorities) > AUTHORITIES_MAX:
        raise Malformed(what, "authorities", f"{len(authorities)} authorities; at most {AUTHORITIES_MAX}")
    names: set[str] = set()
    signers: set[tuple[bytes, int]] = set()
    for i, authority in enumerate(authorities):
        place = f"authorities[{i}]"
        if authority.name in names:
            raise Malformed(what, f"{place}.name", f"{authority.name} stands twice")
        names.add(authority.name)
        _check_period(authority, what, place)
        if not authority.certificates or not authority.policies:
            raise Malformed(what, place, "certificates and policies must not be empty: empty means that nothing counts")
        for j, data in enumerate(authority.certificates):
            signers.update(_signer(data, signers, what, f"{place}.certificates[{j}]"))
    if not 0 <= quorum <= len(names):
        raise Malformed(what, "time_quorum", f"is {quorum}; must be 0 to {len(names)}, the number of authorities")


def _check_period(authority: AuthorityRoot, what: str, place: str) -> None:
    times = (authority.valid_from_ms, authority.valid_to_ms)
    if any(ms % 1000 or not 0 <= ms <= TIME_S_MAX * 1000 for ms in times):
        raise Malformed(what, place, "validity must be in whole seconds of the years 1970 to 9999")
    if authority.valid_to_ms <= authority.valid_from_ms:
        raise Malformed(what, f"{place}.valid_to", "must be later than valid_from")


def _signer(data: bytes, signers: set[tuple[bytes, int]], what: str, place: str) -> set[tuple[bytes, int]]:
    """Issuer and serial number when the certificate can sign tokens: two authorities with one signer would count twice."""
    try:
        certificate = load_der_x509_certificate(data)
        issuer_of_others = _is_ca(certificate)
        identity = (certificate.issuer.public_bytes(), certificate.serial_number)
    except ValueError as error:
        raise Malformed(what, place, f"is not a certificate in DER: {str(error)[:200]}") from None
    if issuer_of_others:
        return set()  # it may stand under several authorities; it signs no tokens
    if identity in signers:
        raise Malformed(what, place, "stands twice: one signer would count for two")
    return {identity}


def _is_ca(certificate: Certificate) -> bool:
    """Raises ValueError for extensions that cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        return False
