"""The table of denials: one row for each way in which a court asks for what it may not have.

`arrange` makes the situation and returns the request that goes out on the wire. `reason` is what the lender's custody log must say;
`at_court` is what the court's own log says when its gateway is asked the same, where it can know. A new kind of denial is a new row.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from relay.core.errors import Unavailable
from relay.core.grants import grant_digest, issue_grant, make_grant_statement, parse_grant
from relay.core.sealing import Kem, new_sealing_key
from relay.setup.keys import make_signing_key
from relay.setup.signers import open_signer
from tests.authz.stage import OTHER_COURT, Asked, Stage
from tests.support.retaining import AT_ONCE, BASIS, OPERATOR, retaining

DAY_S = 86_400


@dataclass(frozen=True)
class Situation:
    """What goes out; `grant` is what an officer would show the gateway, `undo` puts the clock back."""

    asked: Asked | bytes
    grant: str
    elsewhere: bool = False
    undo: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Denial:
    """`at`: whose check it is. A relay keeps no custody log: there the court's own log tells."""

    name: str
    arrange: Callable[[Stage, str], Awaitable[Situation]]
    reason: str
    at: str = "custodian"
    at_court: str = ""


async def _plain(stage: Stage, name: str, **changes: Any) -> Situation:
    grant = await stage.grant(name)
    return Situation(stage.request(grant, **changes), grant)


async def _other_court(stage: Stage, name: str) -> Situation:
    """With the bound key stolen: only the name gives it away."""
    grant = await stage.grant(name)
    return Situation(stage.request(grant, iss=str(OTHER_COURT)), grant, elsewhere=True)


async def _in_the_name_of_another(stage: Stage, name: str) -> Situation:
    grant = await stage.grant(name)
    return Situation(stage.request(grant), grant, elsewhere=True)


async def _other_case(stage: Stage, name: str) -> Situation:
    return await _plain(stage, name, case="Case 2")


async def _not_yet_valid(stage: Stage, name: str) -> Situation:
    now_s = stage.way.clock.ms // 1000
    grant = await stage.grant(name, not_before_s=now_s + 1)
    return Situation(stage.request(grant), grant)


async def _expired(stage: Stage, name: str) -> Situation:
    now_s = stage.way.clock.ms // 1000
    grant = await stage.grant(name, expires_s=now_s + 60)
    undo = _forward(stage, 60)
    return Situation(stage.request(grant), grant, undo=undo)


def _forward(stage: Stage, seconds: int) -> Callable[[], None]:
    before = stage.way.clock.ms
    stage.way.clock.ms += seconds * 1000

    def undo() -> None:
        stage.way.clock.ms = before

    return undo


async def _revoked_a_second_ago(stage: Stage, name: str) -> Situation:
    """The court ledger cannot be told yet: nobody but the custodian knows."""
    grant = await stage.grant(name)

    async def away(_statement: str) -> Any:
        raise Unavailable("the court ledger cannot be reached")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.way.relay_link, "record_grant", away)
        await stage.way.grants.revoke(parse_grant(grant).digest, "a mistake")
    undo = _forward(stage, 1)
    return Situation(stage.request(grant), grant, undo=undo)


async def _revoked_on_the_ledger(stage: Stage, name: str) -> Situation:
    grant = await stage.grant(name)
    await stage.way.grants.revoke(parse_grant(grant).digest, "a mistake")
    return Situation(stage.request(grant), grant)


async def _replayed(stage: Stage, name: str) -> Situation:
    grant = await stage.grant("honest")
    asked = stage.request(grant)
    assert (await stage.ask(asked)).chunks
    return Situation(asked, grant)


async def _uses_exhausted(stage: Stage, name: str) -> Situation:
    grant = await stage.grant("honest", uses=1)
    assert (await stage.ask(stage.request(grant))).chunks
    return Situation(stage.request(grant), grant)


async def _mode_verify(stage: Stage, name: str) -> Situation:
    grant = await stage.grant(name, mode="verify")
    return Situation(stage.request(grant), grant)


async def _other_key(stage: Stage, name: str) -> Situation:
    path = stage.way.home / f"{name.replace(' ', '-')}.pem"
    return await _plain(stage, name, signer=make_signing_key(path))


async def _other_dossier(stage: Stage, name: str) -> Situation:
    grant = await stage.grant("honest")
    return Situation(stage.request(grant, dossier=stage.dossiers[name]), grant)


async def _no_such_dossier(stage: Stage, name: str) -> Situation:
    return await _plain(stage, name, dossier="0" * 32)


async def _no_such_grant(stage: Stage, name: str) -> Situation:
    """Nowhere registered: the relay sees that, and answers as the custodian would."""
    return await _plain(stage, name, grant=bytes(32))


async def _signed_grant(stage: Stage, dossier: str, *, kept: bool) -> str:
    """Signed by the lender and registered, for whatever dossier; `kept`: also in the custodian's store."""
    way, now_s = stage.way, stage.way.clock.ms // 1000
    signer = open_signer(way.lender.grant_key)
    token = issue_grant(
        iss=way.lender.common.identity, aud=way.court, case="Case 1", dossiers=[dossier], kinds=["*"], mode="retrieve",
        purpose="filing", nbf=now_s, exp=now_s + DAY_S, iat=now_s, uses=3,
        request_key=open_signer(way.gateway.request_keys[0]).public_key, public_key=signer.public_key, sign=signer.sign,
        random_bytes=way.disclosures._random,
    )  # fmt: skip
    digest = grant_digest(token)
    statement = make_grant_statement(
        iss=way.lender.common.identity, action="register", grant=digest, exp=now_s + DAY_S, iat=now_s,
        public_key=signer.public_key, sign=signer.sign,
    )  # fmt: skip
    if kept:
        await way.custodian_store.save_grant(digest, token, statement, way.grants._event("grant", digest, "issued", ""))
        await way.grants.send_pending()
    else:
        await way.relay_link.record_grant(statement)
    return token


async def _registered_but_not_kept(stage: Stage, name: str) -> Situation:
    """As after a restored backup, or by a thief of the grant key."""
    grant = await _signed_grant(stage, stage.dossiers[name], kept=False)
    return Situation(stage.request(grant), grant)


async def _dossier_not_here(stage: Stage, name: str) -> Situation:
    """The grant names it, and nothing of it is in the store."""
    grant = await _signed_grant(stage, "f" * 32, kept=True)
    return Situation(stage.request(grant), grant)


async def _erased(stage: Stage, name: str) -> Situation:
    """The grant is in force and registered; the dossier has gone, but for its tombstone."""
    grant = await stage.grant(name)
    await retaining(stage.way, policy=AT_ONCE).erasures.erase(
        f"loan {name}", None, due=False, basis=BASIS, actor=OPERATOR, despite_grants=True
    )
    return Situation(stage.request(grant), grant)


async def _stale_trust_roots(stage: Stage, name: str) -> Situation:
    now_s = stage.way.clock.ms // 1000
    grant = await stage.grant(name, expires_s=now_s + 500 * DAY_S)
    undo = _forward(stage, 400 * DAY_S)
    return Situation(stage.request(grant), grant, undo=undo)


async def _sealed_to_another(stage: Stage, name: str) -> Situation:
    stranger = new_sealing_key(Kem.MLKEM768_X25519, stage.way.disclosures._random)
    return await _plain(stage, name, custodian_key=stranger.public_key)


async def _mode_verify_with_kinds(stage: Stage, name: str) -> Situation:
    grant = await stage.grant(name, mode="verify", kinds=("complaint", "repayment"))
    return Situation(stage.request(grant), grant)


DENIALS = (
    Denial("other court", _other_court, "the grant is for .*not for .*elsewhere"),
    Denial("in the name of another court", _in_the_name_of_another, "", at="relay"),
    Denial("other case", _other_case, "names another case"),
    Denial("not yet valid", _not_yet_valid, "not valid yet", at_court="not valid yet"),
    Denial("expired", _expired, "has expired", at_court="has expired"),
    Denial("revoked a second ago", _revoked_a_second_ago, "revoked at"),
    Denial("revoked on the ledger", _revoked_on_the_ledger, "", at="relay", at_court="revoked on the court ledger"),
    Denial("replayed nonce", _replayed, "nonce was used before"),
    Denial("uses exhausted", _uses_exhausted, "uses of the grant are spent"),
    Denial("mode verify used to retrieve", _mode_verify, "verification only"),
    Denial("mode verify with named kinds", _mode_verify_with_kinds, "verification only"),
    Denial("other key", _other_key, "request.*kid|signature"),
    Denial("other dossier", _other_dossier, "does not name this dossier"),
    Denial("no such dossier", _no_such_dossier, "does not name this dossier"),
    Denial("dossier not here", _dossier_not_here, "not here any more"),
    Denial("erased dossier", _erased, f"the dossier was erased on .* under {re.escape(BASIS)}"),
    Denial("no such grant", _no_such_grant, "", at="relay"),
    Denial("grant not kept", _registered_but_not_kept, "no grant of that digest"),
    Denial("sealed to another", _sealed_to_another, "request details"),
    Denial("stale trust roots", _stale_trust_roots, "trust roots have expired", at_court="trust roots have expired"),
)
