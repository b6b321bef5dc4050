"""Signing in and out, and the language switch. Three ways in: a certificate, a link that an operator made, an OpenID provider."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.core.errors import Denied
from relay.ports.sessions import WaitingSignIn
from relay.services.court.signing_in import SignIn
from relay.transport.limits import Limits, Rate, Shares
from relay.web.oidc import Provider
from relay.web.security import new_secret, safe_next
from relay.web.sessions import cookie_name, read_cookie, set_cookie
from relay.web.site import Site, form_of, page, person_of
from relay.words import negotiate

TRIES: Final = Limits(default=Rate(5.0, 100), calls_open=8)
"""Of signing in, for each address: no secret could be guessed any faster, but each refusal is a line of the custody log."""
LANGUAGE_S: Final = 365 * 86_400
CALLBACK: Final = "/sign-in/provider/back"
OIDC: Final = "provider"
"""Purpose of the cookie that binds an answer of the provider to the browser that was sent there."""
CODE_CHARS_MAX: Final = 4096


class SignInPages:
    """The handlers."""

    def __init__(self, site: Site, sign_in: SignIn, provider: Provider | None) -> None:
        self._site = site
        self._sign_in = sign_in
        self._provider = provider
        self._tries = Shares(TRIES)

    def routes(self) -> list[BaseRoute]:
        """Open to all."""
        provider = [] if self._provider is None else self._provider_routes(self._provider)
        return [
            *provider,
            Route("/sign-in", self.show),
            Route("/sign-in/certificate", self.certificate, methods=["POST"]),
            Route("/enter/{code}", self.enter, methods=["GET", "POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/language", self.language, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The ways in. Signed in already: on to where one was going."""
        then = safe_next(request.query_params.get("next", "/"))
        if person_of(request) is not None and "next" in request.query_params:
            return RedirectResponse(then, 303)
        return self._page(request, then)

    def _page(self, request: Request, then: str, refused: str = "", status: int = 200) -> Response:
        values = {
            "then": then,
            "refused": refused,
            "certificate": _shown_name(request),
            "provider": self._provider is not None,
            "here": "/sign-in",
        }
        return page(self._site, request, "signin/sign_in.html", values, status=status)

    async def certificate(self, request: Request) -> Response:
        """With the certificate of this very connection."""
        then = safe_next(form_of(request).text("next", chars_max=512) or "/")
        pem = certificate_of(request)
        try:
            with self._one_try(request):
                if not pem:
                    raise Denied("no certificate was shown")
                secret = await self._sign_in.by_certificate(pem, self._old(request))
        except Denied:
            return self._page(request, then, "certificate", 403)
        return self._signed_in(secret, then)

    async def enter(self, request: Request) -> Response:
        """A one-time link: looking at it does not use it up, for mail programs and chats look at links too."""
        if request.method != "POST":
            return page(self._site, request, "signin/enter.html", {"refused": False})
        try:
            with self._one_try(request):
                secret = await self._sign_in.by_link(request.path_params["code"], self._old(request))
        except Denied:
            return page(self._site, request, "signin/enter.html", {"refused": True}, status=403)
        return self._signed_in(secret, "/")

    def _provider_routes(self, provider: Provider) -> list[BaseRoute]:
        async def begin(request: Request) -> Response:
            """To the provider, by a page of ours: the policy for forms does not let a form's answer lead to another site."""
            then = safe_next(form_of(request).text("next", chars_max=512) or "/")
            with self._one_try(request):
                verifier, nonce = new_secret(), new_secret()
                state = await self._sign_in.wait(verifier, nonce, then)
                address = await provider.address(state, nonce, verifier)
            response = self._onward(request, address)
            set_cookie(response, OIDC, state, self._site.url, seconds=600, lax=True)
            return response

        async def back(request: Request) -> Response:
            """From the provider: this browser must be the one that was sent there."""
            given = request.query_params
            state = given.get("state", "")
            waiting = await self._sign_in.waiting(state)
            then = waiting.next if waiting else "/"
            try:
                with self._one_try(request):
                    secret = await self._answered(request, provider, waiting, state)
            except Denied as denied:
                await self._sign_in.refused("oidc", denied.reason)
                return self._page(request, then, "provider", 403)
            response = self._onward(request, then)
            set_cookie(response, "session", secret, self._site.url)
            return response

        return [Route("/sign-in/provider", begin, methods=["POST"]), Route(CALLBACK, back, methods=["GET"])]

    async def _answered(self, request: Request, provider: Provider, waiting: WaitingSignIn | None, state: str) -> str:
        """A new session's secret. Raises `Denied`, `Unavailable`."""
        given = request.query_params
        sent = read_cookie(request, OIDC, self._site.url)
        if waiting is None or not hmac.compare_digest(sent.encode(), state.encode()):
            raise Denied("the answer fits no sign-in that this browser began")
        if "code" not in given:
            raise Denied(f"the provider let nobody in: {given.get('error', '')[:100]}")
        known = await provider.known(
            given["code"][:CODE_CHARS_MAX], waiting.nonce, waiting.verifier, given.get("iss", "")
        )
        return await self._sign_in.by_provider(known.name, known.roles, self._old(request))

    def _onward(self, request: Request, address: str) -> Response:
        """A page that leads on by itself: what a page of ours leads to gets our strict cookies, what another site leads to does not."""
        return page(self._site, request, "signin/onward.html", {"address": address, "here": "/sign-in"})

    async def sign_out(self, request: Request) -> Response:
        """Ends the session."""
        await self._sign_in.end(self._old(request))
        response = RedirectResponse("/", 303)
        name = cookie_name("session", self._site.url)
        response.delete_cookie(name, secure=self._site.url.startswith("https://"), httponly=True, samesite="strict")
        return response

    async def language(self, request: Request) -> Response:
        """Keep the reader's choice, and back."""
        form = form_of(request)
        chosen = negotiate(form.text("language", chars_max=20))
        response = RedirectResponse(safe_next(form.text("next", chars_max=512) or "/"), 303)
        set_cookie(response, "language", chosen, self._site.url, seconds=LANGUAGE_S)
        return response

    @contextmanager
    def _one_try(self, request: Request) -> Iterator[None]:
        """Raises `Busy` for an address that has tried too often."""
        with self._tries.call(request.client.host if request.client else "", "sign-in"):
            yield

    def _old(self, request: Request) -> str:
        """The secret that the session before had."""
        return read_cookie(request, "session", self._site.url)

    def _signed_in(self, secret: str, then: str) -> Response:
        """On, with the new session's cookie. It has no age: what a browser keeps of an ended session tells who was signed out."""
        response = RedirectResponse(then, 303)
        set_cookie(response, "session", secret, self._site.url)
        return response


def certificate_of(request: Request) -> bytes:
    """The certificate that the client showed in the handshake and that OpenSSL verified, in PEM; empty without one."""
    der = request.scope.get("state", {}).get("certificate", b"")
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) if der else b""


def _shown_name(request: Request) -> str:
    """Whose certificate it says it is; judged only when somebody signs in with it."""
    pem = certificate_of(request)
    if not pem:
        return ""
    try:
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return "?"
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return urlsplit(uris[0]).path.rpartition("/")[2] if uris else "?"
