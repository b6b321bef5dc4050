"""The real services in one loop under a recorder with given randomness: a trace a way, and the same spans for the same seed."""

from __future__ import annotations

from pathlib import Path

from relay.telemetry.trace import Span, recording, take_up
from tests.authz.canary import find
from tests.authz.stage import planted
from tests.simulation.director import Outcome
from tests.simulation.seeds import simulate
from tests.support.bundles import make_home, noon_of
from tests.support.way import open_way
from tests.traces.test_trace import recorder

ORDER = ["custodian.anchor", "custodian.push", "relay.observe", "relay.prove", "relay.mirror", "relay.submit", "relay.confirm",
         "custodian.receipt"]  # fmt: skip
STEPS, SEEDS = 4_000, range(1, 40)


async def test_each_checkpoint_has_a_trace_of_its_own_and_a_retrieval_another(tmp_path: Path) -> None:
    spans: list[Span] = []
    take_up(None)
    home = make_home(tmp_path / "home")
    with recording(recorder(spans)):
        async with open_way(home, now_ms=noon_of(home), seed="traces") as way:
            dossiers = []
            for name in ("one", "two"):
                dossiers.append((await way.deposit(f"loan {name}", planted(name))).dossier)
                await way.forward()
            before = len(spans)
            await way.retrieve(await way.grant(dossiers[0]))
    ways = [one for one in spans[:before] if not one.error]
    traces = list(dict.fromkeys(one.context.trace_id for one in ways))
    assert len(traces) == 2
    for trace_id in traces:
        assert {one.name for one in ways if one.context.trace_id == trace_id} == set(ORDER)
    asked = [one for one in spans[before:] if one.name == "court.retrieve"]
    answered = [one for one in spans if one.name == "custodian.answer"]
    assert [one.parent for one in answered] == [asked[0].context]
    assert asked[0].context.trace_id not in traces
    said = repr(spans).encode()
    assert find(said) == set()
    for dossier in dossiers:
        assert dossier.encode() not in said, "an id of a dossier is in no span"


def recorded(seed: int) -> tuple[Outcome, list[str]]:
    spans: list[Span] = []
    with recording(recorder(spans)):
        outcome, _ = simulate(seed, STEPS)
    return outcome, [repr(one) for one in spans]


def test_simulation_is_the_same_with_spans_and_without_and_its_spans_are_the_same_twice() -> None:
    """In the first of the seeds in which a process crashed on an item's way and went on with it."""
    take_up(None)
    for seed in SEEDS:
        outcome, spans = recorded(seed)
        if any("taken_up_again': True" in one for one in spans):
            break
    else:
        raise AssertionError("no process took an item up again in any of the seeds")
    again, same = recorded(seed)
    plain, _ = simulate(seed, STEPS)
    assert outcome.digest == again.digest == plain.digest
    assert outcome.violations == plain.violations == []
    assert spans == same
