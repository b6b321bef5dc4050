"""Retention policies: what is due when, and that nothing is due which the policy does not say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Malformed
from relay.core.retention import RetentionPolicy, due_s, parse_policy

KINDS = {"paper": "years", "closure": "years", "call": "each", "letter": "last", "judgment": "never"}


def document(**changes: Any) -> dict[str, Any]:
    where = {"jurisdiction": "CN", "source": "art. 1", "note": ""}
    classes = {
        "years": {"years": 5, "from": "closure", **where},
        "each": {"years": 3, "from": "record", **where},
        "last": {"years": 3, "from": "last_record", **where},
        "never": {"from": "closure", **where},
    }
    return {"format": "courtrelay-retention/v1", "policy": "test", "classes": classes, "kinds": KINDS, **changes}


def policy(**changes: Any) -> RetentionPolicy:
    return parse_policy(json.dumps(document(**changes)).encode())


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


POLICY = policy()


@pytest.mark.parametrize(
    ("kind", "event", "dossier", "due"),
    [
        ("paper", "2010-05-01", [("paper", "2010-05-01"), ("closure", "2012-01-31")], "2017-01-31"),
        ("paper", "2010-05-01", [("paper", "2010-05-01")], None),  # not closed: the counting has not begun
        (
            "paper",
            "2014-05-01",
            [("closure", "2012-01-31"), ("paper", "2014-05-01")],
            "2019-05-01",
        ),  # came after the end
        ("paper", "2010-05-01", [("closure", "2012-01-31"), ("closure", "2013-01-31")], "2018-01-31"),  # closed again
        ("call", "2010-05-01", [("call", "2010-05-01"), ("call", "2015-05-01")], "2013-05-01"),
        ("letter", "2010-05-01", [("letter", "2010-05-01"), ("call", "2015-05-01")], "2018-05-01"),
        ("closure", "2012-02-29", [("closure", "2012-02-29")], "2017-03-01"),  # no such day: a day more, not less
        ("judgment", "2010-05-01", [("closure", "2012-01-31")], None),
        ("unheard", "2010-05-01", [("closure", "2012-01-31")], None),
        ("call", "9997-05-01", [], None),  # beyond the years that can be written
    ],
)
def test_end_of_retention(kind: str, event: str, dossier: list[tuple[str, str]], due: str | None) -> None:
    told = [(name, at(day)) for name, day in dossier]
    assert due_s(POLICY, kind, at(event), told) == (None if due is None else at(due))


@given(
    kind=st.sampled_from([*KINDS, "unheard"]),
    event=st.integers(631_152_000, 4_000_000_000),
    dossier=st.lists(st.tuples(st.sampled_from([*KINDS, "unheard"]), st.integers(631_152_000, 4_000_000_000))),
    later=st.integers(631_152_000, 4_000_000_000),
)
def test_end_never_comes_before_the_years_are_over_and_more_records_never_bring_it_nearer(
    kind: str, event: int, dossier: list[tuple[str, int]], later: int
) -> None:
    due = due_s(POLICY, kind, event, dossier)
    if due is None:
        return
    rule = POLICY.of_kind(kind)
    assert rule is not None
    assert rule.years is not None
    assert due - event >= rule.years * 365 * 86_400
    for name in ("call", "closure"):
        after = due_s(POLICY, kind, event, [*dossier, (name, later)])
        assert after is not None
        assert after >= due


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kinds": {"paper": "unknown"}}, "kinds.paper"),
        ({"format": "courtrelay-retention/v2"}, "format"),
        ({"classes": {"x": {"years": -1, "from": "record", "jurisdiction": "a", "source": "b", "note": ""}}}, "years"),
        ({"classes": {"x": {"years": 1, "from": "birth", "jurisdiction": "a", "source": "b", "note": ""}}}, "from"),
        ({"classes": {"x": {"years": 1, "from": "record", "jurisdiction": "a", "source": "", "note": ""}}}, "source"),
        ({"classes": {"x": {"years": 1.5, "from": "record", "jurisdiction": "a", "source": "b", "note": ""}}}, ""),
        ({"more": 1}, "more"),
    ],
)
def test_broken_policy_is_refused_by_place(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Malformed) as refusal:
        policy(**changes)
    assert named in refusal.value.field


def test_digest_is_of_the_file() -> None:
    data = json.dumps(document()).encode()
    assert parse_policy(data).digest != parse_policy(data + b"\n").digest
