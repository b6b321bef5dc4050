"""A second evaluator of "may this access happen?", for tests only, written from docs/spec/grant.md and retrieval.md.

It shares nothing with relay.core: plain dicts out of the tokens, one table of obligations, the first that does not hold names the class
of the refusal. The numbers are those of "Whether a grant permits an access"; 0 is what must hold before anything is compared.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
"""`custodian`, `court`, `case`, `dossier`, `mode`, `kid`, `kinds` as asked; `now`, `uses`, `revoked`, `registered` as held."""
SKEW = 300
PERMITTED = "permitted"


def claims(token: str) -> Facts:
    """The payload of a compact JWS, with nothing checked."""
    part = token.split(".")[1]
    decoded: Facts = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def thumb(jwk: Facts) -> str:
    """RFC 7638 of an Ed25519 key."""
    text = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def grant_facts(token: str) -> Facts:
    """A grant's claims and the thumbprint of the key it is bound to."""
    said = claims(token)
    return {**said, "bound": thumb(said["cnf"]["jwk"])}


def whole(value: object) -> bool:
    """An integer, and not a truth value, which Python counts among them."""
    return isinstance(value, int) and value is not True and value is not False


def names(value: object) -> bool:
    """A list of texts, none of which is the star."""
    return isinstance(value, tuple) and not [n for n in value if not isinstance(n, str) or n == "*"]


Obligation = tuple[int, str, Callable[[Facts, Facts], bool]]
OBLIGATIONS: tuple[Obligation, ...] = (
    (0, "unusable", lambda g, f: whole(f["now"]) and whole(f["uses"])),
    (0, "unusable", lambda g, f: f["mode"] in ("retrieve", "verify") and names(f["kinds"])),
    (1, "other issuer", lambda g, f: g["iss"] == f["custodian"]),
    (2, "other court", lambda g, f: g["aud"] == f["court"]),
    (3, "other key", lambda g, f: g["bound"] == f["kid"]),
    (4, "dated in the future", lambda g, f: g["iat"] - f["now"] <= SKEW),
    (5, "not yet valid", lambda g, f: f["now"] >= g["nbf"]),
    (6, "expired", lambda g, f: g["exp"] > f["now"]),
    (7, "other case", lambda g, f: f["case"] == g["case"]),
    (8, "other dossier", lambda g, f: f["dossier"] in g["dossiers"]),
    (9, "verification only", lambda g, f: g["mode"] == "retrieve" or f["mode"] == "verify"),
    (10, "kind not opened", lambda g, f: "*" in g["kinds"] or set(f["kinds"]) <= set(g["kinds"])),
    (11, "uses spent", lambda g, f: f["uses"] in range(g["uses"])),
    (12, "not registered", lambda g, f: f["registered"] is True),
    (13, "revoked", lambda g, f: f["revoked"] is None),
)


def first_broken(grant: Facts, facts: Facts) -> str:
    """`permitted`, or the class of the first obligation that does not hold."""
    for _, name, holds in OBLIGATIONS:
        if not holds(grant, facts):
            return name
    return PERMITTED


def record_opens(grant: Facts, kind: object, confidentiality: object) -> bool:
    """Record by record: named kinds open, the star opens what is ordinary and is no kind itself, confidences need their class."""
    if kind == "*" or not isinstance(kind, str):
        return False
    if confidentiality == "mediation_privileged" and grant.get("purpose_class", "trial") != "mediation":
        return False
    return kind in grant["kinds"] or ("*" in grant["kinds"] and confidentiality == "ordinary")


def parts_open(grant: Facts, kind: str, member: str) -> tuple[bool, bool]:
    """Of a record that opens: whether this personal member does, and whether payloads do."""
    scope = grant.get("scope")
    if scope is None:
        return True, True
    return member in scope["members"].get(kind, []), kind in scope["payloads"]


def freshness(request: Facts, now: object) -> str:
    """retrieval.md, step 6 of the custodian's checks."""
    if not whole(now):
        return "unusable"
    assert isinstance(now, int)
    if request["iat"] - now > SKEW:
        return "dated in the future"
    return "expired" if now >= request["exp"] else PERMITTED
