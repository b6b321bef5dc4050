"""Checks of `CourtRegistry`: grants and custody heads."""

from __future__ import annotations

import asyncio

from relay.conformance.bench import Bench
from relay.conformance.check import ANY, check, demand, equal, refused
from relay.conformance.owner import NamedKey, StrangerKey
from relay.conformance.source_feed import MS_MAX, MS_MIN
from relay.conformance.tampering import proven
from relay.conformance.writing import FORK
from relay.core.errors import Conflict, Denied, Malformed, Unverified
from relay.ports.ledgers import GrantState

NOTHING = GrantState(registered_ms=0, revoked_ms=0, registration=b"")
CALLERS = 6


@check("court.grants.unknown", "The state of a grant that was never registered is zeros and an empty id.", "grants")
async def unknown(bench: Bench) -> None:
    """Not an error."""
    equal(await bench.court.grant_state(bench.grants.key.name, bench.grants.digest()), NOTHING, "the state")


@check(
    "court.grants.register", "A registered grant has a time and the id of the transaction that registered it.", "grants"
)
async def register(bench: Bench) -> None:
    """On both connections."""
    digest, tx = await bench.grants.registered()
    for court in (bench.court, bench.second_court):
        state = await court.grant_state(bench.grants.key.name, digest)
        demand(state.registered_ms > 0, "no time of registration")
        equal((state.registration, state.revoked_ms), (tx, 0), "registration and revocation")


@check(
    "court.grants.register-again",
    "Registering again returns the first transaction, also after other statements.",
    "grants",
)
async def register_again(bench: Bench) -> None:
    """On both connections, at once too."""
    digest, tx = await bench.grants.registered()
    await bench.grants.registered()
    statement = bench.grants.statement("register", digest)
    courts = [bench.court, bench.second_court] * CALLERS
    equal(set(await asyncio.gather(*(c.record_grant(statement) for c in courts))), {tx}, "what was returned")


@check("court.grants.register-concurrent", "One registration sent many times at once has one effect.", "grants")
async def concurrent(bench: Bench) -> None:
    """All callers get the same transaction."""
    digest = bench.grants.digest()
    statement = bench.grants.statement("register", digest)
    courts = [bench.court, bench.second_court] * CALLERS
    returned = set(await asyncio.gather(*(c.record_grant(statement) for c in courts)))
    equal(len(returned), 1, "the number of transactions")
    state = await bench.court.grant_state(bench.grants.key.name, digest)
    equal({state.registration}, returned, "the registration in the state")


@check("court.grants.revoke", "A revoked grant has both times, and keeps its registration.", "grants")
async def revoke(bench: Bench) -> None:
    """On both connections."""
    digest, tx = await bench.grants.registered()
    before = await bench.court.grant_state(bench.grants.key.name, digest)
    revoked = await bench.court.record_grant(bench.grants.statement("revoke", digest))
    demand(revoked != tx, "the revocation has the registration's transaction id")
    for court in (bench.court, bench.second_court):
        state = await court.grant_state(bench.grants.key.name, digest)
        demand(state.revoked_ms > 0, "no time of revocation")
        equal((state.registration, state.registered_ms), (tx, before.registered_ms), "the registration")
        demand(state.revoked_ms >= state.registered_ms, "revoked before it was registered")


@check("court.grants.revoke-again", "Revoking again returns the first revocation.", "grants")
async def revoke_again(bench: Bench) -> None:
    """Idempotent."""
    digest, _ = await bench.grants.registered()
    statement = bench.grants.statement("revoke", digest)
    first = await bench.court.record_grant(statement)
    equal(await bench.second_court.record_grant(statement), first, "what was returned")


@check("court.grants.revoked-stays", "Registering a revoked grant again does not bring it back.", "grants")
async def stays(bench: Bench) -> None:
    """A revocation is for ever."""
    digest, tx = await bench.grants.registered()
    await bench.court.record_grant(bench.grants.statement("revoke", digest))
    before = await bench.court.grant_state(bench.grants.key.name, digest)
    equal(await bench.court.record_grant(bench.grants.statement("register", digest)), tx, "what was returned")
    equal(await bench.court.grant_state(bench.grants.key.name, digest), before, "the state after that")


@check(
    "court.grants.revoke-unregistered", "Revoking what was never registered is a Conflict and leaves nothing.", "grants"
)
async def revoke_unregistered(bench: Bench) -> None:
    """It can be registered afterwards."""
    digest = bench.grants.digest()
    statement = bench.grants.statement("revoke", digest)
    await refused(bench.court.record_grant(statement), Conflict, what="the revocation of an unknown grant")
    equal(await bench.court.grant_state(bench.grants.key.name, digest), NOTHING, "the state after that")


@check(
    "court.grants.other-issuer", "What one lender says of a digest does not show under another lender's name.", "grants"
)
async def other_issuer(bench: Bench) -> None:
    """State is kept by issuer and digest."""
    digest, _ = await bench.grants.registered()
    for name in (bench.grants.key.name + "-x", bench.grants.key.name[:-1]):
        equal(await bench.court.grant_state(name, digest), NOTHING, f"the state under {name}")


@check("court.grants.other-digest", "Each digest has its own state.", "grants")
async def other_digest(bench: Bench) -> None:
    """Revoking one leaves the other."""
    (one, _), (other, tx) = await bench.grants.registered(), await bench.grants.registered()
    await bench.court.record_grant(bench.grants.statement("revoke", one))
    state = await bench.court.grant_state(bench.grants.key.name, other)
    equal((state.registration, state.revoked_ms), (tx, 0), "the other grant's state")


@check("court.grants.times-in-ms", "Times of registration and revocation are milliseconds since 1970.", "grants")
async def times(bench: Bench) -> None:
    """Block times."""
    digest, _ = await bench.grants.registered()
    await bench.court.record_grant(bench.grants.statement("revoke", digest))
    state = await bench.court.grant_state(bench.grants.key.name, digest)
    for time_ms in (state.registered_ms, state.revoked_ms):
        demand(MS_MIN <= time_ms <= MS_MAX, f"{time_ms} is no time in milliseconds")


@check(
    "court.grants.strangers-signature", "A statement signed by a stranger's key is Unverified.", "grants", "signatures"
)
async def strangers(bench: Bench) -> None:
    """In the lender's name."""
    digest = bench.grants.digest()
    stranger = NamedKey(name=bench.grants.key.name, signer=StrangerKey())
    statement = bench.grants.statement("register", digest, key=stranger)
    await refused(bench.court.record_grant(statement), Unverified, what="a stranger's signature")
    equal(await bench.court.grant_state(bench.grants.key.name, digest), NOTHING, "the state after that")


@check(
    "court.grants.unregistered-lender",
    "A statement of a lender that is not registered is Denied.",
    "grants",
    "registration",
)
async def unregistered(bench: Bench) -> None:
    """Signed with the other lender's key."""
    key = NamedKey(name=bench.grants.key.name + "-x", signer=bench.grants.key.signer)
    statement = bench.grants.statement("register", bench.grants.digest(), key=key)
    await refused(bench.court.record_grant(statement), Denied, Unverified, what="an unregistered lender")


@check("court.grants.no-statement", "Bytes that are no statement are refused.", "grants")
async def no_statement(bench: Bench) -> None:
    """Empty, text, cut, far too long."""
    good = bench.grants.statement("register", bench.grants.digest())
    for bad in (b"", b"x", b"a.b.c", good[:-2], good + b"A" * 200_000):
        await refused(bench.court.record_grant(bad), Malformed, Unverified, Denied, what=f"{len(bad)} bytes")


@check(
    "court.grants.proven",
    "A registration's proof shows type grant, action, digest and issuer.",
    "grants",
    "court-proofs",
)
async def grants_proven(bench: Bench) -> None:
    """As the court gateway compares them."""
    digest, tx = await bench.grants.registered()
    shown = proven(bench, await bench.court_proof(tx), bench.court_root)
    due = {"type": "grant", "action": "register", "grant": digest.hex(), "issuer": bench.grants.key.name, "tx_id": tx}
    equal({name: shown.get(name) for name in due}, due, "what the proof shows")


@check("court.custody.extends", "Custody heads that extend the last one are accepted; `latest` shows them.", "custody")
async def extends(bench: Bench) -> None:
    """From size 0 on a new ledger, with proofs after that."""
    for more in (1, 2, 3):
        _, new, _ = await bench.heads.extend(more)
        latest = await bench.court.latest(bench.heads.key.name)
        equal(latest.size if latest else None, new, "the size of the latest")


@check("court.custody.same-again", "The same custody head again returns the first transaction.", "custody")
async def head_again(bench: Bench) -> None:
    """Also after a later one."""
    old, new, tx = await bench.heads.extend()
    await bench.heads.extend()
    again = await bench.custody.append_custody_head(bench.heads.note(new), old, bench.heads.consistency(old, new))
    equal(again, tx, "what was returned")


@check(
    "court.custody.old-size-stale", "A custody head from an `old_size` that is not the last is a Conflict.", "custody"
)
async def head_stale(bench: Bench) -> None:
    """Earlier, 0, and ahead."""
    before, last, _ = await bench.heads.extend(2)
    for old, new in ((before, last + 3), (0, last + 3), (last + 1, last + 3)):
        head, proof = bench.heads.note(new), bench.heads.consistency(old, new)
        await refused(bench.custody.append_custody_head(head, old, proof), Conflict, what=f"{old} where {last} is last")
    equal(await bench.heads.size(), last, "the last size after that")


@check("court.custody.forked", "A custody head that does not extend the last one is refused.", "custody")
async def head_fork(bench: Bench) -> None:
    """Without a proof, with a damaged one, of another history."""
    _, last, _ = await bench.heads.extend()
    new, good = last + 2, bench.heads.consistency(last, last + 2)
    fork = bench.heads.note(new, salt=FORK), bench.heads.consistency(last, new, FORK)
    for head, proof in ((bench.heads.note(new), ()), (bench.heads.note(new), good[:-1]), fork):
        append = bench.custody.append_custody_head(head, last, proof)
        await refused(append, Unverified, Conflict, Malformed, what="a head that extends nothing")
    equal(await bench.heads.size(), last, "the last size after that")


@check(
    "court.custody.strangers-signature",
    "A custody head signed by a stranger's key is Unverified.",
    "custody",
    "signatures",
)
async def head_stranger(bench: Bench) -> None:
    """In the log's name."""
    _, last, _ = await bench.heads.extend()
    stranger = NamedKey(name=bench.heads.key.name, signer=StrangerKey())
    head, proof = bench.heads.note(last + 1, key=stranger), bench.heads.consistency(last, last + 1)
    await refused(bench.custody.append_custody_head(head, last, proof), Unverified, what="a stranger's head")


@check(
    "court.custody.unregistered", "A head of a custody log that is not registered is Denied.", "custody", "registration"
)
async def head_unregistered(bench: Bench) -> None:
    """Whoever signed it."""
    key = NamedKey(name=bench.origin(), signer=bench.heads.key.signer)
    append = bench.custody.append_custody_head(bench.heads.note(1, key=key), 0, ())
    await refused(append, Denied, what="a custody log that is not registered")


@check("court.custody.no-note", "Bytes that are no signed note are refused.", "custody")
async def head_garbage(bench: Bench) -> None:
    """Empty, text, zeros."""
    for note in (b"", b"hello\n", bytes(64)):
        await refused(bench.custody.append_custody_head(note, 0, ()), ANY, what=f"{len(note)} bytes")


@check("court.custody.apart", "Custody heads and evidence checkpoints do not touch each other.", "custody", "log")
async def apart(bench: Bench) -> None:
    """Each has its own last size."""
    _, receipt = await bench.log.extend()
    _, size, _ = await bench.heads.extend()
    equal(await bench.court.latest(bench.log.key.name), receipt, "latest of the evidence log")
    await bench.log.extend()
    equal(await bench.heads.size(), size, "the custody log's last size")


@check(
    "court.custody.proven",
    "A custody head's proof shows type custody, origin, size and root.",
    "custody",
    "court-proofs",
)
async def heads_proven(bench: Bench) -> None:
    """As a custody audit compares them."""
    _, new, tx = await bench.heads.extend()
    latest = await bench.court.latest(bench.heads.key.name)
    shown = proven(bench, await bench.court_proof(tx), bench.court_root)
    due = {"type": "custody", "origin": bench.heads.key.name, "size": new, "root": latest.root.hex() if latest else ""}
    equal({name: shown.get(name) for name in due}, due, "what the proof shows")
