"""Resume: a court's signed wish to go on with a disclosure that broke off, from a chunk on. It spends no use of the grant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import loads
from relay.core.errors import Malformed
from relay.core.jose import HEADER_BYTES_MAX, Jws, parse_jws, sign_jws
from relay.core.limits import CHUNKS_MAX, REQUEST_BYTES_MAX, REQUEST_LIFETIME_S_MAX
from relay.core.requests import NONCE_BYTES, RetrievalRequest, parse_request

TYP: Final = "courtrelay-resume+jwt"
_DOMAIN: Final = b"courtrelay/resume/v1"
_WHAT: Final = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """A parsed resume whose signature is not yet checked. `grant`, `request`: digests in hex; `chunk`: the first one wanted, from 0."""

    jws: Jws
    iss: str
    aud: str
    grant: str
    request: str
    chunk: int
    nonce: str
    iat: int
    exp: int

    @property
    def digest(self) -> bytes:
        """The resume's own digest, under which the relay routes it."""
        return hashlib.sha256(_DOMAIN + self.jws.token.encode("ascii")).digest()


Asked = RetrievalRequest | ResumeRequest


def make_resume(
    *,
    iss: str,
    aud: str,
    grant: str,
    request: str,
    chunk: int,
    iat: int,
    exp: int,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
    random_bytes: Callable[[int], bytes],
) -> str:
    """Sign with the key the grant is bound to. `grant`, `request`: digests in hex. Raises `Malformed`."""
    payload = {
        "iss": iss,
        "aud": aud,
        "grant": grant,
        "request": request,
        "chunk": chunk,
        "nonce": b64url_encode(random_bytes(NONCE_BYTES)),
        "iat": iat,
        "exp": exp,
    }
    token = sign_jws(TYP, payload, public_key, sign)
    parse_resume(token)
    return token


def parse_resume(token: str | bytes) -> ResumeRequest:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=REQUEST_BYTES_MAX)
    fields = jws.fields()
    iat = fields.time_s("iat")
    exp = fields.time_s("exp")
    if not iat < exp <= iat + REQUEST_LIFETIME_S_MAX:
        raise fields.refuse("exp", f"must be 1 to {REQUEST_LIFETIME_S_MAX} seconds after iat")
    resume = ResumeRequest(
        jws=jws,
        iss=fields.party("iss", "court"),
        aud=fields.party("aud", "custodian"),
        grant=fields.digest("grant"),
        request=fields.digest("request"),
        chunk=fields.integer("chunk", high=CHUNKS_MAX - 1),
        nonce=b64url_encode(fields.b64url("nonce", size=NONCE_BYTES)),
        iat=iat,
        exp=exp,
    )
    fields.done()
    return resume


def parse_asked(token: bytes) -> Asked:
    """A request or a resume, by the `typ` of its header. Raises only `Malformed`."""
    return parse_resume(token) if _typ(token) == TYP else parse_request(token)


def _typ(token: bytes) -> object:
    """What the header says of itself; what cannot be read is left to the strict parser of a request."""
    if len(token) > REQUEST_BYTES_MAX:
        return None
    try:
        header = b64url_decode(token.partition(b".")[0], what=_WHAT, field="header")
        value = loads(header, what=_WHAT, bytes_max=HEADER_BYTES_MAX)
    except Malformed:
        return None
    return value.get("typ") if isinstance(value, dict) else None
