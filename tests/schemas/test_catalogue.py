"""The record kinds: every schema loads, refuses what it should by path, and never repeats a value."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, SchemaError

from relay.core.errors import Malformed
from relay.core.kinds import Stage
from relay.schemas import KindCatalogue
from tests.support.lines import repayment_fields

KINDS = KindCatalogue()
ROOT = Path(__file__).resolve().parents[2]


def test_every_stage_has_kinds_and_those_against_the_lender_exist() -> None:
    infos = [KINDS.kind(name, 1) for name in KINDS.names()]
    assert {i.stage for i in infos} == {stage.value for stage in Stage}
    assert {i.name for i in infos if i.lender_unfavourable} >= {"complaint", "dispute", "hardship_request", "objection"}
    assert [i.name for i in infos if i.confidentiality != "ordinary"] == ["mediation_session"]
    assert len(infos) == 43


@pytest.mark.parametrize("name", KINDS.names())
def test_schema_is_closed_bounded_and_described(name: str) -> None:
    schema = KINDS.schema(name, 1)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= set(schema["properties"])
    for member, rule in schema["properties"].items():
        assert rule["description"], member
        if rule.get("type") == "string":
            assert "maxLength" in rule or "pattern" in rule, member
        assert rule.get("type") != "number", f"{member}: floats have no one spelling"


@pytest.mark.parametrize("name", KINDS.names())
def test_document_lists_the_kind(name: str) -> None:
    text = (ROOT / "docs/spec/record-kinds.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
    for member in KINDS.schema(name, 1)["properties"]:
        assert f"`{member}`" in row


def test_unknown_kind_names_near_spellings() -> None:
    with pytest.raises(Malformed, match="did you mean contract"):
        KINDS.kind("contracts", 1)
    with pytest.raises(Malformed, match=re.escape("record-kinds.md")):
        KINDS.kind("zzzzzz", 1)
    with pytest.raises(Malformed, match="known: 1"):
        KINDS.kind("contract", 3)


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"amount_cents": None}, "fields.amount_cents", "type"),
        ({"amount_cents": -1}, "fields.amount_cents", "below 0"),
        ({"amount_cents": 10**15}, "fields.amount_cents", "above"),
        ({"currency": "yuan"}, "fields.currency", "form"),
        ({"received_on": "2025-13-01"}, "fields.received_on", "form"),
        ({"channel": "barter"}, "fields.channel", "one of transfer"),
        ({"payer_account": ""}, "fields.payer_account", "empty"),
        ({"payer_account": "x" * 41}, "fields.payer_account", "longer than 40"),
        ({"zzz": 1}, "fields.zzz", "not a member"),
    ],
)
def test_one_wrong_member_is_named_by_path(change: dict[str, object], path: str, reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        KINDS.check("repayment", 1, {**repayment_fields(), **change})
    assert refusal.value.field == path
    assert reason in refusal.value.reason


def test_missing_member_and_deep_member_are_named_by_path() -> None:
    fields = repayment_fields()
    del fields["currency"]
    with pytest.raises(Malformed) as refusal:
        KINDS.check("repayment", 1, fields)
    assert (refusal.value.field, refusal.value.reason) == ("fields.currency", "is missing")
    deep = {"version": 1, "currency": "CNY", "reason": "origination", "instalments": [{"due": "x"}]}
    with pytest.raises(Malformed) as refusal:
        KINDS.check("repayment_schedule", 1, deep)
    assert refusal.value.field.startswith("fields.instalments[0].")


@pytest.mark.parametrize("secret", ["110101199003077715", "王伟 13800000000"])
def test_no_value_is_repeated_in_a_refusal(secret: str) -> None:
    for change in ({"payer_account": secret * 10}, {"currency": secret}, {"channel": secret}, {"amount_cents": secret}):
        with pytest.raises(Malformed) as refusal:
            KINDS.check("repayment", 1, {**repayment_fields(), **change})
        assert secret not in str(refusal.value)


@pytest.mark.parametrize("file", sorted((ROOT / "relay/schemas/kinds").glob("*.json")), ids=lambda file: file.stem)
def test_every_packaged_schema_is_a_schema(file: Path) -> None:
    """The program takes them as they are."""
    Draft202012Validator.check_schema(json.loads(file.read_bytes()))


def test_what_is_no_schema_would_be_seen() -> None:
    with pytest.raises(SchemaError):
        Draft202012Validator.check_schema({"properties": {"amount": {"type": "number of fen"}}})
