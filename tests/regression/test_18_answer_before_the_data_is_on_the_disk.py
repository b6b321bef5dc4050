"""Acknowledging what is not synced yet, as brokers and databases have done: after a power cut, all that was answered is there."""

from __future__ import annotations

import pytest

from relay.durable.packs import Pack
from tests.powerloss.play import FORWARDING, Result, cases, play


def power_cuts(role: str) -> list[Result]:
    """The power goes at every operation, and nothing survives that was not synced."""
    return [play(case) for case in cases(role, 1)]


@pytest.mark.parametrize("role", FORWARDING)
def test_what_was_answered_is_there_after_a_power_cut(role: str) -> None:
    results = power_cuts(role)
    assert len(results) > 100
    assert [(r.case, r.violations) for r in results if r.violations] == []


@pytest.mark.parametrize("role", FORWARDING)
def test_answer_before_the_sync_is_caught(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: entries are written, counted and answered, and their sync is left out."""
    clean = list(cases(role, 1))
    monkeypatch.setattr(Pack, "sync", lambda self: None)
    assert any(play(case).violations for case in clean)
