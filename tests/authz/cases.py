"""Generated accesses, biased to the borders: a pool of signed grants, and facts that miss what they ask for by one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.grants import Grant, issue_grant, parse_grant
from relay.core.requests import RequestDetails, RetrievalRequest, make_request, parse_request
from relay.core.scope import Scope
from relay.core.sealing import Kem, SealingPrivateKey
from tests.authz.evaluator import Facts, claims, grant_facts, thumb

LENDERS = tuple(f"spiffe://a.example/custodian/{name}" for name in ("lender", "lender-2", "lende"))
COURTS = tuple(f"spiffe://a.example/court/{name}" for name in ("court", "court-2", "cour"))
CASES = ("Case 1", "Case 2", "case 1", "Case 1.", "Case", "案号 1")
DOSSIERS = tuple(f"{n:032x}" for n in range(6))
KINDS = ("repayment", "contract", "mediation_session", "repayments")
CLASSES = ("ordinary", "mediation_privileged", "ORDINARY", "", None)
KEYS = tuple(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 4))
NO_NUMBERS = (None, True, False, 1.0, "1500")
T = 1_000_000


@dataclass(frozen=True)
class Pooled:
    """One signed grant, as the product reads it and as the second evaluator does."""

    grant: Grant
    facts: Facts


@dataclass(frozen=True)
class Asked:
    """One signed request, in both readings."""

    request: RetrievalRequest
    facts: Facts


SCOPES = {
    "repayment": Scope(members={"repayment": ("payer_account",)}, payloads=()),
    "contract": Scope(members={}, payloads=("contract",)),
    "mediation_session": Scope(members={}, payloads=()),
    "*": None,
}
MEMBERS = ("payer_account", "borrower_name", "")


def _pool() -> list[Pooled]:
    dice = random.Random("grants")
    made = []
    kinds: Sequence[Sequence[str]] = (
        ["*"], ["repayment"], ["*", "mediation_session"], ["contract", "repayment"], ["mediation_session"],
    )  # fmt: skip
    for number in range(120):
        nbf = T + dice.choice((0, 0, 400, 1000))
        signer = KEYS[0]
        token = issue_grant(
            iss=LENDERS[number % 2],
            aud=COURTS[number // 2 % 2],
            case=dice.choice(CASES[:2]),
            dossiers=dice.sample(DOSSIERS, dice.choice((1, 1, 2, 5))),
            kinds=kinds[number % len(kinds)],
            mode=dice.choice(("retrieve", "retrieve", "retrieve", "verify")),
            purpose="filing",
            nbf=nbf,
            exp=nbf + dice.choice((1, 2, 700, 5000)),
            iat=T + dice.choice((0, 0, 0, 301, 700, 10_000)),
            uses=dice.choice((1, 1, 2, 3, 1_000_000)),
            scope=SCOPES[kinds[number % len(kinds)][0]] if number % 3 == 0 else None,
            purpose_class="mediation" if number % 4 == 0 else "trial",
            request_key=KEYS[dice.randrange(1, 3)].public_key().public_bytes_raw(),
            public_key=signer.public_key().public_bytes_raw(),
            sign=signer.sign,
            random_bytes=dice.randbytes,
        )
        made.append(Pooled(grant=parse_grant(token), facts=grant_facts(token)))
    return made


def _requests() -> list[Asked]:
    dice = random.Random("requests")
    key, sealing = KEYS[1], SealingPrivateKey(kem=Kem.X25519, raw=bytes(range(32)))
    made = []
    for lifetime in (1, 2, 300, 600):
        for iat in (0, 1, T, T + 300, T + 301, T + 5000):
            token = make_request(
                iss=COURTS[0], aud=LENDERS[0], grant=bytes(32),
                details=RequestDetails(case="Case 1", dossier=DOSSIERS[0], officer="o", purpose="p"),
                iat=iat, exp=iat + lifetime, recipient=sealing.public_key, custodian_key=sealing.public_key,
                public_key=key.public_key().public_bytes_raw(), sign=key.sign, random_bytes=dice.randbytes,
            )  # fmt: skip
            made.append(Asked(request=parse_request(token), facts=claims(token)))
    return made


GRANTS = _pool()
REQUESTS = _requests()
KIDS = (*(thumb(claims(p.grant.jws.token)["cnf"]["jwk"]) for p in GRANTS[:8]), "", "A" * 43)
NAMED: tuple[Any, ...] = (
    (), ("repayment",), ("contract", "repayment"), ("mediation_session",), ("repayments",), ("repayment", "nothing"),
    ("*",), ("repayment", "*"), None, "repayment", (None,), ["repayment"],
)  # fmt: skip


def honest(g: Facts) -> Facts:
    """What this grant permits."""
    return {
        "custodian": g["iss"], "court": g["aud"], "case": g["case"], "dossier": g["dossiers"][0], "mode": g["mode"],
        "kid": g["bound"], "kinds": (), "now": max(g["nbf"], g["iat"] - 300), "uses": 0, "revoked": None, "registered": True,
    }  # fmt: skip


def borders(g: Facts) -> dict[str, tuple[Any, ...]]:
    """For every fact the values around what the grant says, and those of another type."""
    times = {t + d for t in (g["nbf"], g["exp"], g["iat"] - 300, g["iat"]) for d in (-1, 0, 1)}
    last = g["uses"]
    return {
        "custodian": (*LENDERS, None, ""),
        "court": (*COURTS, None, g["iss"]),
        "case": (*CASES, None, g["case"] + " ", g["case"].upper()),
        "dossier": (*DOSSIERS, None, "", g["dossiers"][-1].upper() + "x", "*"),
        "mode": ("verify", "retrieve", "verify", "retrieve", "Retrieve", None, ""),
        "kid": (*KIDS, None),
        "kinds": NAMED,
        "now": (*sorted(times), 0, -1, 2**53, *NO_NUMBERS),
        "uses": (0, 1, last - 1, last, last + 1, -1, 2**63, *NO_NUMBERS),
        "revoked": (None, None, 0, 1, g["nbf"], 2**53, False, ""),
        "registered": (True, False, 1, 0, None, "yes", T),
    }


def generate(count: int, seed: int) -> Iterator[tuple[Pooled, Facts, Asked, tuple[Any, Any]]]:
    """(grant, facts, request, (kind, class) of a record): mostly one or two facts off, sometimes none or all of them."""
    dice = random.Random(seed)
    prepared = [(p, honest(p.facts), tuple(borders(p.facts).items())) for p in GRANTS]
    records = [(kind, cls) for kind in (*KINDS, "*", None) for cls in CLASSES]
    shape = (0, 1, 1, 1, 1, 2, 2, 3, 5, 11)
    for _ in range(count):
        bits = dice.getrandbits(128)
        bits, pick = divmod(bits, len(prepared))
        pooled, right, around = prepared[pick]
        facts = right.copy()
        bits, many = divmod(bits, len(shape))
        for _ in range(shape[many]):
            bits, which = divmod(bits, len(around))
            name, values = around[which]
            bits, value = divmod(bits, len(values))
            facts[name] = values[value]
        bits, number = divmod(bits, len(REQUESTS))
        bits, row = divmod(bits, len(records))
        yield pooled, facts, REQUESTS[number], records[row]
