"""No name, whoever chose it, gets out of its topic level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Malformed
from relay.core.identity import Identity, Role
from relay.core.topics import CLASSES, LEVEL_CHARS_MAX, UNKNOWN, Topics, check_prefix, level

RELAY = Identity(trust_domain="lab.example", role=Role.RELAY, name="relay-1")
HOSTILE = (
    "+", "#", "/", "a/b", "../../x", "$SYS", "$SYS/broker/uptime", "\u0000", "a\u0000b", "lab/relay/relay-1/health", "%2F",
    "\ud800", "\u202e", " ", "", "~unknown", "é", "贷款", "x" * 70_000, "+" * 70_000, "\r\nX: y", "#/+",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_origin_stays_in_its_level(name: str) -> None:
    topics = Topics("lab", RELAY, [name])
    for event in CLASSES:
        topic = topics.of(event, name)
        base, _, rest = topic.partition(f"/{CLASSES[event]}")
        assert base == "lab/relay/relay-1"
        assert rest.count("/") == (1 if name else 0)
        assert not set(rest[1:]) & set("+#/$\u0000")
        assert rest.isascii()
        assert len(topic) < 256


@pytest.mark.parametrize("name", HOSTILE)
def test_origin_that_no_configuration_names_chooses_nothing(name: str) -> None:
    topics = Topics("lab", RELAY, ["a.example/log"])
    expected = f"lab/relay/relay-1/anchored/{UNKNOWN}" if name else "lab/relay/relay-1/anchored"
    assert topics.of("anchored", name) == expected


@given(st.text(), st.text())
def test_two_names_never_share_a_level(one: str, other: str) -> None:
    assert (level(one) == level(other)) == (one == other)


@given(st.text(min_size=200), st.text(min_size=1, max_size=3))
def test_long_names_that_begin_alike_differ(name: str, more: str) -> None:
    assert level(name) != level(name + more)
    assert len(level(name + more)) <= LEVEL_CHARS_MAX


@pytest.mark.parametrize(
    "prefix", ["", "/", "a/", "/a", "a//b", "+", "a/#", "$SYS", "a b", "a" * 65, "/".join("a" * 9), "é"]
)
def test_prefix_is_of_plain_levels(prefix: str) -> None:
    with pytest.raises(Malformed, match="prefix"):
        check_prefix(prefix, "mqtt", "prefix")
