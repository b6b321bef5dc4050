"""Bearer tokens: whom an access token of the court's provider speaks of, and everything that is none (RFC 9068 section 4)."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from relay.core.errors import Denied, Unavailable
from relay.web.oidc import Known
from tests.web.test_tokens import KEY, NOW_S, Lying, lying

ACCESS = {"sub": "li", "aud": "pages", "exp": NOW_S + 300, "iat": NOW_S, "groups": ["judges"]}
STRANGER = ECKey.generate_key("P-256", {"kid": "one"})


def access(told: Lying, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {name: value for name, value in {"iss": told.issuer, **ACCESS, **changes}.items() if value is not None}
    head = {"alg": "ES256", "kid": "one", "typ": "at+jwt", **(header or {})}
    return jwt.encode({n: v for n, v in head.items() if v}, claims, key, algorithms=["ES256", "HS256", "none"])


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_access_token_of_the_provider(kind: str) -> None:
    async with lying() as (told, provider):
        known = await provider.bearer(access(told, header={"typ": kind}))
    assert known == Known(name="oidc.li", roles=frozenset({"judge"}))


@pytest.mark.parametrize("kind", ["", "JWT", "id+jwt", "at+jwt;x"])
async def test_id_token_is_no_access_token(kind: str) -> None:
    """Whoever a person once showed an ID token to could otherwise call in their name."""
    async with lying() as (told, provider):
        with pytest.raises(Denied):
            await provider.bearer(access(told, header={"typ": kind}, nonce="any"))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["pages", "another"]},
        {"aud": None},
        {"exp": NOW_S - 61},
        {"exp": None},
        {"exp": "4000000000"},
        {"iat": NOW_S + 61},
        {"iat": None},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"groups": ["cleaners"]},
        {"groups": None},
    ],
)
async def test_token_of_other_claims(changes: dict[str, Any]) -> None:
    async with lying() as (told, provider):
        with pytest.raises(Denied):
            await provider.bearer(access(told, **changes))


async def test_token_that_the_provider_did_not_sign() -> None:
    async with lying() as (told, provider):
        good = access(told)
        for token in (
            access(told, STRANGER),
            access(told, OctKey.import_key(b"x" * 32), {"alg": "HS256"}),
            good[:-4] + "AAAA",
            good.rpartition(".")[0] + ".",
            good + "." + good,
            "x",
            "",
            "a" * 100_000,
        ):
            with pytest.raises(Denied):
                await provider.bearer(token)


async def test_unreachable_provider_is_unavailable_and_lets_nobody_in() -> None:
    async with lying() as (told, provider):
        token = access(told)
        told.raw = b"not json"
        with pytest.raises(Unavailable):
            await provider.bearer(token)
