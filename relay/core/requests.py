"""RetrievalRequest: a court's signed request under a grant. What the relay need not know is sealed to the custodian."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Denied, Malformed
from relay.core.jose import Jws, parse_jws, sign_jws, verify_jws
from relay.core.limits import (
    CASE_CHARS_MAX,
    FUTURE_SKEW_S,
    OFFICER_CHARS_MAX,
    PURPOSE_CHARS_MAX,
    REQUEST_BYTES_MAX,
    REQUEST_DETAILS_BYTES_MAX,
    REQUEST_LIFETIME_S_MAX,
)
from relay.core.sealing import Kem, SealingPrivateKey, SealingPublicKey, hpke_open, hpke_seal

TYP: Final = "courtrelay-request+jwt"
NONCE_BYTES: Final = 16
SEALED_BYTES_MIN: Final = 32 + 16
"""An encapsulated key and an authentication tag."""
_DOMAIN: Final = b"courtrelay/request/v1"
_DETAILS_INFO: Final = b"courtrelay/request-details/v1"
_DETAILS: Final = "request details"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetails:
    """The sealed part: for which case and dossier, by which officer, to what purpose."""

    case: str
    dossier: str
    officer: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalRequest:
    """A parsed request whose signature is not yet checked: see `verify_request`. Times are seconds since 1970 UTC."""

    jws: Jws
    iss: str
    aud: str
    grant: str
    """The grant's digest in hex."""
    nonce: str
    iat: int
    exp: int
    recipient: SealingPublicKey
    """The court's one-time key that the answer is sealed to."""
    sealed: bytes

    @property
    def digest(self) -> bytes:
        """The request's digest."""
        return request_digest(self.jws.token)


def request_digest(token: str | bytes) -> bytes:
    """32 bytes: SHA-256 over the domain and the ASCII bytes of the compact JWS."""
    data = token.encode("ascii") if isinstance(token, str) else token
    return hashlib.sha256(_DOMAIN + data).digest()


def make_request(
    *,
    iss: str,
    aud: str,
    grant: bytes,
    details: RequestDetails,
    iat: int,
    exp: int,
    recipient: SealingPublicKey,
    custodian_key: SealingPublicKey,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
    random_bytes: Callable[[int], bytes],
) -> str:
    """Sign a request under the grant with this digest; details are sealed to `custodian_key`. Raises `Malformed`."""
    opened = {
        "case": details.case,
        "dossier": details.dossier,
        "officer": details.officer,
        "purpose": details.purpose,
    }
    _read_details(Fields(opened, what=_DETAILS))  # before it is written: the refusal names the member
    data = dumps(opened)
    _parse_details(data)
    payload = {
        "iss": iss,
        "aud": aud,
        "grant": grant.hex(),
        "nonce": b64url_encode(random_bytes(NONCE_BYTES)),
        "iat": iat,
        "exp": exp,
        "kem": recipient.kem.value,
        "public_key": b64url_encode(recipient.raw),
        "sealed": b64url_encode(hpke_seal(custodian_key, data, _DETAILS_INFO)),
    }
    token = sign_jws(TYP, payload, public_key, sign)
    parse_request(token)
    return token


def parse_request(token: str | bytes) -> RetrievalRequest:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what="retrieval request", typ=TYP, bytes_max=REQUEST_BYTES_MAX)
    fields = jws.fields()
    iat = fields.time_s("iat")
    exp = fields.time_s("exp")
    if not iat < exp <= iat + REQUEST_LIFETIME_S_MAX:
        raise fields.refuse("exp", f"must be 1 to {REQUEST_LIFETIME_S_MAX} seconds after iat")
    sealed = fields.b64url("sealed", bytes_max=REQUEST_DETAILS_BYTES_MAX + 2048)
    if len(sealed) < SEALED_BYTES_MIN:
        raise fields.refuse("sealed", f"{len(sealed)} bytes; sealed details have at least {SEALED_BYTES_MIN}")
    request = RetrievalRequest(
        jws=jws,
        iss=fields.party("iss", "court"),
        aud=fields.party("aud", "custodian"),
        grant=fields.digest("grant"),
        nonce=b64url_encode(fields.b64url("nonce", size=NONCE_BYTES)),
        iat=iat,
        exp=exp,
        recipient=_recipient(fields),
        sealed=sealed,
    )
    fields.done()
    return request


def verify_request(request: RetrievalRequest, public_key: bytes) -> None:
    """Check the signature with the key the grant is bound to. Raises `Unverified`."""
    verify_jws(request.jws, public_key)


class Dated(Protocol):
    """A signed wish with a time window, in seconds since 1970 UTC."""

    @property
    def iat(self) -> int:
        """Made."""

    @property
    def exp(self) -> int:
        """No longer valid."""


def check_fresh(request: Dated, now_s: int) -> None:
    """Raises `Denied` outside the request's time window; the sender's clock may run FUTURE_SKEW_S ahead."""
    if type(now_s) is not int:
        raise Denied("the facts are unusable: the clock gives no whole number of seconds")
    if request.iat > now_s + FUTURE_SKEW_S:
        raise Denied(f"the request is dated in the future: issued at {request.iat}, now {now_s}", "time")
    if now_s >= request.exp:
        raise Denied(f"the request has expired: at {request.exp}, now {now_s}", "time")


def open_details(request: RetrievalRequest, private_key: SealingPrivateKey) -> RequestDetails:
    """What only the custodian may read. Raises `Unverified` (sealed to another key, altered) or `Malformed`."""
    return _parse_details(hpke_open(private_key, request.sealed, _DETAILS_INFO, what=_DETAILS))


def _parse_details(data: bytes) -> RequestDetails:
    return _read_details(Fields(loads(data, what=_DETAILS, bytes_max=REQUEST_DETAILS_BYTES_MAX), what=_DETAILS))


def _read_details(fields: Fields) -> RequestDetails:
    details = RequestDetails(
        case=fields.plain("case", chars_max=CASE_CHARS_MAX),
        dossier=fields.dossier(),
        officer=fields.plain("officer", chars_max=OFFICER_CHARS_MAX),
        purpose=fields.plain("purpose", chars_max=PURPOSE_CHARS_MAX),
    )
    fields.done()
    return details


def _recipient(fields: Fields) -> SealingPublicKey:
    kem = Kem(fields.literal("kem", *(k.value for k in Kem)))
    raw = fields.b64url("public_key", size=kem.public_key_bytes)
    try:
        return SealingPublicKey(kem=kem, raw=raw)
    except Malformed as error:
        raise fields.refuse("public_key", error.reason) from None
