"""What the latency bench counts: percentiles of records, times joined by size, points of time that do not drift."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

import pytest

from bench.latency import STEPS, Checkpointed, LatencyResult, join, rows_of, steps_of
from bench.lender import DOSSIER_RECORDS, lines
from bench.schedule import due, percentile
from relay.app.initialise import ORIGIN
from relay.core.deposit import parse_deposit_line


def spread(values: list[tuple[float, int]]) -> list[float]:
    """Every value as often as it weighs."""
    return sorted(value for value, weight in values for _ in range(weight))


def test_percentile_is_the_smallest_value_that_so_many_percent_do_not_exceed() -> None:
    values = [(float(n), 1) for n in range(1, 101)]
    assert [percentile(values, p) for p in (0.5, 1, 50, 99, 99.5, 100)] == [1, 1, 50, 99, 100, 100]


def test_one_value_is_every_percentile() -> None:
    assert {percentile([(7.0, 3)], p) for p in (1, 50, 100)} == {7.0}


def test_value_counts_as_often_as_it_weighs() -> None:
    """One slow checkpoint of many records is not hidden by many fast ones of few."""
    values = [(1.0, 1)] * 99 + [(500.0, 101)]
    assert percentile(values, 49) == 1.0
    assert percentile(values, 50) == 500.0


def test_weights_are_the_same_as_repetition() -> None:
    chosen = random.Random(1)
    for _ in range(200):
        values = [(chosen.random(), chosen.randint(0, 5)) for _ in range(chosen.randint(1, 30))] + [(0.5, 1)]
        percent = chosen.randint(1, 100)
        every = spread(values)
        rank = -(-percent * len(every) // 100)
        assert percentile(values, percent) == every[rank - 1]


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([(1.0, 0)], 50), ([(1.0, 1)], 0), ([(1.0, 1)], 101)])
def test_percentile_of_nothing_is_an_error(values: list[tuple[float, int]], percent: float) -> None:
    with pytest.raises(ValueError):
        percentile(values, percent)


def test_pieces_are_due_from_the_beginning_however_late_others_were() -> None:
    assert [due(100.0, n, 20) for n in (0, 1, 20, 2000)] == [100.0, 100.05, 101.0, 200.0]
    assert due(0.0, 10_000_000, 1000) == 10_000.0


def log_line(message: str, time: str = "2025-03-05T09:00:00.250Z") -> str:
    return json.dumps({"time": time, "level": "info", "logger": "x", "message": message})


def test_steps_are_read_from_the_log_of_this_origin_only() -> None:
    found = steps_of(
        [
            log_line(f"{ORIGIN} size 300: past final"),
            log_line(f"{ORIGIN} size 300: past submitted", "2025-03-05T09:00:01.001Z"),
            log_line(f"{ORIGIN} size 300: past submitted", "2025-03-05T09:00:09.000Z"),
            log_line(f"{ORIGIN}: all 300 entries held"),
            log_line("other.example/log size 300: past proven"),
        ]
    )
    assert found == {300: {"FINAL": 1_741_165_200_250.0, "SUBMITTED": 1_741_165_201_001.0}}


def all_steps(*at: float) -> Mapping[str, float]:
    return dict(zip(STEPS, at, strict=True))


def test_checkpoint_has_the_records_since_the_one_before_even_if_that_was_of_the_warm_up() -> None:
    anchors = {100: 1000.0, 350: 2000.0, 400: 3000.0}
    steps = {350: all_steps(2001, 2002, 2003, 2010), 400: all_steps(3001, 3002, 3003, 3050)}
    joined = join(anchors, steps, from_ms=1500.0)
    assert [(c.records, c.latency_ms) for c in joined] == [(250, 10.0), (50, 50.0)]


def test_checkpoint_without_a_receipt_is_never_left_out() -> None:
    steps = {1: all_steps(1, 2, 3, 4), 2: {"FINAL": 5.0, "PROVEN": 6.0, "MIRRORED": 7.0}}
    with pytest.raises(RuntimeError, match="size 2 was never past SUBMITTED"):
        join({1: 0.0, 2: 0.0}, steps, from_ms=0.0)
    with pytest.raises(RuntimeError, match="size 3 was never past FINAL"):
        join({1: 0.0, 3: 0.0}, steps, from_ms=0.0)


def run_of(latency_ms: float, bare_ms: float) -> LatencyResult:
    past = (10.0, 20.0, 30.0, latency_ms)
    one = Checkpointed(records=250, final_ms=0.0, past_ms=past)
    return LatencyResult(checkpoints=(one,), bare_ms=(bare_ms,), records_per_s=1000.0, stored_ms=(1.0,))


def test_ratio_is_of_each_run_with_its_own_baseline() -> None:
    rows = {row.name: row for row in rows_of([run_of(40.0, 4.0), run_of(100.0, 5.0), run_of(60.0, 6.0)])}
    (ratio,) = (row for row in rows.values() if row.target == 12)
    assert (ratio.values, ratio.below, ratio.reached) == ((10.0, 20.0, 10.0), True, "yes")
    spent = [row.values[0] for row in rows.values() if row.name.startswith("  of it")]
    assert spent == [10.0, 10.0, 10.0, 10.0]


def test_lines_are_records_of_one_dossier_in_order_without_files() -> None:
    read = [parse_deposit_line(line, what="line") for line in lines(3)]
    assert [line.seq for line in read] == list(range(DOSSIER_RECORDS))
    assert {line.reference for line in read} == {"LOAN-3"}
    assert {line.kind for line in read} == {"reminder", "repayment"}
    assert not any(line.payloads for line in read)
