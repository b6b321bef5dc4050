"""What an ID token must hold. The provider here is the tests' own, over real HTTP with real signatures, so that it can lie in every
way; a real one is in test_openid_provider.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from relay.core.errors import Denied, Unavailable
from relay.web.oidc import ANSWER_BYTES_MAX, Known, Provider, ProviderSettings
from tests.support.frozen import TestClock

NOW_S = 1_800_000_000
NONCE, VERIFIER = "the nonce", "v" * 43
GOOD = {"sub": "li", "aud": "pages", "exp": NOW_S + 300, "iat": NOW_S, "nonce": NONCE, "groups": ["judges"]}
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "two"})


class Lying:
    """An OpenID provider that gives the token, metadata and keys it is told to."""

    def __init__(self) -> None:
        self.token = ""
        self.metadata: dict[str, Any] = {}
        self.keys: list[Any] = [KEY.as_dict(private=False), RSA.as_dict(private=False)]
        self.issuer = ""
        self.raw: bytes | None = None
        self.asked: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/token":
            form = await request.post()
            assert form["code_verifier"] == VERIFIER
            return web.json_response({"id_token": self.token, "token_type": "Bearer", "access_token": "x"})
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        if request.path == "/keys":
            return web.json_response({"keys": self.keys})
        ends = {f"{n}_endpoint": f"{self.issuer}/{n}" for n in ("authorization", "token")}
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **ends, **self.metadata})


@asynccontextmanager
async def lying() -> AsyncIterator[tuple[Lying, Provider]]:
    told = Lying()
    runner = web.ServerRunner(web.Server(told.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = ProviderSettings(
        issuer=told.issuer, client_id="pages", client_secret="s", scope="openid", claim="groups",
        roles={"judges": frozenset({"judge"}), "registry": frozenset({"clerk"})}, redirect="https://court.example/back",
    )  # fmt: skip
    provider = Provider(settings, TestClock(NOW_S * 1000))
    try:
        yield told, provider
    finally:
        await provider.close()
        await runner.cleanup()


def signed(claims: dict[str, Any], key: Any = KEY, alg: str = "ES256", **header: str) -> str:
    return jwt.encode({"alg": alg, "kid": key.kid or "", **header}, claims, key, algorithms=[alg])


async def known(claims: dict[str, Any] | None = None, token: str = "", issuer: str = "") -> Known:
    async with lying() as (told, provider):
        told.token = token or signed({"iss": told.issuer, **GOOD, **(claims or {})})
        return await provider.known("a code", NONCE, VERIFIER, issuer)


async def test_a_good_token_gives_name_and_roles() -> None:
    assert await known() == Known(name="oidc.li", roles=frozenset({"judge"}))
    assert await known({"groups": "registry"}) == Known(name="oidc.li", roles=frozenset({"clerk"}))
    assert (await known({"aud": ["pages", "other"], "azp": "pages"})).roles == {"judge"}


async def test_a_name_that_is_no_name_here_is_known_by_its_digest() -> None:
    one, two = await known({"sub": "Li Wei|7"}), await known({"sub": "li wei|7"})
    assert one.name != two.name
    assert one.name.removeprefix("oidc.").isalnum()


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "others"}, "another audience"),
        ({"aud": ["pages", "others"]}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"exp": NOW_S - 61}, "run out"),
        ({"exp": "never"}, "run out"),
        ({"exp": None}, "run out"),
        ({"iat": NOW_S + 120}, "of the future"),
        ({"nonce": "of another sign-in"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"sub": ""}, "names nobody"),
        ({"sub": 7}, "names nobody"),
        ({"groups": ["cleaners"]}, "a role here"),
        ({"groups": {"judges": True}}, "a role here"),
        ({"groups": None}, "a role here"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(Denied, match=why):
        await known(claims)


def unsigned(claims: dict[str, Any]) -> str:
    from relay.core.base64strict import b64url_encode

    head = b64url_encode(json.dumps({"alg": "none"}).encode())
    return f"{head}.{b64url_encode(json.dumps(claims).encode())}."


@pytest.mark.parametrize("how", ["none", "hs256", "stranger", "changed", "garbage", "long"])
async def test_a_token_that_the_provider_never_signed_is_refused(how: str) -> None:
    async with lying() as (told, provider):
        claims = {"iss": told.issuer, **GOOD}
        good = signed(claims)
        secret = OctKey.import_key(json.dumps(RSA.as_dict(private=False)).encode() * 2)
        told.token = {
            "none": unsigned(claims),
            "hs256": signed(claims, secret, "HS256"),
            "stranger": signed(claims, ECKey.generate_key("P-256", {"kid": "one"})),
            "changed": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
            "garbage": "a.b.c",
            "long": good + "A" * 20_000,
        }[how]
        with pytest.raises(Denied):
            await provider.known("a code", NONCE, VERIFIER, "")


async def test_keys_that_the_provider_has_changed_are_asked_for_again_but_not_at_every_token() -> None:
    async with lying() as (told, provider):
        told.token = signed({"iss": told.issuer, **GOOD})
        await provider.known("a", NONCE, VERIFIER, "")
        told.token = signed({"iss": told.issuer, **GOOD}, ECKey.generate_key("P-256", {"kid": "new"}))
        for _ in range(3):
            with pytest.raises(Denied):
                await provider.known("b", NONCE, VERIFIER, "")
        assert told.asked.count("/keys") == 1


async def test_an_answer_of_another_issuer_is_refused() -> None:
    with pytest.raises(Denied, match="another issuer"):
        await known(issuer="https://evil.example")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "ftp://x"},
    ],
)
async def test_metadata_that_lead_elsewhere_are_not_used(metadata: dict[str, Any]) -> None:
    async with lying() as (told, provider):
        told.metadata = metadata
        with pytest.raises(Unavailable):
            await provider.address("state", NONCE, VERIFIER)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"[" * 100_000, b'{"a":"' + b"a" * ANSWER_BYTES_MAX + b'"}', b"\xff"]
)
async def test_metadata_that_are_none_are_not_used(raw: bytes) -> None:
    async with lying() as (told, provider):
        told.raw = raw
        with pytest.raises(Unavailable):
            await provider.address("state", NONCE, VERIFIER)


async def test_a_provider_that_is_not_there_is_unavailable() -> None:
    async with lying() as (_, provider):
        pass
    with pytest.raises(Unavailable):
        await provider.address("state", NONCE, VERIFIER)


def test_the_keys_of_these_tests_are_what_a_provider_publishes() -> None:
    assert len(KeySet.import_key_set({"keys": [KEY.as_dict(private=False), RSA.as_dict(private=False)]}).keys) == 2
