"""Platform statements: strict, bounded, every heading there, versions in a chain, and which one was valid when."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.jose import sign_jws
from relay.core.limits import STATEMENT_LINES_MAX, STATEMENT_NODES_MAX
from relay.core.statement import (
    TYP,
    PublishedStatement,
    check_succession,
    make_statement,
    parse_statement,
    read_template,
    shown,
    valid_at,
)
from relay.setup.keys import load_signing_key, make_signing_key
from tests.time.stating import FACTS, OPERATOR, Platform

HEADINGS = (
    "operator",
    "relation",
    "filings",
    "certificates",
    "protection_level",
    "cryptography",
    "nodes",
    "algorithms",
    "software",
    "contact",
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    path = tmp_path_factory.mktemp("key") / "platform.pem"
    make_signing_key(path)
    return Platform("bank-ledger", load_signing_key(path))


def template(platform: Platform, **changes: Any) -> dict[str, Any]:
    made = shown(parse_statement(platform.state()))
    kept = {name: value for name, value in made.items() if name not in ("signed_at", "digest")}
    return {**kept, **changes}


def test_what_is_signed_reads_back(platform: Platform) -> None:
    statement = parse_statement(platform.state(valid_from=7))
    assert (statement.draft.facts, statement.draft.iss, statement.draft.valid_from) == (FACTS, OPERATOR, 7)


def test_template_reads_back_and_is_signed(platform: Platform) -> None:
    draft = read_template(json.dumps(template(platform)).encode(), "template.json")
    key = platform.signer
    token = make_statement(draft, iat=1, public_key=key.public_key, sign=key.sign)
    assert token == platform.state()


@pytest.mark.parametrize("heading", [*HEADINGS, "iss", "ledger", "version", "valid_from"])
def test_every_heading_has_to_be_there(platform: Platform, heading: str) -> None:
    with pytest.raises(Malformed, match=f"{heading}: is missing"):
        read_template(
            json.dumps({n: v for n, v in template(platform).items() if n != heading}).encode(), "template.json"
        )


def test_every_heading_may_be_empty(platform: Platform) -> None:
    lists = ("filings", "certificates", "nodes", "algorithms", "software")
    empty = {heading: [] if heading in lists else "" for heading in HEADINGS}
    draft = read_template(json.dumps(template(platform, **empty)).encode(), "template.json")
    assert draft.facts.operator == ""
    assert draft.facts.nodes == ()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"version": 0}, "version"),
        ({"version": 2}, "previous"),
        ({"previous": "00" * 32}, "previous"),
        ({"version": 2, "previous": "00" * 31}, "previous"),
        ({"iss": "somebody"}, "iss"),
        ({"operator": "a\u202eb"}, "operator"),
        ({"operator": "x" * 501}, "operator"),
        ({"relation": "x" * 4097}, "relation"),
        ({"filings": [""]}, "filings[0]"),
        ({"filings": [7]}, "filings[0]"),
        ({"filings": ["x"] * (STATEMENT_LINES_MAX + 1)}, "filings"),
        ({"nodes": [{"name": "v1"}]}, "nodes[0].operator"),
        ({"nodes": [{"name": "v1", "operator": "", "more": ""}]}, "nodes[0].more"),
        ({"nodes": [{"name": "", "operator": ""}] * (STATEMENT_NODES_MAX + 1)}, "nodes"),
        ({"software": "courtrelay"}, "software"),
        ({"valid_from": "2026-01-01"}, "valid_from"),
        ({"motto": "trust us"}, "motto"),
    ],
)
def test_template_that_is_refused(platform: Platform, changes: dict[str, Any], place: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_template(json.dumps(template(platform, **changes)).encode(), "template.json")
    assert caught.value.field == place


def test_statement_of_another_type_or_size_is_refused(platform: Platform) -> None:
    claims = json.loads(dumps(template(platform)))
    token = sign_jws("courtrelay-grant+jwt", claims, platform.signer.public_key, platform.signer.sign)
    with pytest.raises(Malformed):
        parse_statement(token)
    with pytest.raises(Malformed):
        parse_statement("x" * 70_000)
    assert TYP == "courtrelay-platform+jwt"


@given(st.data())
def test_no_character_of_a_statement_is_free(platform: Platform, data: st.DataObject) -> None:
    token = platform.state()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != token[at]))
    try:
        changed = parse_statement(token[:at] + other + token[at + 1 :])
    except Malformed:
        return
    assert changed.digest != parse_statement(token).digest


def of(platform: Platform, version: int, valid_from: int, published_ms: int) -> PublishedStatement:
    token = platform.state(version, valid_from=valid_from, previous="" if version == 1 else "00" * 32)
    return PublishedStatement(statement=parse_statement(token), published_ms=published_ms)


def chosen(versions: list[PublishedStatement], at_ms: int) -> tuple[int, bool] | None:
    found = valid_at(versions, at_ms)
    return (found[0].statement.draft.version, found[1]) if found else None


def test_version_that_was_valid_at_a_time(platform: Platform) -> None:
    versions = [of(platform, 1, 10, 10_000), of(platform, 2, 20, 15_000), of(platform, 3, 30, 31_000)]
    assert chosen(versions, 9_999) is None
    assert chosen(versions, 10_000) == (1, False)
    assert chosen(versions, 19_999) == (1, False)
    assert chosen(versions, 20_000) == (2, False)
    assert chosen(versions, 30_500) == (2, False)
    assert chosen(versions, 31_000) == (3, False)
    assert chosen([], 10) is None


def test_what_is_stated_later_cannot_push_aside_what_was_stated_before(platform: Platform) -> None:
    versions = [of(platform, 2, 10, 90_000), of(platform, 1, 10, 10_000)]
    assert chosen(versions, 20_000) == (1, False)


def test_what_is_stated_later_alone_is_shown_and_marked(platform: Platform) -> None:
    versions = [of(platform, 2, 10, 90_000), of(platform, 1, 10, 50_000)]
    assert chosen(versions, 20_000) == (1, True)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=6), st.integers(0, 99))
def test_choice_holds_for_any_history(platform: Platform, times: list[tuple[int, int]], at: int) -> None:
    versions = [of(platform, i + 1, start, published * 1000) for i, (start, published) in enumerate(times)]
    found = valid_at(versions, at * 1000)
    covering = [v for v in versions if v.covers(at * 1000)]
    assert (found is None) == (not covering)
    if found is not None:
        one, later = found
        assert one in covering
        assert later == (one.published_ms > at * 1000) == all(v.published_ms > at * 1000 for v in covering)


def test_succession(platform: Platform) -> None:
    first = platform.state(valid_from=5)
    second = platform.after(first, valid_from=6)
    statements = [parse_statement(token) for token in (first, second)]
    check_succession(statements)
    check_succession([statements[0], parse_statement(platform.state(9, valid_from=5, previous="00" * 32))])
    with pytest.raises(Malformed, match="stands twice"):
        check_succession([statements[0], statements[0]])
    with pytest.raises(Malformed, match="names another statement"):
        check_succession([statements[0], parse_statement(platform.state(2, valid_from=6, previous="00" * 32))])
    with pytest.raises(Malformed, match="earlier time"):
        check_succession([statements[0], parse_statement(platform.after(first, valid_from=4))])
