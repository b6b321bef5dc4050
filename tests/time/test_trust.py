"""Authorities in the trust roots: optional, whole or refused, and nothing changes for files without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relay.core.authorities import AuthorityRoot
from relay.core.errors import Malformed
from relay.core.trust import TrustRoots, parse_trust_roots
from tests.spec.documents import example_texts
from tests.time.authority import Authority

PLAIN = parse_trust_roots(example_texts()["trust-roots"].encode())


def test_file_without_authorities_keeps_its_bytes() -> None:
    assert PLAIN.to_json().decode() == example_texts()["trust-roots"] + "\n"
    assert (PLAIN.authorities, PLAIN.time_quorum) == ((), 0)


def test_authorities_read_back(one: Authority, two: Authority) -> None:
    trust = replace(PLAIN, authorities=(one.root, two.root), time_quorum=2)
    assert parse_trust_roots(trust.to_json()) == trust


def refused(**changes: Any) -> str:
    with pytest.raises(Malformed) as caught:
        TrustRoots(**{**{n: getattr(PLAIN, n) for n in PLAIN.__slots__ if n != "_by_kid"}, **changes})
    return str(caught.value)


def test_what_is_refused(one: Authority, two: Authority) -> None:
    def with_one(**changes: Any) -> tuple[AuthorityRoot, ...]:
        return (replace(one.root, **changes),)

    assert "one stands twice" in refused(authorities=(one.root, one.root))
    assert "one signer would count for two" in refused(authorities=(one.root, replace(one.root, name="other")))
    assert "time_quorum: is 2" in refused(authorities=(one.root,), time_quorum=2)
    assert "time_quorum: is 1" in refused(time_quorum=1)
    assert "must not be empty" in refused(authorities=with_one(certificates=()))
    assert "must not be empty" in refused(authorities=with_one(policies=()))
    assert "later than valid_from" in refused(authorities=with_one(valid_to_ms=one.root.valid_from_ms))
    assert "whole seconds" in refused(authorities=with_one(valid_to_ms=one.root.valid_to_ms + 1))
    assert "not a certificate" in refused(authorities=with_one(certificates=(b"0",)))
    assert "at most 64" in refused(authorities=(one.root,) * 65)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name": "one"', b'"name": "One"'),
        (b'"accuracy_ms": 1000', b'"accuracy_ms": 0'),
        (b'"accuracy_ms": 1000', b'"accuracy_ms": 600001'),
        (b'"1.3.6.1.4.1.99999.1.1"', b'"1.3.6.01"'),
        (b'"1.3.6.1.4.1.99999.1.1"', b'"3.1"'),
        (b'"time_quorum": 1', b'"time_quorum": 0'),
    ],
)
def test_spelling_that_is_refused(one: Authority, old: bytes, new: bytes) -> None:
    data = replace(PLAIN, authorities=(one.root,), time_quorum=1).to_json()
    assert data.count(old) == 1
    with pytest.raises(Malformed):
        parse_trust_roots(data.replace(old, new))
