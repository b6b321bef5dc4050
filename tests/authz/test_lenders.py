"""Lender A's identity, grants, dossiers and requests mixed with lender B's, 200,000 times: no row, and no answer that differs."""

from __future__ import annotations

import asyncio
import datetime
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest

from relay.core.errors import Denied, Malformed, NotFound, RelayError, Unverified
from relay.core.identity import Identity, Role
from relay.core.lifecycle import ItemState
from relay.core.trust import TrustedKey
from relay.services.custodian.disclosure import Permitted
from relay.services.custodian.status import CustodianStatus
from relay.services.forwarding.hands import Hands
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.route import Router
from relay.setup.ca import issue
from relay.store.relay import SqliteRelayStore
from relay.transport.channels import channel
from relay.transport.credentials import TlsFiles
from relay.wire.v1 import relay_pb2, relay_pb2_grpc
from tests.authz.lenders import Key, Lender, Mixed, Mixer, two_lenders
from tests.authz.stage import REFUSED, Stage, _status
from tests.store.relay_items import LEDGER, anchor, block, confirmation

REQUESTS, STORE_QUERIES, RELAY_QUERIES = 40_000, 130_000, 30_000
QUERIES_A_ROUND = 7
REFUSALS = (Denied, Malformed, NotFound, Unverified)


async def test_requests_that_mix_two_lenders_open_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the service: what is permitted belongs to the lender that was asked, whole; all else raises what becomes the one answer."""
    outcomes: Counter[str] = Counter()
    async with two_lenders(tmp_path) as (a, b):
        spent = {grant.digest: 0 for lender in (a, b) for grant in lender.issued}
        for mixed in Mixer(a, b, seed=7).requests(REQUESTS):
            permitted, outcome = await _asked(mixed)
            outcomes[outcome] += 1
            assert (permitted is not None) is mixed.honest, outcome
            if permitted is None:
                continue
            spent[permitted.grant.digest] += 1
            assert permitted.dossier.id == mixed.dossier
            assert mixed.dossier in mixed.asked.dossiers
            assert mixed.dossier not in mixed.other.dossiers
            assert [record.seq for record in permitted.records] == [0]
        with capsys.disabled():
            print(f"\n{REQUESTS:,} requests mixed of two lenders: {dict(outcomes)}")
        assert min(outcomes[name] for name in ("permitted", "Denied", "Unverified")) > REQUESTS // 200
        for lender in (a, b):
            held = {row.digest: row.uses_spent for row in await lender.store.grants()}
            assert held == {grant.digest: spent[grant.digest] for grant in lender.issued}, "a use was counted elsewhere"


async def _asked(mixed: Mixed) -> tuple[Permitted | None, str]:
    try:
        return await mixed.asked.disclosures.authorise(mixed.digest, mixed.token), "permitted"
    except REFUSALS as refusal:
        return None, type(refusal).__name__


async def test_stores_and_listings_of_one_lender_know_nothing_of_the_other(tmp_path: Path) -> None:
    """What B's store is asked for by A's ids is as unknown as what nobody has."""
    dice = random.Random(11)
    async with two_lenders(tmp_path) as (a, b):
        for _ in range(-(-STORE_QUERIES // QUERIES_A_ROUND)):
            mine, other = dice.sample((a, b), 2)
            dossier, grant = dice.choice(mine.dossiers), dice.choice(mine.issued)
            nobody, no_digest = dice.randbytes(16).hex(), dice.randbytes(32)
            assert await other.store.dossier(dossier) is (await other.store.dossier(nobody)) is None
            assert await other.store.grant(grant.digest) is (await other.store.grant(no_digest)) is None
            assert await _error(other.store.records(dossier)) == await _error(other.store.records(nobody))
            assert await other.store.indices(dossier) == []
        await _no_writes_by_foreign_ids(a, b)
        for lender, other in ((a, b), (b, a)):
            listed = "".join(row.token for row in await lender.grants.list())
            assert not any(grant.jws.token in listed for grant in other.issued)
            status = CustodianStatus("x", lender.store, pushed=lambda: 0, connected=lambda: True, problems=[lambda: ""])
            assert (await status.report()).dossiers == len(lender.dossiers)


async def _no_writes_by_foreign_ids(a: Lender, b: Lender) -> None:
    for grant in a.issued:
        before = b.store.custody_size
        state = await a.store.dossier(grant.dossiers[0])
        assert state is not None
        with pytest.raises(Denied):
            event = b.grants._event("grant", bytes(32), "x", "")
            await b.store.begin_disclosure(grant.digest, 3, "n" * 22, event, state)
        with pytest.raises(NotFound) as theirs:
            await b.grants.revoke(grant.digest, "not mine")
        with pytest.raises(NotFound) as nobodys:
            await b.grants.revoke(bytes(32), "not mine")
        assert str(theirs.value) == str(nobodys.value)
        with pytest.raises(Malformed, match="no dossier"):
            await b.grants._dossier_id(grant.dossiers[0])
        assert b.store.custody_size == before
    held = {row.digest: row.revoked_ms for row in await a.store.grants()}
    assert set(held.values()) == {0}


async def _error(call: Any) -> tuple[type[RelayError], str]:
    with pytest.raises(RelayError) as refusal:
        await call
    return type(refusal.value), str(refusal.value)


def _log_key(origin: str, owner: str) -> TrustedKey:
    return TrustedKey(
        use="log",
        party=owner,
        name=origin,
        public_key=Key(9).public_key,
        valid_from_ms=0,
        valid_to_ms=4_000_000_000_000,
    )


def _origins() -> tuple[list[str], list[str], Origins]:
    names, owners = [f"{n}.example/log" for n in "abc"], [f"spiffe://courtrelay.example/custodian/{n}" for n in "abc"]
    configs = {
        origin: OriginConfig(origin=origin, custodian=owner, log_keys=(_log_key(origin, owner),), ledger=LEDGER)
        for origin, owner in zip(names, owners, strict=True)
    }
    return names, owners, Origins(configs)


async def test_relay_shows_a_lender_its_own_receipts_and_answers_alike_for_all_else(tmp_path: Path) -> None:
    names, owners, origins = _origins()
    store, dice = await SqliteRelayStore.open(tmp_path / "relay"), random.Random(13)
    for height in range(1, 13):
        await store.take_block(LEDGER, block(height, anchor(height, height, origin=names[height % 3])))
        item = await store.find_item(names[height % 3], height)
        assert item is not None
        if height < 10:
            await _confirm(store, item, names[height % 3])
    receipts, hands = Receipts(store, origins, registry=None), Hands(store, origins, [])  # type: ignore[arg-type]
    for _ in range(RELAY_QUERIES):
        owner, origin = dice.choice(owners), dice.choice([*names, "nobody.example/log", "", "a.example/lo"])
        size = dice.randrange(13)
        if origin in names and owners[names.index(origin)] == owner:
            rows = await receipts.above(owner, origin, size)
            assert {row.receipt.origin for row in rows} <= {origin}
        else:
            with pytest.raises(Denied):
                await receipts.above(owner, origin, size)
    for origin in names:
        assert {row.anchor.origin for row in await hands.backlog(origin, 100)} == {origin}
    await store.close()


async def _confirm(store: SqliteRelayStore, item: Any, origin: str) -> None:
    await store.mark_final(LEDGER, item.anchor.height)
    await store.move(item.id, ItemState.FINAL, ItemState.PROVEN)
    await store.save_mirrored(item.id, b"note")
    await store.move(item.id, ItemState.MIRRORED, ItemState.SUBMITTED)
    made = confirmation(item.anchor.size)
    await store.save_confirmed(item.id, replace(made, receipt=replace(made.receipt, origin=origin)))


async def test_request_reaches_the_custodian_it_names_and_no_other_may_answer_it(tmp_path: Path) -> None:
    """A stranger's answer to a request that is under way fails as one to a request that never was."""
    async with two_lenders(tmp_path) as (a, b):
        router = Router(SimpleNamespace(ledger="court"), a.disclosures._clock)  # type: ignore[arg-type]

        async def nothing() -> Any:
            for piece in ():
                yield piece

        async with router.subscribed(a.identity) as for_a, router.subscribed(b.identity) as for_b:
            mixed = next(m for m in Mixer(a, b, seed=5).requests(1000) if m.honest and m.asked is a)
            router._admit = _always  # type: ignore[method-assign]
            asking = aiter(router.retrieve("court", a.identity, mixed.token))
            waiting = asyncio.ensure_future(anext(asking))
            assert await for_a.get() == (mixed.digest, mixed.token, "")
            assert for_b.empty()
            for call in (router.answer, lambda who, what, _pieces: router.refuse(who, what)):
                theirs = await _error(call(b.identity, mixed.digest, nothing()))
                assert (
                    theirs
                    == await _error(call(b.identity, bytes(32), nothing()))
                    == await _error(call(a.identity, bytes(32), nothing()))
                )
            await router.refuse(a.identity, mixed.digest)
            with pytest.raises(Denied):
                await waiting


async def _always(*_anything: object) -> None:
    return None


@pytest.mark.asyncio(loop_scope="module")
async def test_another_lender_on_the_wire_gets_one_answer_whatever_it_names(stage: Stage) -> None:
    """Real gRPC with a certificate of its own: an origin of somebody else, and one of nobody."""
    folder = stage.way.home / "rival"
    folder.mkdir()
    rival = Identity(trust_domain="courtrelay.example", role=Role.CUSTODIAN, name="rival")
    issue(stage.way.home / "ca", rival, folder, datetime.datetime.now(datetime.UTC))
    tls = TlsFiles(ca=folder / "ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")
    note = (await stage.way.custodian_store.last_checkpoint()).note  # type: ignore[union-attr]
    async with channel(stage.way.gateway.relay, tls) as opened:
        port: Any = relay_pb2_grpc.CustodianPortStub(opened)
        for origin in (stage.way.origin, "nobody.example/log", "", "x" * 5000):
            assert await _refusal(port.Receipts(relay_pb2.ReceiptsRequest(origin=origin), timeout=20)) == REFUSED
        for text in (note, note.replace(stage.way.origin.encode(), b"nobody.example/log")):
            offer = relay_pb2.PushLogRequest(offer=relay_pb2.LogOffer(checkpoint=text))
            assert await _refusal(_first(port.PushLog(iter([offer]), timeout=20))) == REFUSED
        answers = set()
        for request_id in (bytes(32), b"\x01" * 32):
            refusal = relay_pb2.AnswerChunk(refusal=relay_pb2.AnswerRefusal(request_id=request_id))
            answers.add(await _refusal(port.Answer(iter([refusal]), timeout=20)))
        assert len(answers) == 1


async def _first(calling: Any) -> Any:
    return await anext(aiter(calling))


async def _refusal(call: Any) -> tuple[Any, ...]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return _status(error.value)


def test_numbers_add_up() -> None:
    assert REQUESTS + STORE_QUERIES + RELAY_QUERIES >= 200_000
