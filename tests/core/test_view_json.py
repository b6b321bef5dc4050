"""The view's document: what was written is read again, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.view_json import parse_view, view_bytes
from tests.support.views import changed, loan, not_shown, view_of_loan

VIEW = view_of_loan(loan(1))
DATA = view_bytes(VIEW)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the document outside what a record's kind leaves open (`value` of members)."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += [(*path, name)] if name == "value" else places(inner, (*path, name))
    elif isinstance(value, list):
        for i, inner in enumerate(value[:2]):
            found += places(inner, (*path, i))
    return found


PLACES = [p for p in places(json.loads(DATA)) if p[-1] != "value"]


def at(document: Any, path: tuple[Any, ...]) -> tuple[Any, Any]:
    for name in path[:-1]:
        document = document[name]
    return document, path[-1]


@pytest.mark.parametrize("number", range(8))
def test_read_again_it_is_the_same(number: int) -> None:
    one = changed(view_of_loan(loan(number)), lambda r: not_shown(r) if r.finding.seq % 3 == 1 else r)
    assert parse_view(view_bytes(one)) == one


@given(st.sampled_from(PLACES), st.sampled_from([None, [], {}, 3.5, "§", 2**60, {"a": 1}]))
def test_a_member_of_another_type_is_refused(path: tuple[Any, ...], new: Any) -> None:
    document = json.loads(DATA)
    holder, name = at(document, path)
    if type(holder[name]) is type(new) or (path[-1] in ("grant", "anchored", "accepted") and new is None):
        return
    holder[name] = new
    with pytest.raises(Malformed):
        parse_view(json.dumps(document, ensure_ascii=False).encode())


@given(st.sampled_from(PLACES))
def test_a_member_that_is_missing_is_refused(path: tuple[Any, ...]) -> None:
    document = json.loads(DATA)
    holder, name = at(document, path)
    if isinstance(holder, list):
        return
    del holder[name]
    with pytest.raises(Malformed):
        parse_view(dumps(document))


@given(st.sampled_from([p for p in PLACES if isinstance(p[-1], str)]))
def test_a_member_too_many_is_refused(path: tuple[Any, ...]) -> None:
    document = json.loads(DATA)
    holder, _ = at(document, path)
    holder["more"] = 1
    with pytest.raises(Malformed):
        parse_view(dumps(document))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        DATA + b"\n",
        DATA[:-1],
        DATA.replace(b'":', b'": ', 1),
        DATA.replace(b"view/v1", b"view/v2", 1),
    ],
)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_view(data)


def test_words_that_are_not_the_verdicts_are_refused() -> None:
    """The document cannot say CONSISTENT in words and another thing in its rows."""
    document = json.loads(DATA)
    document["summary"] = "All records are true."
    with pytest.raises(Malformed):
        parse_view(dumps(document))
    document = json.loads(DATA)
    document["does_not_prove"] = []
    with pytest.raises(Malformed):
        parse_view(dumps(document))
