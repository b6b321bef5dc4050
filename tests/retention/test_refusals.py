"""What is not erased: under hold, before its time, while a grant opens it; and what does not come back."""

from __future__ import annotations

from typing import Any

import pytest

from relay.core.errors import Conflict, Malformed, NotFound
from relay.core.grants import parse_grant
from relay.core.merkle import leaf_hash, verify_inclusion
from tests.retention.test_erased_at_court import dossier_of, events
from tests.support.lines import repayment, small_dossier
from tests.support.retaining import BASIS, OPERATOR, old_dossier, retaining
from tests.support.way import Way

COURT = "Riverside court, (2026) No. 7"


async def erase(way: Way, name: str = "old", seqs: list[int] | None = None, **more: Any) -> str:
    wish: dict[str, Any] = {"due": False, "basis": BASIS, "actor": OPERATOR, "despite_grants": False, **more}
    return await retaining(way).erasures.erase(name, seqs, **wish)


async def untouched(way: Way, name: str = "old", count: int = 4) -> None:
    state = await way.custodian_store.find_dossier(name)
    assert state is not None
    assert [bool(r.text) for r in await way.custodian_store.records(state.id)] == [True] * count
    assert await way.custodian_store.tombstones(state.id) == []


async def test_nothing_is_erased_under_hold_whatever_the_policy(way: Way) -> None:
    services = retaining(way)
    one = await services.retention.place_hold("old", "discovery", COURT, OPERATOR)
    two = await services.retention.place_hold("old", "tax audit", "tax office", OPERATOR)
    for seqs, due in ((None, False), ([1], False), (None, True)):
        with pytest.raises(Conflict, match=f"under legal hold {one} since .* by Riverside court"):
            await erase(way, seqs=seqs, due=due, despite_grants=True)
    await untouched(way)
    await services.retention.release("old", one, "case closed", COURT, OPERATOR)
    with pytest.raises(Conflict, match=f"under legal hold {two}"):
        await erase(way)
    await services.retention.release("old", two, "audit closed", "tax office", OPERATOR)
    await erase(way)
    told = [(e.action, e.outcome, e.actor) for e in await events(way) if e.action in ("hold", "release", "erase")]
    assert told == [
        ("hold", "placed", OPERATOR), ("hold", "placed", OPERATOR), *[("erase", "refused", OPERATOR)] * 3,
        ("release", "lifted", OPERATOR), ("erase", "refused", OPERATOR), ("release", "lifted", OPERATOR),
        ("erase", "begun", OPERATOR), ("erase", "erased", way.deposits._identity),
    ]  # fmt: skip


async def test_hold_placed_while_an_erasure_is_planned_stops_it(way: Way) -> None:
    """The hold is looked at again in the transaction that stores the intent."""
    services = retaining(way)
    plan = services.retention.plan

    async def slow(*arguments: Any, **more: Any) -> Any:
        planned = await plan(*arguments, **more)
        await services.retention.place_hold("old", "discovery", COURT, OPERATOR)
        return planned

    services.retention.plan = slow  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="legal hold 1"):
        await services.erasures.erase("old", None, due=False, basis=BASIS, actor=OPERATOR, despite_grants=False)
    await untouched(way)


async def test_hold_is_of_one_dossier_and_released_once(way: Way) -> None:
    services = retaining(way)
    await way.deposit("other", old_dossier(files=(b"a", b"b")))
    number = await services.retention.place_hold("old", "discovery", COURT, OPERATOR)
    await erase(way, "other")
    with pytest.raises(NotFound, match="erased on"):
        await services.retention.release("other", number, "no", COURT, OPERATOR)
    with pytest.raises(NotFound, match="not in force"):
        await services.retention.release("old", number + 1, "no", COURT, OPERATOR)
    await services.retention.release("old", number, "yes", COURT, OPERATOR)
    with pytest.raises(NotFound, match="not in force"):
        await services.retention.release("old", number, "again", COURT, OPERATOR)
    for wrong in ("", " x", "a\nb", "x" * 501):
        with pytest.raises(Malformed):
            await services.retention.place_hold("old", wrong, COURT, OPERATOR)
        with pytest.raises(Malformed):
            await services.retention.place_hold("old", "reason", wrong, OPERATOR)


async def test_nothing_is_erased_before_its_retention_has_ended(way: Way) -> None:
    await way.deposit("open", old_dossier(closed=False, files=(b"a", b"b")))
    with pytest.raises(Conflict, match=r"seq 0 \(application\) is kept 10 years from closure, which has not come"):
        await erase(way, "open")
    await way.deposit("young", small_dossier())
    with pytest.raises(Conflict, match="has not come"):
        await erase(way, "young", [0])
    with pytest.raises(Conflict, match="no record of it is past its retention"):
        await erase(way, "young", due=True)
    await untouched(way, "young", 3)


async def test_last_moment_of_the_retention_counts(way: Way) -> None:
    """Closed on 31 January 2012 at nine: kept until 31 January 2022 at nine."""
    ended = 1_643_619_600_000
    now, way.clock.ms = way.clock.ms, ended - 1000
    with pytest.raises(Conflict, match="is kept until 2022-01-31T09:00:00Z by class"):
        await erase(way)
    way.clock.ms = ended
    assert (await retaining(way).retention.look("old")).due(ended // 1000) == (0, 1, 2, 3)
    way.clock.ms = now
    await erase(way)


async def test_due_takes_what_is_due_and_leaves_the_rest(way: Way) -> None:
    judged = {
        "seq": 3, "kind": "filing", "kind_version": 1, "event_time": "2011-05-02T14:00:00Z", "payloads": [],
        "provenance": small_dossier(1)[0][0]["provenance"],
        "fields": {"court": "Riverside", "filed_at": "2011-05-02T14:00:00Z", "cause_of_action": "loan",
                   "claim_cents": 1, "currency": "CNY", "receipt_number": "R1"},
    }  # fmt: skip
    first, second, third, (closure, _) = old_dossier(files=(b"a", b"b"))
    await way.deposit("sued", [first, second, third, (judged, []), ({**closure, "seq": 4}, [])])
    services = retaining(way)
    with pytest.raises(Conflict, match=r"seq 3 \(filing\) has no end by class permanent"):
        await erase(way, "sued")
    assert [d.outline.reference for d in await services.retention.due(10)] == ["old", "sued"]
    await erase(way, "sued", due=True)
    looked = await services.retention.look("sued")
    assert [r.record.seq for r in looked.records if not r.record.erased_s] == [3]
    assert [d.outline.reference for d in await services.retention.due(10)] == ["old"]
    assert [d.outline.reference for d in await services.retention.due(1)] == ["old"]


async def test_live_grant_stands_against_it_and_a_dead_one_does_not(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Conflict, match="for case Case 1 opens it until"):
        await erase(way)
    await way.grants.revoke(parse_grant(grant).digest, "closed")
    await way.grant(await dossier_of(way), days=1)
    way.clock.ms += 2 * 86_400_000
    await erase(way)


async def test_erased_dossier_does_not_come_back(way: Way) -> None:
    """A nightly job that deposits its folder again must not undo an erasure."""
    await erase(way)
    size = way.custodian_store.size
    with pytest.raises(Malformed, match=r"was erased on .* another loan needs a reference of its own"):
        await way.deposit("old", old_dossier(files=(b"a", b"b")))
    assert way.custodian_store.size == size
    assert await way.custodian_store.known_blobs() == set()
    assert list((way.home / "custodian/data/vault").iterdir()) == []
    for call in (retaining(way).retention.look("old"), retaining(way).retention.place_hold("old", "a", "b", OPERATOR)):
        with pytest.raises(NotFound, match="erased on"):
            await call
    with pytest.raises(Malformed, match="no dossier"):
        await way.grant("old")


async def test_erased_record_does_not_come_back(way: Way) -> None:
    await erase(way, seqs=[0])
    with pytest.raises(Malformed, match="seq 0 was erased and is not taken in again"):
        await way.deposit("old", old_dossier(files=(b"CANARY one", b"CANARY two")))
    again = await way.deposit("old", old_dossier(files=(b"CANARY one", b"CANARY two"))[1:])
    assert again.already_stored == 3
    with pytest.raises(Malformed, match="seq 0 is not there, or was erased before"):
        await erase(way, seqs=[0])


@pytest.mark.parametrize("seqs", [[], [4], [0, 99]])
async def test_records_that_are_not_there_cannot_be_erased(way: Way, seqs: list[int]) -> None:
    with pytest.raises(Malformed, match="seqs"):
        await erase(way, seqs=seqs)
    with pytest.raises(Malformed, match="not both"):
        await erase(way, seqs=[0], due=True)
    with pytest.raises(NotFound, match="no dossier"):
        await erase(way, "nobody's")
    for basis in ("", "a\nb", "x" * 501):
        with pytest.raises(Malformed, match="basis"):
            await erase(way, basis=basis)
    await untouched(way)


async def test_deposit_that_comes_between_changes_the_plan(way: Way) -> None:
    services = retaining(way)
    plan = services.retention.plan

    async def slow(*arguments: Any, **more: Any) -> Any:
        planned = await plan(*arguments, **more)
        await way.deposit("old", [repayment(4)])
        return planned

    services.retention.plan = slow  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="has changed since"):
        await services.erasures.erase("old", None, due=False, basis=BASIS, actor=OPERATOR, despite_grants=False)
    await untouched(way, count=5)


async def test_log_goes_on_and_verifies_after_an_erasure(way: Way) -> None:
    before = way.custodian_store.files.root(4)
    await erase(way)
    await way.deposit("new", small_dossier())
    await way.forward()
    store = way.custodian_store
    assert (store.files.root(4), store.size) == (before, 7)
    for index in range(7):
        entry = store.files.entries(index, index + 1)[0]
        verify_inclusion(leaf_hash(entry), index, 7, store.files.inclusion_proof(index, 7), store.files.root(7))
