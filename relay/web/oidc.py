"""Signing in by OpenID Connect: authorization code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 1.0 section 3.1).

Everything that comes from the provider is bounded and checked: the issuer by name, endpoints by scheme, the ID token by a key of the
provider's own set, by a short list of algorithms, and by issuer, audience, time and nonce.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from relay.core.errors import Denied, Unavailable
from relay.ports.common import Clock
from relay.ports.sessions import PersonRole

ANSWER_BYTES_MAX: Final = 256 * 1024
ANSWER_WITHIN_S: Final = 10.0
KEPT_S: Final = 3600.0
ASK_AGAIN_S: Final = 60.0
"""The provider's keys are asked for again at most this often, when a token names one that is not known."""
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
FOR_ACCESS: Final = "at+jwt"
SKEW_S: Final = 60
TOKEN_CHARS_MAX: Final = 16 * 1024
SUBJECT_CHARS_MAX: Final = 255
CLAIM_VALUES_MAX: Final = 1000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Which provider, who we are to it, and which values of which claim give which roles. `redirect`: where it sends people back to."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    claim: str
    roles: Mapping[str, frozenset[PersonRole]]
    redirect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Whom an ID token speaks of: a name for an identity of this court, and roles."""

    name: str
    roles: frozenset[PersonRole]


class Provider:
    """One OpenID provider. `close` when done."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def close(self) -> None:
        """Release connections."""
        if self._session is not None:
            await self._session.close()

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. Raises `Unavailable`."""
        metadata = await self._discovered()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint(metadata, "authorization_endpoint")
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def known(self, code: str, nonce: str, verifier: str, issuer: str) -> Known:
        """Whom the provider's code stands for. `issuer` as the answer names it, empty when it does not (RFC 9207).

        Raises `Denied` when the answer does not hold or gives no role, `Unavailable`.
        """
        if issuer not in ("", self._settings.issuer):
            raise Denied("the answer names another issuer")
        metadata = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect,
            "code_verifier": verifier,
        }
        answer = await self._ask("POST", self._endpoint(metadata, "token_endpoint"), form)
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > TOKEN_CHARS_MAX:
            raise Denied("the provider's answer holds no ID token")
        return self._of(await self._claims(token, nonce))

    async def bearer(self, token: str) -> Known:
        """Whom an access token speaks of (RFC 9068): checked as an ID token is, but for the nonce. It says that it is one.

        An ID token is none: whoever it was shown to could call in its person's name. Raises `Denied`, `Unavailable`.
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise Denied("the access token is too long")
        return self._of(await self._claims(token, None))

    async def _claims(self, token: str, nonce: str | None) -> Mapping[str, Any]:
        """OpenID Connect Core section 3.1.3.7, in its order; without a nonce RFC 9068 section 4."""
        try:
            decoded = await self._decoded(token)
        except (JoseError, ValueError) as error:
            raise Denied(f"the token cannot be trusted: {error}") from None
        claims = decoded.claims
        kind = str(decoded.header.get("typ", "")).lower().removeprefix("application/")
        if (kind == FOR_ACCESS) != (nonce is None):
            raise Denied("the token is not of the kind that is asked for")
        settings = self._settings
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now_s = self._clock.now_ms() // 1000
        if claims.get("iss") != settings.issuer:
            raise Denied("the ID token is of another issuer")
        if settings.client_id not in audiences or (len(audiences) > 1 and claims.get("azp") != settings.client_id):
            raise Denied("the ID token is for another audience")
        if not _is_time(claims.get("exp")) or now_s >= claims["exp"] + SKEW_S:
            raise Denied("the ID token has run out")
        if not _is_time(claims.get("iat")) or claims["iat"] > now_s + SKEW_S:
            raise Denied("the ID token is of the future")
        if nonce is not None and claims.get("nonce") != nonce:
            raise Denied("the ID token answers another sign-in")
        return claims

    async def _decoded(self, token: str) -> jwt.Token:
        """With the keys that are known; with fresh ones when none of them fits, for a provider changes its keys."""
        try:
            return jwt.decode(token, await self._key_set(KEPT_S), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            return jwt.decode(token, await self._key_set(ASK_AGAIN_S), algorithms=ALGORITHMS)

    def _of(self, claims: Mapping[str, Any]) -> Known:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
            raise Denied("the ID token names nobody")
        given = claims.get(self._settings.claim)
        values = given if isinstance(given, list) else [given]
        held = [self._settings.roles.get(value) for value in values[:CLAIM_VALUES_MAX] if isinstance(value, str)]
        roles = frozenset(role for one in held if one for role in one)
        name = subject if _NAME.fullmatch(subject) else hashlib.sha256(subject.encode()).hexdigest()[:40]
        if not roles:
            raise Denied(f"no value of {self._settings.claim} gives {name} a role here")
        return Known(name=f"oidc.{name}", roles=roles)

    async def _discovered(self) -> Mapping[str, Any]:
        """OpenID Connect Discovery 1.0 section 4. Raises `Unavailable`."""
        now = time.monotonic()
        if self._metadata is None or now - self._metadata[0] > KEPT_S:
            address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = await self._ask("GET", address)
            if metadata.get("issuer") != self._settings.issuer:
                raise Unavailable("the sign-in service calls itself by another name than the configuration")
            self._metadata = now, metadata
        return self._metadata[1]

    async def _key_set(self, kept_s: float) -> KeySet:
        now = time.monotonic()
        if self._keys is None or now - self._keys[0] > kept_s:
            found = await self._ask("GET", self._endpoint(await self._discovered(), "jwks_uri"))
            given = found.get("keys")
            usable = [key for key in given if _for_signatures(key)] if isinstance(given, list) else []
            try:
                self._keys = now, KeySet.import_key_set({"keys": usable})
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise Unavailable(f"the sign-in service's keys cannot be used: {error}") from None
        return self._keys[1]

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        """TLS everywhere, unless the issuer itself is on the loopback without."""
        address = metadata.get(name)
        schemes = ("https", urlsplit(self._settings.issuer).scheme)
        if not isinstance(address, str) or urlsplit(address).scheme not in schemes:
            raise Unavailable(f"the sign-in service has no {name} that can be used")
        return address

    async def _ask(self, method: str, address: str, form: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """A JSON object. Raises `Denied` for a refusal (4xx), `Unavailable` for everything else that is none."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        # both are form-encoded before they are joined (RFC 6749 section 2.3.1)
        own = quote_plus(self._settings.client_id), quote_plus(self._settings.client_secret)
        basic = {"Authorization": aiohttp.encode_basic_auth(*own)} if form else {}
        try:
            async with self._session.request(
                method, address, data=form, allow_redirects=False, headers={"Accept": "application/json", **basic}
            ) as answer:
                data = await answer.content.read(ANSWER_BYTES_MAX + 1)
                while len(data) <= ANSWER_BYTES_MAX and (more := await answer.content.read(ANSWER_BYTES_MAX)):
                    data += more
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the sign-in service cannot be asked: {type(error).__name__}") from None
        if form and 400 <= status < 500:
            raise Denied(f"the provider refused the code with status {status}")
        try:
            value = json.loads(data) if status == 200 and len(data) <= ANSWER_BYTES_MAX else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Unavailable(f"the sign-in service answered with status {status}, or with what cannot be understood")
        return value


def _for_signatures(key: object) -> bool:
    """A public key of a kind that the allowed algorithms use; a provider may publish others beside it."""
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
