"""Grant: the lender's authorization for one court and one case, and the decision whether it permits an access.

A JWT (RFC 7519) signed by the custodian and bound to the court's request key by `cnf` (RFC 7800 section 3.2). The court
ledger holds its registration and revocation, by digest. Deny by default: nothing unnamed is permitted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields
from relay.core.errors import About, Denied
from relay.core.fields import DOSSIER, TOKEN
from relay.core.jose import PUBLIC_KEY_BYTES, Jws, jwk, parse_jws, sign_jws, thumbprint, verify_jws
from relay.core.limits import (
    CASE_CHARS_MAX,
    FUTURE_SKEW_S,
    GRANT_BYTES_MAX,
    GRANT_DOSSIERS_MAX,
    GRANT_KINDS_MAX,
    GRANT_USES_MAX,
    JWS_BYTES_MAX,
    PURPOSE_CHARS_MAX,
)
from relay.core.scope import MEDIATION_PRIVILEGED, PurposeClass, Scope, read_scope, scope_claims

TYP: Final = "courtrelay-grant+jwt"
STATEMENT_TYP: Final = "courtrelay-grant-statement+jwt"
EVERY_ORDINARY_KIND: Final = "*"
ORDINARY_CONFIDENTIALITY: Final = frozenset({"ordinary"})
"""Classes that `*` opens; every other class needs its kind named."""
JTI_BYTES: Final = 16
_DOMAIN: Final = b"courtrelay/grant/v1"
_WHAT: Final = "grant"
_KIND: Final = re.compile(rf"\*|{TOKEN.pattern}")

GrantMode = Literal["verify", "retrieve"]
"""What may be had: verdicts only, or the records themselves (which includes verdicts)."""
GrantAction = Literal["register", "revoke"]
GRANT_ACTIONS: Final[tuple[GrantAction, ...]] = get_args(GrantAction)
GRANT_MODES: Final[tuple[GrantMode, ...]] = get_args(GrantMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A parsed grant whose signature is not yet checked: see `verify_grant`. Times are seconds since 1970 UTC."""

    jws: Jws
    iss: str
    aud: str
    case: str
    dossiers: tuple[str, ...]
    kinds: tuple[str, ...]
    mode: GrantMode
    purpose: str
    nbf: int
    exp: int
    iat: int
    uses: int
    jti: str
    request_key: bytes
    """The court's Ed25519 key whose requests this grant answers to, 32 raw bytes."""
    scope: Scope | None
    """None: the kinds open whole."""
    purpose_class: PurposeClass

    @property
    def digest(self) -> bytes:
        """The grant's digest."""
        return grant_digest(self.jws.token)


def grant_digest(token: str | bytes) -> bytes:
    """32 bytes: SHA-256 over the domain and the ASCII bytes of the compact JWS."""
    data = token.encode("ascii") if isinstance(token, str) else token
    return hashlib.sha256(_DOMAIN + data).digest()


def issue_grant(
    *,
    iss: str,
    aud: str,
    case: str,
    dossiers: Iterable[str],
    kinds: Iterable[str],
    mode: GrantMode,
    purpose: str,
    nbf: int,
    exp: int,
    iat: int,
    uses: int,
    request_key: bytes,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
    random_bytes: Callable[[int], bytes],
    scope: Scope | None = None,
    purpose_class: PurposeClass = "trial",
) -> str:
    """Sign a grant; lists are sorted and made unique here. Raises `Malformed` that names the wrong member."""
    payload: dict[str, object] = {
        "iss": iss,
        "aud": aud,
        "case": case,
        "dossiers": sorted(set(dossiers)),
        "kinds": sorted(set(kinds)),
        "mode": mode,
        "purpose": purpose,
        "nbf": nbf,
        "exp": exp,
        "iat": iat,
        "uses": uses,
        "jti": b64url_encode(random_bytes(JTI_BYTES)),
        "cnf": {"jwk": jwk(request_key)},
    }
    if scope is not None:
        payload["scope"] = scope_claims(scope)
    if purpose_class != "trial":
        payload["purpose_class"] = purpose_class
    _check_values(Fields(payload, what=_WHAT))
    token = sign_jws(TYP, payload, public_key, sign)
    parse_grant(token)
    return token


def _check_values(fields: Fields) -> None:
    """What people typed, before it is written canonically, which takes no value that no reader would. Raises `Malformed`."""
    fields.plain("case", chars_max=CASE_CHARS_MAX)
    fields.plain("purpose", chars_max=PURPOSE_CHARS_MAX)
    fields.integer("uses", low=1, high=GRANT_USES_MAX)
    for name in ("nbf", "exp", "iat"):
        fields.time_s(name)


def parse_grant(token: str | bytes) -> Grant:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=GRANT_BYTES_MAX)
    fields = jws.fields()
    nbf = fields.time_s("nbf")
    exp = fields.time_s("exp")
    if exp <= nbf:
        raise fields.refuse("exp", "must be later than nbf")
    kinds = fields.names("kinds", _KIND, count_max=GRANT_KINDS_MAX, meant="a record kind or *")
    grant = Grant(
        jws=jws,
        iss=fields.party("iss", "custodian"),
        aud=fields.party("aud", "court"),
        case=fields.plain("case", chars_max=CASE_CHARS_MAX),
        dossiers=fields.names("dossiers", DOSSIER, count_max=GRANT_DOSSIERS_MAX, meant="32 lower-case hex digits"),
        kinds=kinds,
        mode=fields.literal("mode", *GRANT_MODES),
        purpose=fields.plain("purpose", chars_max=PURPOSE_CHARS_MAX),
        nbf=nbf,
        exp=exp,
        iat=fields.time_s("iat"),
        uses=fields.integer("uses", low=1, high=GRANT_USES_MAX),
        jti=b64url_encode(fields.b64url("jti", size=JTI_BYTES)),
        request_key=_confirmation(fields.nested("cnf")),
        scope=read_scope(fields.nested("scope"), kinds) if fields.has("scope") else None,
        # one spelling: what is for a trial does not say so
        purpose_class=fields.literal("purpose_class", "mediation") if fields.has("purpose_class") else "trial",
    )
    fields.done()
    return grant


def verify_grant(grant: Grant, public_key: bytes) -> None:
    """Check the lender's signature. Raises `Unverified`."""
    verify_jws(grant.jws, public_key)


def _confirmation(cnf: Fields) -> bytes:
    key = cnf.nested("jwk")
    cnf.done()
    key.literal("crv", "Ed25519")
    key.literal("kty", "OKP")
    raw = key.b64url("x", size=PUBLIC_KEY_BYTES)
    key.done()
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantStatement:
    """What the court ledger records of a grant. `grant` is the digest in hex; `exp` (seconds) only when registering."""

    jws: Jws
    iss: str
    action: GrantAction
    grant: str
    exp: int | None
    iat: int


def make_grant_statement(
    *,
    iss: str,
    action: GrantAction,
    grant: bytes,
    exp: int | None,
    iat: int,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
) -> str:
    """Sign a `register` (with the grant's `exp`) or `revoke` (`exp` None) statement about a grant digest."""
    payload: dict[str, object] = {"iss": iss, "action": action, "grant": grant.hex(), "iat": iat}
    if exp is not None:
        payload["exp"] = exp
    token = sign_jws(STATEMENT_TYP, payload, public_key, sign)
    parse_grant_statement(token)
    return token


def parse_grant_statement(token: str | bytes) -> GrantStatement:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what="grant statement", typ=STATEMENT_TYP, bytes_max=JWS_BYTES_MAX)
    fields = jws.fields()
    action = fields.literal("action", *GRANT_ACTIONS)
    statement = GrantStatement(
        jws=jws,
        iss=fields.party("iss", "custodian"),
        action=action,
        grant=fields.digest("grant"),
        exp=fields.time_s("exp") if action == "register" else None,
        iat=fields.time_s("iat"),
    )
    fields.done()
    return statement


def verify_grant_statement(statement: GrantStatement, public_key: bytes) -> None:
    """Check the lender's signature. Raises `Unverified`."""
    verify_jws(statement.jws, public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What somebody asks for. `kid`: thumbprint of the key that signed the request; `kinds`: when some are named."""

    custodian: str
    court: str
    case: str
    dossier: str
    mode: GrantMode
    kid: str
    kinds: tuple[str, ...] = ()


def permits(
    grant: Grant, access: Access, *, now_s: int, uses_spent: int, revoked_at_s: int | None, registered: bool
) -> None:
    """Return only if the grant permits the access now. Raises `Denied` with the first cause; checks no signature.

    A grant holds from `nbf` up to but not including `exp`. A revocation on the ledger ends it, whatever time it bears.
    """
    if not _usable(access, now_s, uses_spent):
        raise Denied(
            "the facts are unusable: a time, a count, a mode or the kinds are of another form than they must be"
        )
    for refused, reason, about in _causes(grant, access, now_s=now_s, uses_spent=uses_spent):
        if refused:
            raise Denied(reason, about)
    if registered is not True:
        raise Denied("the grant is not registered on the court ledger", "grant")
    if revoked_at_s is not None:
        raise Denied(f"the grant was revoked at {revoked_at_s}", "grant")


def _usable(access: Access, now_s: object, uses_spent: object) -> bool:
    """A truth value or nothing is no number, and an unknown mode is none: what is unclear is refused, never compared."""
    kinds: object = access.kinds
    return (
        type(now_s) is int
        and type(uses_spent) is int
        and access.mode in GRANT_MODES
        and isinstance(kinds, tuple)
        and all(isinstance(kind, str) and kind != EVERY_ORDINARY_KIND for kind in kinds)
    )


def _causes(grant: Grant, access: Access, *, now_s: int, uses_spent: int) -> list[tuple[bool, str, About]]:
    unnamed = [k for k in access.kinds if k not in grant.kinds and EVERY_ORDINARY_KIND not in grant.kinds]
    return [
        (access.custodian != grant.iss, f"the grant was issued by {grant.iss}, not by {access.custodian}", "grant"),
        (access.court != grant.aud, f"the grant is for {grant.aud}, not for {access.court}", "grant"),
        (
            access.kid != thumbprint(grant.request_key),
            "the request is not signed by the key the grant is bound to",
            "signature",
        ),
        (
            grant.iat > now_s + FUTURE_SKEW_S,
            f"the grant is dated in the future: issued at {grant.iat}, now {now_s}",
            "time",
        ),
        (now_s < grant.nbf, f"the grant is not valid yet: from {grant.nbf}, now {now_s}", "time"),
        (now_s >= grant.exp, f"the grant has expired: at {grant.exp}, now {now_s}", "time"),
        (access.case != grant.case, "the request names another case than the grant", "grant"),
        (access.dossier not in grant.dossiers, "the grant does not name this dossier", "grant"),
        (
            access.mode != "verify" and grant.mode != "retrieve",
            "the grant permits verification only, not retrieval",
            "grant",
        ),
        (bool(unnamed), f"the grant does not open {', '.join(unnamed)}", "grant"),
        (not 0 <= uses_spent < grant.uses, f"all {grant.uses} uses of the grant are spent", "uses"),
    ]


def opens(grant: Grant, *, kind: str, confidentiality: str) -> bool:
    """Whether the grant's scope covers records of this kind and confidentiality class.

    `*` stands for every kind in an ordinary class; any other class opens only when its kind is named. What was said in mediation opens
    only when, besides, the grant is for mediation (such confidences may not be used at trial unless the parties agree).
    """
    if not isinstance(kind, str) or kind == EVERY_ORDINARY_KIND:
        return False  # a record of no kind, whatever the grant names
    if confidentiality == MEDIATION_PRIVILEGED and grant.purpose_class != "mediation":
        return False
    if kind in grant.kinds:
        return True
    return EVERY_ORDINARY_KIND in grant.kinds and confidentiality in ORDINARY_CONFIDENTIALITY


def opens_member(grant: Grant, *, kind: str, member: str) -> bool:
    """Whether a personal member opens, of a record that opens."""
    return grant.scope is None or member in grant.scope.members.get(kind, ())


def opens_payloads(grant: Grant, *, kind: str) -> bool:
    """Whether payloads open, of a record that opens."""
    return grant.scope is None or kind in grant.scope.payloads
