"""Metrics that move only when somebody cheats or something breaks: real services and stores in one loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.app.relay import read_origins
from relay.app.samples import sample_relay
from relay.config.roles import read_relay
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Busy, Conflict, Denied, Malformed, RelayError, Unavailable, Uncertain, Unverified
from relay.core.identity import Role
from relay.core.lifecycle import ItemState
from relay.services.forwarding.advance import REFUSALS_MAX
from relay.services.forwarding.rescan import Rescan
from relay.setup.ca import make_authority
from relay.setup.keys import make_signing_key
from relay.store.postgres.relay import PostgresRelayStore
from relay.telemetry.counting import keeping, proof_failed
from relay.telemetry.metrics import REGISTRY
from relay.transport.channels import channel
from relay.transport.limits import Limits, Rate
from tests.services.test_advance import becomes, item, pushed, stand_between
from tests.services.test_forwarding import note_of, packages, push
from tests.services.test_pushes import grown
from tests.services.test_watch import FINAL, LEDGER, ORIGIN, ORPHANED, SEEN, watching
from tests.store.test_leases import Workers, taken_after_its_time
from tests.support.bundles import make_home, noon_of
from tests.support.echo import NOW, SAY, Echo, ask, issued, say, served
from tests.support.frozen import settle
from tests.support.lines import small_dossier
from tests.support.postgres import Cluster
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="measured") as opened:
        yield opened


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"courtrelay_{name}", labels) or 0.0


@asynccontextmanager
async def moves(name: str, *, by: float = 1, **labels: str) -> AsyncIterator[None]:
    """What is counted is counted after it was stored or answered, so that who sees that may be early."""
    before = value(name, **labels)
    yield
    if by:
        await settle(lambda: value(name, **labels) - before >= by, f"{name} moves by {by:g}")
    assert value(name, **labels) - before == by


async def gauges(way: Way) -> None:
    origins = read_origins(read_relay(way.home / "relay/config.toml"))
    await sample_relay(way.relay_store, origins, [way.watcher], way.registry.ledger)


async def test_reorganised_anchor(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        for size in (1, 2, 3):
            await watch.chain.grow(size)
        await watch.become({1: SEEN, 2: SEEN, 3: SEEN})
        async with moves("commitments_orphaned_total", origin=ORIGIN, by=2):
            await watch.chain.reorganise(2, [], [], [])
            await watch.become({1: SEEN, 2: ORPHANED, 3: ORPHANED})


async def test_anchor_that_only_a_rescan_finds_is_told_apart(tmp_path: Path) -> None:
    stream, rescan = {"source": "stream", "origin": ORIGIN}, {"source": "rescan", "origin": ORIGIN}
    async with watching(tmp_path) as watch:
        watch.chain.deliver = lambda block: [replace(block, anchors=())]
        async with moves("commitments_observed_total", **stream, by=0), moves("commitments_observed_total", **rescan):
            await watch.chain.grow(3)
            await watch.caught_up()
            watch.chain.deliver = lambda block: [block]
            watch.chain.final_height = 1
            again = Rescan(watch.chain, watch.store, watch.origins, sleep=asyncio.sleep)
            assert (await again.now()).missing == 1
        async with moves("commitments_finalized_total", origin=ORIGIN):
            await watch.become({3: FINAL})
        await sample_relay(watch.store, watch.origins, [watch.watcher], "embedded:court-1")
    heights = ("proven_contiguous_height", "sequence_gaps")
    assert [value(name, origin=ORIGIN) for name in heights] == [1, 0]
    assert value("ledger_head_height", ledger=LEDGER, kind="final") == 1


async def test_checkpoint_of_a_stranger(way: Way, tmp_path: Path) -> None:
    await way.deposit("loan", small_dossier(2))
    stranger = make_signing_key(tmp_path / "stranger.pem")
    forged = note_of(way, Checkpoint(origin=way.origin, size=2, root=way.custodian_store.files.root(2)), stranger)
    async with moves("proof_verify_failures_total", origin=way.origin, reason="log_signature"):
        with pytest.raises(Unverified):
            await push(way, forged, [])


async def test_entries_that_do_not_fit_are_counted_and_a_peers_words_make_no_label(way: Way) -> None:
    await way.deposit("loan", small_dossier(2))
    note = (await way.anchoring.now())[0].note
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    (good,) = packages(way, 0, 2)
    before = sum(failures(way.origin).values())
    with pytest.raises(Unverified):
        await push(way, note, [replace(good, proof=(bytes(32),))])
    assert sum(failures(way.origin).values()) == before + 1
    proof_failed(way.origin, "a step that a peer made up: 42")
    assert not [reason for reason in failures(way.origin) if "42" in reason]


def failures(origin: str) -> dict[str, float]:
    return {
        sample.labels["reason"]: sample.value
        for metric in REGISTRY.collect()
        if metric.name == "courtrelay_proof_verify_failures"
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["origin"] == origin
    }


async def test_entries_without_the_anchored_root(way: Way) -> None:
    await way.custodian_store.append_entries([b"\x01" + bytes([n]) * 64 for n in range(2)])
    await way.source.anchor(Checkpoint(origin=way.origin, size=2, root=bytes(range(32))))
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    note = await grown(way, 3)
    async with moves("root_mismatch_total", origin=way.origin):
        await push(way, note, packages(way, 0, 5))
        await settle(lambda: way.relay_store.halted(way.origin), "the origin is halted")
        await settle(lambda: "root mismatch" in way.advancer.problem, "the advancer has come to rest")
    await gauges(way)
    assert value("origin_halted", origin=way.origin) == 1
    assert value("outbox_oldest_age_seconds", court=way.registry.ledger) > 0


async def test_two_roots_of_one_size(way: Way) -> None:
    await way.deposit("loan", small_dossier(2))
    await way.source.anchor(Checkpoint(origin=way.origin, size=2, root=bytes(range(32))))
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    honest = note_of(way, Checkpoint(origin=way.origin, size=2, root=way.custodian_store.files.root(2)))
    async with moves("equivocations_total", origin=way.origin):
        with pytest.raises(Unverified, match="different roots"):
            await push(way, honest, packages(way, 0, 2))


async def test_reply_that_another_attempt_has_overtaken(way: Way) -> None:
    """While the court's ledger is asked, another worker goes on with the item: this one's answer changes nothing."""
    _, registry = stand_between(way)

    async def overtaken(part: Any, submission: Any) -> Any:
        told = await part.submit(submission)
        found = await way.relay_store.next_item(way.origin)
        assert found is not None
        await way.relay_store.move(found.id, ItemState.MIRRORED, ItemState.SUBMITTED)
        return told

    registry.end("submit", overtaken)
    async with moves("stale_replies_ignored_total", court=way.registry.ledger):
        size = await pushed(way, 3)
        await becomes(way, size, ItemState.CONFIRMED)


async def test_refused_again_and_again(way: Way) -> None:
    _, registry = stand_between(way)
    registry.end("submit", *[Denied("no")] * REFUSALS_MAX)
    async with moves("submit_attempts_total", court=way.registry.ledger, outcome="rejected", by=REFUSALS_MAX):
        size = await pushed(way, 3)
        await becomes(way, size, ItemState.QUARANTINED)
    await settle(lambda: way.relay_store.halted(way.origin), "the origin is halted")
    await gauges(way)
    assert value("quarantine_items", origin=way.origin) == 1
    assert value("outbox_items", court=way.registry.ledger, state="quarantined") == 1


async def test_answers_that_do_not_come_are_told_apart(way: Way) -> None:
    _, registry = stand_between(way)
    registry.end("submit", Uncertain("no answer"), Unavailable("gone"))
    court = way.registry.ledger
    async with moves("submit_attempts_total", court=court, outcome="unknown"):
        async with moves("submit_attempts_total", court=court, outcome="timeout"):
            async with moves("submit_attempts_total", court=court, outcome="ok"):
                size = await pushed(way, 3)
                await becomes(way, size, ItemState.CONFIRMED)


async def test_answer_that_was_lost_counts_as_already_there(way: Way) -> None:
    _, registry = stand_between(way)

    async def lost(part: Any, submission: Any) -> Any:
        await part.submit(submission)
        raise Uncertain("no answer")

    registry.end("submit", lost)
    labels = {"origin": way.origin, "court": way.registry.ledger}
    async with moves("commitments_forwarded_total", **labels, outcome="already_present"):
        async with moves("forward_duration_seconds_count", **labels):
            size = await pushed(way, 3)
            await becomes(way, size, ItemState.CONFIRMED)


async def test_court_ledger_that_holds_something_else(way: Way) -> None:
    """reconcile_discrepancies_total: a receipt that is not shown, a checkpoint of another log, one whose anchor nobody has seen."""
    _, registry = stand_between(way)
    court = way.registry.ledger

    async def nothing(_part: Any, *_args: Any) -> None:
        return None

    registry.end("find", nothing, nothing)
    async with moves("reconcile_discrepancies_total", court=court, kind="missing", by=2):
        first = await pushed(way, 3)
        await becomes(way, first, ItemState.CONFIRMED)
    for task in way.relay_workers:
        task.cancel()
    await asyncio.gather(*way.relay_workers, return_exceptions=True)
    watching_on = asyncio.create_task(way.watcher.run())
    second = await pushed(way, 5)
    watching_on.cancel()
    await asyncio.gather(watching_on, return_exceptions=True)
    found = await item(way, second)
    await way.relay_store.move(found.id, ItemState.FINAL, ItemState.PROVEN)
    proven = replace(found, state=ItemState.PROVEN)
    async with moves("reconcile_discrepancies_total", court=court, kind="differs"):
        with pytest.raises(Conflict):
            await way.advancer._cover(proven, second, bytes(32))
    root = (await way.relay_store.log(way.origin)).files.root(second - 1)
    async with moves("reconcile_discrepancies_total", court=court, kind="extra"):
        async with moves("commitments_forwarded_total", origin=way.origin, court=court, outcome="covered"):
            await way.advancer._cover(proven, second - 1, root)


async def test_custody_event_that_cannot_be_kept(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_arguments: Any, **_named: Any) -> Any:
        raise OSError("no space left on the device")

    monkeypatch.setattr(way.custodian_store._custody, "append", fails)
    async with moves("audit_append_failures_total", sink="custody"):
        with pytest.raises(OSError):
            await way.custodian_store.append_custody(b"event")
    monkeypatch.setattr(way.court_store, "append_custody", fails)
    async with moves("audit_append_failures_total", sink="custody"):
        with pytest.raises(OSError):
            await way.custody.note("view", {}, "permitted", "")


async def test_what_a_store_refuses_by_its_rules_is_no_failure_to_keep() -> None:
    for refusal in (Denied("the nonce was used"), Conflict("erased meanwhile")):
        async with moves("audit_append_failures_total", sink="custody", by=0):
            with pytest.raises(RelayError):
                with keeping("custody"):
                    raise refusal


async def test_refusals_are_counted_by_what_they_are_about(way: Way) -> None:
    stored = await way.deposit("loan", small_dossier(2))
    await way.forward()
    grant = await way.grant(stored.dossier, uses=1)
    await way.retrieve(grant)
    async with moves("disclosure_requests_total", court=way.registry.ledger, decision="deny", reason_class="uses"):
        with pytest.raises(Denied):
            await way.retrieve(grant)
    async with moves("disclosure_requests_total", court=way.registry.ledger, decision="deny", reason_class="request"):
        with pytest.raises(Malformed):
            await way.retrieve("nothing that is a grant")
    assert await way.custodian_store.active_grants(way.clock.ms // 1000) == 0


async def test_lease_taken_and_lost(postgres: Cluster) -> None:
    """leader and fencing_token: 1 and the lease's number while a worker holds it, 0 once another has taken it."""
    store = await PostgresRelayStore.open(postgres.new_database())
    workers = Workers(store, 1)
    try:
        workers.start("one")
        await workers.until_parts(1)
        assert (value("leader", job="job 0"), value("fencing_token", job="job 0")) == (1, 1)
        await workers.end("one")
        assert (value("leader", job="job 0"), value("fencing_token", job="job 0")) == (0, 0)
        assert (await taken_after_its_time(store, "job 0")).token == 2
        assert value("db_commit_duration_seconds_count", store="postgresql") > 0
    finally:
        await store.close()


async def test_calls_that_are_refused_before_their_handler(tmp_path: Path) -> None:
    """rpc_rejected_total by reason, and rpc_server_duration_seconds with the code that the caller got."""
    authority = tmp_path / "authority"
    make_authority(authority, "a.example", NOW)
    people = issued(authority, tmp_path / "operator", Role.OPERATOR)
    court = issued(authority, tmp_path / "court", Role.COURT)
    limits = Limits(default=Rate(0.001, 4))
    async with served(authority, Echo(), tmp_path, limits=limits) as target:
        async with moves("rpc_rejected_total", reason="role"):
            with pytest.raises(Denied):
                await ask(target, court)
        async with channel(target, people) as opened:
            denied = {"service": "tests.Echo", "method": "Say", "code": "INVALID_ARGUMENT"}
            async with moves("rpc_rejected_total", reason="no_deadline"):
                async with moves("rpc_server_duration_seconds_count", **denied):
                    with pytest.raises(Malformed, match="deadline"):
                        await say(opened, timeout=None)
            async with moves("rpc_rejected_total", reason="too_large"):
                with pytest.raises(Exception, match="metadata"):
                    await opened.unary_unary(SAY)(b"x", timeout=30, metadata=[("x-a", "y" * 9000), ("x-b", "y" * 9000)])
            async with moves("rpc_server_duration_seconds_count", service="tests.Echo", method="Say", code="OK"):
                await say(opened)
            with pytest.raises(Exception, match=r"(?i)not found|unimplemented"):
                await opened.unary_unary("/tests.Echo/Canary42")(b"x", timeout=30)
            await say(opened)
            async with moves("rpc_rejected_total", reason="rate"):
                with pytest.raises(Busy):
                    await say(opened)
    assert "Canary42" not in {sample.labels.get("method") for one in REGISTRY.collect() for sample in one.samples}
