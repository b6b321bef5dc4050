"""Two lenders with real stores, deposits and grants, and requests in which everything of the one may be mixed with the other's."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.core.canonical import dumps
from relay.core.errors import Unavailable
from relay.core.grants import Grant, parse_grant
from relay.core.jose import sign_jws
from relay.core.pinned import TrustedKey
from relay.core.requests import TYP, request_digest
from relay.core.sealing import Kem, SealingPrivateKey, hpke_seal
from relay.core.trust import TrustRoots
from relay.schemas import KindCatalogue
from relay.services.custodian.deposit import Deposits
from relay.services.custodian.disclosure import Disclosures
from relay.services.custodian.grants import GrantCommand, Grants
from relay.store.custodian import SqliteCustodianStore
from relay.store.vault import Vault
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import SeededBytes, TestClock, no_waits
from tests.support.lines import repayment
from tests.support.way import Way

DOSSIERS, GRANTS = 6, 8
COURTS = tuple(f"spiffe://courtrelay.example/court/{name}" for name in ("court", "second"))
USES = 1_000_000
HONEST = 0.02


class Key:
    """relay.ports.common.Signer from a number."""

    def __init__(self, number: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See the port."""
        return self._key.sign(message)


COURT_KEYS = (Key(101), Key(102))


class NoRelay:
    """A link that is down: statements stay pending, as on a day without network."""

    async def record_grant(self, _statement: str) -> Any:
        raise Unavailable("the relay cannot be reached")


@dataclass
class Lender:
    """One lender; what it holds is what no request to the other may show."""

    identity: str
    store: SqliteCustodianStore
    disclosures: Disclosures
    grants: Grants
    sealing: SealingPrivateKey
    dossiers: list[str] = field(default_factory=list)
    issued: list[Grant] = field(default_factory=list)


@dataclass(frozen=True)
class Mixed:
    """One generated request: who is asked, what goes out, and whether all of it belongs together."""

    asked: Lender
    other: Lender
    digest: bytes
    token: bytes
    dossier: str
    honest: bool


@asynccontextmanager
async def two_lenders(folder: Path) -> AsyncIterator[tuple[Lender, Lender]]:
    """Lenders `a` and `b` of one network, the same references, cases and courts at both."""
    home = make_home(folder / "home")
    clock, trust = TestClock(noon_of(home)), _with_court_keys(read_trust(home / "trust.json"))
    async with AsyncExitStack() as stack:
        pair = [await _lender(stack, folder / name, name, clock, trust) for name in ("a", "b")]
        yield pair[0], pair[1]


def _with_court_keys(trust: TrustRoots) -> TrustRoots:
    (pinned,) = (key for key in trust.pinned_keys if key.use == "request")
    rest = tuple(key for key in trust.pinned_keys if key is not pinned)
    courts: list[TrustedKey] = [
        replace(pinned, party=court, public_key=key.public_key) for court, key in zip(COURTS, COURT_KEYS, strict=True)
    ]
    return replace(trust, pinned_keys=(*rest, *courts))


async def _lender(stack: AsyncExitStack, folder: Path, name: str, clock: TestClock, trust: TrustRoots) -> Lender:
    identity, random_bytes = f"spiffe://courtrelay.example/custodian/{name}", SeededBytes(name)
    store = await SqliteCustodianStore.open(folder, random_bytes(32))
    stack.push_async_callback(store.close)
    vault, catalogue, signer = Vault(folder / "vault"), KindCatalogue(), Key(ord(name))
    sealing = SealingPrivateKey(kem=Kem.X25519, raw=random_bytes(32))
    deposits = Deposits(
        identity=identity, store=store, vault=vault, catalogue=catalogue, signer=signer, clock=clock,
        random_bytes=random_bytes,
    )  # fmt: skip
    link: Any = NoRelay()
    grants = Grants(
        identity=identity, origin=f"{name}.example/log", store=store, relay=link, catalogue=catalogue, signer=signer, trust=trust,
        verifiers=verifiers(), clock=clock, random_bytes=random_bytes, backoff=no_waits,
    )  # fmt: skip
    disclosures = Disclosures(
        identity=identity, origin=f"{name}.example/log", store=store, vault=vault, relay=link, signer=signer,
        sealing_key=sealing, trust=trust, clock=clock, random_bytes=random_bytes, backoff=no_waits,
    )  # fmt: skip
    lender = Lender(identity, store, disclosures, grants, sealing)
    await _fill(lender, deposits, clock)
    return lender


async def _fill(lender: Lender, deposits: Deposits, clock: TestClock) -> None:
    way = Way()
    way.deposits = deposits
    for number in range(DOSSIERS):
        stored = await way.deposit(f"loan {number}", [repayment(0, payload=lender.identity.encode())])
        lender.dossiers.append(stored.dossier)
    now_s = clock.ms // 1000
    for number in range(GRANTS):
        token = await lender.grants.issue(
            GrantCommand(
                court=COURTS[number % 2], case=f"Case {number % 3}", dossiers=(lender.dossiers[number % DOSSIERS],),
                kinds=("*",), mode="retrieve" if number % 4 else "verify", purpose="filing", not_before_s=now_s,
                expires_s=now_s + 86_400, uses=USES,
            )
        )  # fmt: skip
        grant = parse_grant(token)
        lender.issued.append(grant)
        await lender.store.statement_recorded(grant.digest, "register", clock.ms)


class Mixer:
    """Makes requests; each fact of each is drawn from the one lender or the other, or belongs together with the rest."""

    def __init__(self, a: Lender, b: Lender, seed: int) -> None:
        self._pair = (a, b)
        self._dice = random.Random(seed)
        self._sealed: dict[tuple[str, str, str], str] = {}
        self._now_s = a.disclosures._clock.now_ms() // 1000
        self._recipient = _b64(a.sealing.public_key.raw)

    def requests(self, count: int) -> Iterator[Mixed]:
        """Many are honest but for one thing, which is the other lender's; a few are honest."""
        for _ in range(count):
            yield self._one()

    def _one(self) -> Mixed:
        dice = self._dice
        asked, other = dice.sample(self._pair, 2)
        grant = dice.choice(asked.issued)
        facts: dict[str, Any] = {
            "addressed": asked, "grant": grant, "dossier": grant.dossiers[0], "case": grant.case, "sealed": asked,
            "court": COURTS.index(grant.aud), "key": COURTS.index(grant.aud),
        }  # fmt: skip
        foreign = dice.choice(other.issued)
        wrong: dict[str, Any] = {
            "addressed": other, "grant": foreign, "dossier": dice.choice((foreign.dossiers[0], dice.choice(other.dossiers))),
            "case": dice.choice(("Case 0", "Case 1", "Case 2", "Case 9")), "sealed": other, "court": dice.randrange(2),
            "key": dice.randrange(2),
        }  # fmt: skip
        if dice.random() > HONEST:
            foreign_facts = [dice.choice(("addressed", "grant", "dossier", "sealed"))]
            for name in foreign_facts + dice.sample(list(wrong), dice.choice((0, 0, 1, 2, 6))):
                facts[name] = wrong[name]
        token = self._token(facts)
        right = facts["grant"] in asked.issued and facts["sealed"] is asked and facts["addressed"] is asked
        held = facts["grant"]
        honest = (
            right and facts["dossier"] in held.dossiers and facts["case"] == held.case and held.mode == "retrieve"
            and facts["court"] == facts["key"] == COURTS.index(held.aud)
        )  # fmt: skip
        return Mixed(asked, other, request_digest(token), token, facts["dossier"], honest)

    def _token(self, facts: dict[str, Any]) -> bytes:
        signer = COURT_KEYS[facts["key"]]
        claims = {
            "iss": COURTS[facts["court"]], "aud": facts["addressed"].identity, "grant": facts["grant"].digest.hex(),
            "nonce": _b64(self._dice.randbytes(16)), "iat": self._now_s, "exp": self._now_s + 300, "kem": "X25519",
            "public_key": self._recipient, "sealed": self._seal(facts["case"], facts["dossier"], facts["sealed"]),
        }  # fmt: skip
        return sign_jws(TYP, claims, signer.public_key, signer.sign).encode()

    def _seal(self, case: str, dossier: str, to: Lender) -> str:
        """Sealed once for each: what is inside is the same, and an attacker may repeat it."""
        place = (case, dossier, to.identity)
        if place not in self._sealed:
            details = {"case": case, "dossier": dossier, "officer": "judge-7", "purpose": "filing"}
            data = hpke_seal(to.sealing.public_key, dumps(details), b"courtrelay/request-details/v1")
            self._sealed[place] = _b64(data)
        return self._sealed[place]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
