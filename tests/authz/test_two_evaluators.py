"""Two evaluators that share no code agree on a million accesses, on the answer and on the reason."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from relay.core.errors import Denied
from relay.core.grants import Access, Grant, opens, opens_member, opens_payloads, permits
from relay.core.requests import RetrievalRequest, check_fresh
from tests.authz.cases import GRANTS, MEMBERS, generate, honest
from tests.authz.evaluator import OBLIGATIONS, PERMITTED, Facts, first_broken, freshness, parts_open, record_opens

CASES = int(os.environ.get("COURTRELAY_AUTHZ_CASES", "1000000"))
SEED = 20260
REASONS = (
    ("the facts are unusable", "unusable"),
    ("the grant was issued by", "other issuer"),
    ("the grant is for", "other court"),
    ("the request is not signed by the key", "other key"),
    ("the grant is dated in the future", "dated in the future"),
    ("the request is dated in the future", "dated in the future"),
    ("the grant is not valid yet", "not yet valid"),
    ("the grant has expired", "expired"),
    ("the request has expired", "expired"),
    ("the request names another case", "other case"),
    ("the grant does not name this dossier", "other dossier"),
    ("the grant permits verification only", "verification only"),
    ("the grant does not open", "kind not opened"),
    ("all ", "uses spent"),
    ("the grant is not registered", "not registered"),
    ("the grant was revoked", "revoked"),
)
"""How each refusal of the product begins, and its class."""
EVERY_CAUSE = {name for _, name, _ in OBLIGATIONS}


def class_of(refusal: Denied) -> str:
    return next(name for start, name in REASONS if refusal.reason.startswith(start))


def product(grant: Grant, facts: Facts) -> str:
    access = Access(
        custodian=facts["custodian"], court=facts["court"], case=facts["case"], dossier=facts["dossier"],
        mode=facts["mode"], kid=facts["kid"], kinds=facts["kinds"],
    )  # fmt: skip
    try:
        permits(
            grant, access, now_s=facts["now"], uses_spent=facts["uses"], revoked_at_s=facts["revoked"],
            registered=facts["registered"],
        )  # fmt: skip
    except Denied as refusal:
        return class_of(refusal)
    return PERMITTED


def product_freshness(request: RetrievalRequest, now: Any) -> str:
    try:
        check_fresh(request, now)
    except Denied as refusal:
        return class_of(refusal)
    return PERMITTED


def test_two_evaluators_agree_on_a_million_accesses(capsys: pytest.CaptureFixture[str]) -> None:
    access: Counter[str] = Counter()
    request: Counter[str] = Counter()
    records: Counter[bool] = Counter()
    parts: Counter[tuple[bool, bool]] = Counter()
    for pooled, facts, asked, (kind, confidentiality) in generate(CASES, SEED):
        expected = first_broken(pooled.facts, facts)
        assert product(pooled.grant, facts) == expected, (pooled.facts, facts)
        access[expected] += 1
        fresh = freshness(asked.facts, facts["now"])
        assert product_freshness(asked.request, facts["now"]) == fresh, (asked.facts, facts["now"])
        request[fresh] += 1
        opened = record_opens(pooled.facts, kind, confidentiality)
        assert opens(pooled.grant, kind=kind, confidentiality=confidentiality) is opened, (pooled.facts, kind)
        records[opened] += 1
        if opened:
            for member in MEMBERS:
                both = opens_member(pooled.grant, kind=kind, member=member), opens_payloads(pooled.grant, kind=kind)
                assert both == parts_open(pooled.facts, kind, member), (pooled.facts, kind, member)
                parts[both] += 1
    with capsys.disabled():
        print(
            f"\n{CASES:,} accesses: {dict(access.most_common())}; requests: {dict(request)}; records: {dict(records)}"
        )
    assert set(access) == EVERY_CAUSE | {PERMITTED}
    assert set(request) == {PERMITTED, "dated in the future", "expired", "unusable"}
    assert set(records) == {True, False}
    assert len(parts) == 4
    assert min(access.values()) * 1000 >= CASES, "a cause is too rare to be tested"


@pytest.mark.parametrize("number", range(0, len(GRANTS), 7))
def test_every_second_and_every_use_around_a_border(number: int) -> None:
    """Not by chance: each second around nbf, exp and iat, with each count of uses around the last."""
    pooled = GRANTS[number]
    right = honest(pooled.facts)
    seconds = {pooled.facts[name] + d for name in ("nbf", "exp", "iat") for d in (*range(-3, 4), -301, -300, -299)}
    last = pooled.facts["uses"]
    for now in seconds:
        for uses in (0, last - 1, last, last + 1):
            facts = {**right, "now": now, "uses": uses}
            assert product(pooled.grant, facts) == first_broken(pooled.facts, facts)
