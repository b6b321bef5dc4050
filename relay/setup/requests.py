"""Certificate requests (PKCS #10, RFC 2986): the key is made where it is used, and the request alone goes to the authority.

A request here is narrow: a P-256 key, one SPIFFE id, the names under which the party answers, nothing else. The authority says
again what it grants, and a request for anything else is refused: nothing is granted because it is asked for.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.core.errors import Conflict, Malformed
from relay.core.identity import Identity, parse_identity
from relay.setup.ca import sign_leaf
from relay.setup.keys import write_secret

REQUEST_BYTES_MAX: Final = 16 * 1024
NAMES_MAX: Final = 16
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_HOST_CHARS_MAX: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a request asks for. `names`: host names and addresses, in its order; `sha256`: of the request, for comparing by telephone."""

    identity: Identity
    names: tuple[str, ...]
    sha256: str
    public_key: ec.EllipticCurvePublicKey


def make_request(folder: Path, identity: Identity, names: Sequence[str]) -> Request:
    """Write `tls.key`, readable by its owner alone, and `tls.csr` into a folder. Raises `Malformed`, `Conflict` when they exist."""
    general = _general_names(names)
    if (folder / "tls.csr").exists():
        raise Conflict(f"{folder / 'tls.csr'} exists; it is never overwritten: move it and tls.key away first")
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity)), *general])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(asked, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_secret(folder / "tls.key", pem)
    (folder / "tls.csr").write_bytes(request.public_bytes(serialization.Encoding.PEM))
    return read_request(folder / "tls.csr")


def read_request(path: Path) -> Request:
    """Raises `Malformed` naming the file and what in it is wrong."""
    what = str(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(REQUEST_BYTES_MAX + 1)
    except OSError as error:
        raise Malformed(what, "", f"cannot be read: {error.strerror}") from None
    if len(data) > REQUEST_BYTES_MAX:
        raise Malformed(what, "", f"is larger than {REQUEST_BYTES_MAX} bytes; a request is smaller")
    try:
        request = x509.load_pem_x509_csr(data)
        key, extensions, signed = request.public_key(), list(request.extensions), request.is_signature_valid
    except (ValueError, InvalidSignature, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise Malformed(what, "", "is no PEM certificate request; `courtrelay certificate request` makes one") from None
    if not signed:
        raise Malformed(what, "signature", "does not hold: whoever made the request does not have its key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed(what, "key", "must be a P-256 key")
    if len(extensions) != 1 or not isinstance(extensions[0].value, x509.SubjectAlternativeName):
        raise Malformed(what, "extensions", "must be the subject's alternative names alone")
    identity, names = _asked(extensions[0].value, what)
    digest = hashlib.sha256(request.public_bytes(serialization.Encoding.DER)).hexdigest()
    return Request(identity=identity, names=names, sha256=digest, public_key=key)


def issue_request(
    authority: Path, request: Request, identity: Identity, names: Sequence[str], now: datetime.datetime, days: int
) -> bytes:
    """The certificate's PEM. Raises `Malformed` when the request asks for another identity or for other names than are given here."""
    if request.identity != identity:
        raise Malformed("request", "identity", f"asks for {request.identity}, and {identity} is to be granted")
    if sorted(request.names) != sorted(names):
        asked, given = ", ".join(request.names) or "no name", ", ".join(names) or "no name"
        raise Malformed("request", "names", f"asks for {asked}, and {given} is to be granted; say each with --name")
    return sign_leaf(authority, request.public_key, identity, _general_names(names), now, days)


def _asked(names: x509.SubjectAlternativeName, what: str) -> tuple[Identity, tuple[str, ...]]:
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise Malformed(what, "identity", f"{len(uris)} URI names; must be exactly one, the identity")
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    if len(hosts) + 1 != len(list(names)):
        raise Malformed(what, "names", "must be host names and addresses; other kinds are not granted")
    _general_names(hosts)
    return parse_identity(uris[0], what=what, field="identity"), tuple(hosts)


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Host names and addresses in their one spelling, each once. Raises `Malformed`."""
    if len(names) > NAMES_MAX or len(set(names)) != len(names):
        raise Malformed("request", "names", f"must be at most {NAMES_MAX}, each once")
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        if len(name) > _HOST_CHARS_MAX or not _HOST.fullmatch(name) or name.rpartition(".")[2].isdecimal():
            reason = f"{name[:80]!a} is no host name in lower case and no IP address"
            raise Malformed("request", "names", reason) from None
        return x509.DNSName(name)
    if str(address) != name:
        raise Malformed("request", "names", f"{name[:80]!a} must be written {address}")
    return x509.IPAddress(address)
