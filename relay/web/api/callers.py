"""Who calls the interface: a client certificate of one of the court's people, or a bearer token of the court's OpenID provider."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from relay.core.errors import Denied
from relay.ports.sessions import PersonRole, SignInWay
from relay.services.court.signing_in import SignIn
from relay.transport.limits import Limits, Rate, Shares
from relay.web.oidc import TOKEN_CHARS_MAX, Provider
from relay.web.signin import certificate_of
from relay.web.site import Person

REFUSALS: Final = Limits(default=Rate(1.0, 60), calls_open=16)
"""Refused calls of one address: some at once, then one a second. Each is in the custody log, which nobody may fill."""
_BEARER: Final = re.compile(r"[Bb]earer ([A-Za-z0-9._~+/=-]+)")


class CourtCallers:
    """Implements `relay.web.api.app.Callers`. `provider` is None where none is configured."""

    def __init__(self, sign_in: SignIn, provider: Provider | None) -> None:
        self._sign_in = sign_in
        self._provider = provider
        self._refusals = Shares(REFUSALS)

    async def caller(self, request: Request) -> Person | None:
        """See the protocol. A token that is sent decides alone, whatever certificate came with the connection."""
        headers = request.headers.getlist("authorization")
        pem = certificate_of(request)
        if not headers and not pem:
            return None
        way: SignInWay = "oidc" if headers else "certificate"
        try:
            name, roles = await self._of_token(headers) if headers else self._sign_in.known(pem)
        except Denied as denied:
            with self._refusals.call(request.client.host if request.client else "", "refusal"):
                await self._sign_in.refused(way, denied.reason)
            raise
        return Person(name=name, roles=roles)

    async def _of_token(self, headers: list[str]) -> tuple[str, frozenset[PersonRole]]:
        match = _BEARER.fullmatch(headers[0]) if len(headers) == 1 and len(headers[0]) <= TOKEN_CHARS_MAX + 7 else None
        if match is None:
            raise Denied("the Authorization header is not one bearer token")
        if self._provider is None:
            raise Denied("this court takes no bearer tokens")
        known = await self._provider.bearer(match[1])
        return self._sign_in.person(known.name), known.roles
