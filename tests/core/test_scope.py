"""The scope of a grant: one spelling, nothing outside the grant's kinds, and the decision member by member."""

from __future__ import annotations

from typing import Any

import pytest

from relay.core.errors import Malformed
from relay.core.grants import opens_member, opens_payloads, parse_grant
from relay.core.scope import Scope
from tests.core.evidence import LENDER_KEY, grant, resigned

KINDS = ["contract", "repayment"]
SCOPE = Scope(members={"contract": ("borrower_name",)}, payloads=("contract",))


def test_only_what_the_scope_names_opens() -> None:
    made = parse_grant(grant(kinds=KINDS, scope=SCOPE))
    assert opens_member(made, kind="contract", member="borrower_name")
    assert not opens_member(made, kind="contract", member="service_address")
    assert not opens_member(made, kind="repayment", member="payer_account")
    assert opens_payloads(made, kind="contract")
    assert not opens_payloads(made, kind="repayment")


def test_without_a_scope_the_kinds_open_whole() -> None:
    made = parse_grant(grant(kinds=KINDS))
    assert made.scope is None
    assert opens_member(made, kind="contract", member="anything")
    assert opens_payloads(made, kind="repayment")


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"members": {}},
        {"payloads": []},
        {"members": {"contract": []}, "payloads": []},
        {"members": {"contract": ["b", "a"]}, "payloads": []},
        {"members": {"contract": ["a", "a"]}, "payloads": []},
        {"members": {"contract": ["A"]}, "payloads": []},
        {"members": {"judgment": ["defendant_name"]}, "payloads": []},
        {"members": {}, "payloads": ["judgment"]},
        {"members": {}, "payloads": ["*"]},
        {"members": {"*": ["a"]}, "payloads": []},
        {"members": {}, "payloads": [], "profile": "filing"},
        {"members": {}, "payloads": [], "profile_sha256": "00" * 32},
        {"members": {}, "payloads": [], "more": 1},
        {"members": [], "payloads": []},
    ],
)
def test_scope_in_another_form_is_refused(scope: Any) -> None:
    with pytest.raises(Malformed):
        parse_grant(resigned(grant(kinds=KINDS), LENDER_KEY, scope=scope))


@pytest.mark.parametrize("purpose_class", ["trial", "", "Mediation", 1, ["mediation"]])
def test_purpose_class_has_one_spelling(purpose_class: Any) -> None:
    with pytest.raises(Malformed):
        parse_grant(resigned(grant(), LENDER_KEY, purpose_class=purpose_class))
