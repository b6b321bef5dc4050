"""How checks are chosen, run and told: names, patterns, deadlines, what is not run, files that are wrong, a home that is in use."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.app import adapter_check
from relay.app.adapter_new import write_skeleton
from relay.cli import adapter_checks
from relay.conformance import CHECKS, Outcome, Owner, select
from relay.conformance.check import Check, Fault
from relay.conformance.owner import LEFT_OUT
from relay.conformance.runner import open_bench, run_check
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.ports.ledgers import AnchorSource, CourtRegistry
from tests.conformance.faults import Around
from tests.conformance.owners import outcomes, skeleton_owner
from tests.ledgers.bench import open_bench as open_embedded
from tests.support.command import courtrelay


def test_there_are_enough_checks_and_every_method_of_both_ports_has_some() -> None:
    assert len(CHECKS) >= 60
    assert len({check.promise for check in CHECKS.values()}) >= 60
    methods = {"source": AnchorSource, "court": CourtRegistry}
    for port, protocol in methods.items():
        for method in (name for name in vars(protocol) if not name.startswith("_") and name != "ledger"):
            section = {"record_grant": "grants", "grant_state": "grants", "append_custody_head": "custody"}.get(
                method, method
            )
            assert any(name.startswith(f"{port}.{section}.") for name in CHECKS), f"{port}: {method}"


def test_checks_are_chosen_by_name_and_pattern() -> None:
    assert len(select()) == len(CHECKS)
    assert [c.name for c in select(["source.close.twice"])] == ["source.close.twice"]
    assert {c.name.split(".")[0] for c in select(["court.*"])} == {"court"}
    with pytest.raises(Malformed, match="nor a pattern"):
        select(["source.close.twice", "source.nothing.*"])


async def test_what_the_owner_does_not_give_is_not_run_and_never_passed() -> None:
    whole = skeleton_owner()
    empty = await outcomes(Owner())
    assert {r.outcome for r in empty.values()} == {Outcome.NOT_RUN}
    assert all(r.reason for r in empty.values())
    without = await outcomes(replace(whole, mine=None, reorganise=None, verifiers={}), "source.*")
    not_run = {name for name, r in without.items() if r.outcome is Outcome.NOT_RUN}
    assert {"source.blocks.without-anchors", "source.prove.every-byte", "source.reorg.find-follows"} <= not_run
    assert {r.outcome for r in without.values()} == {Outcome.NOT_RUN, Outcome.PASSED}


async def test_ledger_that_leaves_signatures_to_its_readers_is_not_asked_for_them() -> None:
    results = await outcomes(replace(skeleton_owner(), left_out=frozenset(LEFT_OUT)), "court.*")
    not_run = {name for name, r in results.items() if r.outcome is Outcome.NOT_RUN and "owner says" in r.reason}
    assert {"court.submit.no-cosignature", "court.submit.unregistered", "court.submit.anchor-damaged"} <= not_run
    assert not [name for name, r in results.items() if r.outcome is Outcome.FAILED]


async def judged(run: Any, deadline_s: float = 20.0) -> tuple[Outcome, str]:
    async with open_bench(skeleton_owner()) as bench:
        made = Check(name="source.kit.itself", promise="Made here.", needs=("source",), run=run)
        result = await run_check(bench, made, deadline_s)
        return result.outcome, result.reason


async def test_every_way_a_check_can_end_is_an_outcome() -> None:
    async def hang(_: Any) -> None:
        await asyncio.Event().wait()

    async def stubborn(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Fault("too late") from None

    async def cancel(_: Any) -> None:
        raise asyncio.CancelledError

    async def nonsense(_: Any) -> None:
        raise AttributeError("None has no height")

    async def refusal(_: Any) -> None:
        raise Unavailable("gone")

    assert (await judged(hang, 0.05))[1].startswith("no end within 0.05 s")
    assert (await judged(stubborn, 0.05))[1].startswith("no end within 0.05 s")
    assert (await judged(cancel))[1].startswith("CancelledError left")
    assert (await judged(nonsense))[1].startswith("what the adapter gave cannot be used: AttributeError")
    assert (await judged(refusal))[1] == "Unavailable where none is due: gone"
    for run in (cancel, nonsense, refusal):
        assert (await judged(run))[0] is Outcome.FAILED


async def test_owners_hook_that_fails_is_not_held_against_the_adapter() -> None:
    async def broken() -> None:
        raise OSError("no such node")

    results = await outcomes(replace(skeleton_owner(), mine=broken), "source.blocks.without-anchors")
    result = results["source.blocks.without-anchors"]
    assert result.outcome is Outcome.NOT_RUN
    assert "no such node" in result.reason


async def test_adapter_that_gives_values_of_no_form_fails_by_name() -> None:
    class Nothing(Around):
        async def head(self) -> Any:
            return None

    results = await outcomes(skeleton_owner(source=Nothing), "source.head.*")
    assert {r.outcome for r in results.values()} == {Outcome.FAILED}


async def test_adapter_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    async def broken() -> Any:
        raise KeyError("address")

    bench = adapter_check.Bench(owner=Owner(open_source=broken), deadline_s=5.0)
    with pytest.raises(Unavailable, match="cannot be opened: KeyError"):
        await adapter_check.check_adapter(bench, [], lambda _done, _total: None)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('surprise = "x"', "surprise"),
        ('adapter = "nowhere_at_all:ADAPTER"', "cannot be loaded"),
        ('adapter = "json:dumps"', "no AdapterFamily"),
        ('adapter = "no place"', "adapter"),
        ('left_out = ["everything"]', "left_out"),
        ("deadline_s = 0", "deadline_s"),
        ('[source]\nfamily = "unheard-of"', "unheard-of"),
        ('[source]\nledger = "x"', "source.family"),
        ('[keys.log]\nname = "x"', "keys.log.key"),
        ('[keys.other]\nname = "x"', "keys.other"),
        ("[hooks]\nmine = 7", "hooks.mine"),
        ('[hooks]\nmine = "nowhere_at_all:mine"', "hooks.mine"),
        ('[hooks]\nother = ["true"]', "hooks.other"),
        ("[custody]", "custody.family"),
    ],
)
def test_wrong_file_is_refused_by_key(tmp_path: Path, line: str, word: str) -> None:
    base = "" if line.startswith("[source]") else '\n[source]\nfamily = "embedded"\n'
    path = tmp_path / "check.toml"
    path.write_text(line + base)
    with pytest.raises(Malformed) as refusal:
        adapter_check.from_config(path)
    assert word in str(refusal.value)


def test_file_without_a_ledger_checks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "check.toml"
    path.write_text("")
    with pytest.raises(Malformed, match="nothing to check"):
        adapter_check.from_config(path)


def test_command_tells_failures_and_ends_with_their_code(tmp_path: Path) -> None:
    """The table has name, sentence and reason."""
    write_skeleton("acme", tmp_path / "acme")
    config = tmp_path / "acme/check.toml"
    ledger = tmp_path / "acme/courtrelay_acme/adapter.py"
    ledger.write_text(
        ledger.read_text().replace("return next(map(", "return [*map(").replace("size=size)), None)", "size=size))][0]")
    )
    ran = courtrelay("adapter", "check", "--config", config, "--only", "source.find.*")
    assert ran.code == 1
    assert "FAILED: IndexError left find()" in ran.out
    assert "`find` of an origin that was never anchored is None." in ran.out


def test_nothing_that_ran_is_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_skeleton("idle", tmp_path / "idle")
    config = tmp_path / "idle/check.toml"
    with pytest.raises(SystemExit) as end:
        adapter_checks.check(config=config, home=None, only=["source.restart.*"], as_json=False)
    assert end.value.code == 1
    assert "0 passed, 0 failed, 3 not run" in capsys.readouterr().out
    with pytest.raises(Malformed, match="nor a pattern"):
        adapter_checks.check(config=config, home=None, only=["nothing"], as_json=False)
    with pytest.raises(Malformed, match="either --config FILE or --home HOME"):
        adapter_checks.check(config=None, home=None, only=None, as_json=False)


async def test_home_with_running_ledgers_is_checked_and_a_used_one_is_left_alone(tmp_path: Path) -> None:
    async with open_embedded(tmp_path) as bench:
        checking = await adapter_check.from_home(bench.home)
        results = await adapter_check.check_adapter(checking, ["court.submit.*", "court.custody.*"], lambda *_: None)
        assert {r.outcome for r in results} == {Outcome.PASSED}
        await adapter_check.from_home(bench.home)  # what the checks wrote is not in their way
        await bench.source.anchor(Checkpoint(origin=bench.origin, size=4000, root=bytes(32)))
        with pytest.raises(Conflict, match="has anchors of its own"):
            await adapter_check.from_home(bench.home)
