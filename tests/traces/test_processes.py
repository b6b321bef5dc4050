"""Real processes and a real collector: one trace from anchoring to receipt, with the relay killed in between, and one of a retrieval."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.app.demo.network import Network
from relay.app.initialise import initialise
from tests.authz.canary import canary, find
from tests.support.command import courtrelay, write_folder
from tests.support.lines import STATED, repayment_fields
from tests.traces.collector import Collector, Got, collecting

ROLES = ("custodian", "relay", "court")
WAY = (
    "custodian.anchor", "custodian.push", "CustodianPort/PushLog", "relay.observe", "relay.prove", "relay.mirror", "relay.submit",
    "relay.confirm", "Mirror/AddEntries", "court.receipt", "custodian.receipt",
)  # fmt: skip
BACK = ("court.retrieve", "CourtPort/Retrieve", "custodian.answer", "CustodianPort/Answer")
CANARY, OFFICER, CASE, PASSWORD = canary("traced"), "judge-canary7q-11", "Case canary7q 12", "canary7q-collector"


def line(seq: int) -> dict[str, Any]:
    return {
        "dossier": CANARY, "seq": seq, "kind": "repayment", "kind_version": 1, "event_time": "2025-03-05T09:00:00Z",
        "provenance": {**STATED, "source": CANARY}, "fields": {**repayment_fields(), "channel_reference": CANARY},
        "payloads": [{"file": "a.txt", "name": f"{CANARY}.txt", "media_type": "text/plain"}],
    }  # fmt: skip


def configure(home: Path, url: str) -> None:
    for role in ROLES:
        (home / role / "collector.secret").write_text(PASSWORD + "\n")
        (home / role / "collector.secret").chmod(0o600)
        with (home / role / "config.toml").open("a") as file:
            file.write(f'\n[trace]\nendpoint = "{url}"\n[trace.headers]\nx-collector = "file:collector.secret"\n')


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as made:
        yield made


def tried_in_vain(collector: Collector) -> bool:
    return any(one.error for one in collector.named("relay.mirror"))


async def until_named(collector: Collector, *names: str) -> None:
    await collector.until(
        f"spans {names}", lambda: {one.name for one in collector.spans if not one.error} >= set(names)
    )


async def test_one_trace_from_anchoring_to_receipt_and_one_of_a_retrieval(tmp_path: Path, collector: Collector) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1, anchor_interval_s=0.2).home
    configure(home, collector.url)
    network = Network(home)
    try:
        await network.start()
        await network.roles["court"].end()
        folder = write_folder(tmp_path / "mine", [line(0), line(1)], {"a.txt": CANARY.encode()})
        assert (await asyncio.to_thread(courtrelay, "deposit", folder, "--home", home)).code == 0
        await collector.until("a try without the court", lambda: tried_in_vain(collector))
        network.roles["relay"].kill()
        assert await network.roles["relay"].wait() == -9
        await network.roles["relay"].start()
        await network.roles["court"].start()
        await until_named(collector, *WAY)
        way = [one for one in collector.spans if one.name in WAY]
        check_way(way)
        await retrieve(home, tmp_path)
        await until_named(collector, *BACK)
        check_retrieval(collector)
        check_logs(home, way[0].trace)
    finally:
        await network.end()
    nothing_planted(collector)


def check_way(way: list[Got]) -> None:
    assert len({one.trace for one in way}) == 1, sorted((one.name, one.trace) for one in way)
    (anchor,) = [one for one in way if one.name == "custodian.anchor"]
    assert anchor.parent == ""
    pushes = [one for one in way if one.name == "custodian.push"]
    assert {one.parent for one in pushes} == {anchor.id}
    observed = [one for one in way if one.name == "relay.observe"]
    assert {one.role for one in observed} == {"courtrelay-relay"}
    mirrored = [one for one in way if one.name == "relay.mirror"]
    (done,) = [one for one in mirrored if not one.error]
    assert {one.parent for one in mirrored} == {observed[0].id}, "the new process goes on under what the old one stored"
    taken_up = [one for one in mirrored if one.attributes["taken_up_again"]]
    assert [one.links for one in taken_up] == [((done.trace, observed[0].id),)], "and says once that it was another one"
    (added,) = [one for one in way if one.name == "Mirror/AddEntries" and not one.error]
    assert (added.role, added.parent) == ("courtrelay-court", done.id)


async def retrieve(home: Path, folder: Path) -> None:
    grant, bundle = folder / "x.grant", folder / "x.zip"
    for arguments in (
        ("grant", "issue", "--case", CASE, "--dossier", CANARY, "--out", grant),
        ("retrieve", "--grant", grant, "--out", bundle, "--officer", OFFICER),
    ):
        done = await asyncio.to_thread(courtrelay, *arguments, "--home", home)
        assert done.code == 0, done.err


def check_retrieval(collector: Collector) -> None:
    asked, routed, answered, back = (collector.named(name)[0] for name in BACK)
    assert asked.parent == ""
    assert [(one.role, one.parent) for one in (routed, answered, back)] == [
        ("courtrelay-relay", asked.id),
        ("courtrelay-custodian", routed.id),
        ("courtrelay-relay", answered.id),
    ]
    assert {one.trace for one in (asked, routed, answered, back)} == {asked.trace}


def check_logs(home: Path, trace: str) -> None:
    """A line of each role's log leads to the trace."""
    for role, event in (("custodian", "receipt_holds"), ("relay", "item_moved"), ("court", "cosigned")):
        lines = [json.loads(text) for text in (home / role / "log.jsonl").read_text().splitlines()]
        assert trace in {one.get("trace_id") for one in lines if one["event"] == event}, role


def nothing_planted(collector: Collector) -> None:
    assert collector.bodies
    for body in collector.bodies:
        assert find(body) == set(), decoded_names(collector)
    assert {one["x-collector"] for one in collector.headers} == {PASSWORD}
    allowed = {"origin", "ledger", "size", "height", "attempt", "taken_up_again"}
    assert {name for one in collector.spans for name in one.attributes} <= allowed


def decoded_names(collector: Collector) -> list[str]:
    return sorted({one.name for one in collector.spans})
