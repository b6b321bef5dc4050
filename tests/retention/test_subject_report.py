"""Subject access: everything held, everybody who saw it, and the report itself in the log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.app.retention_desk import report_lines
from relay.core.errors import Denied, NotFound
from relay.core.grants import parse_grant
from relay.core.requests import request_digest
from relay.services.custodian.grants import GrantCommand
from tests.evidence.test_retrieval_attacks import request_under
from tests.retention.test_erased_at_court import dossier_of, erase, events
from tests.support.lines import small_dossier
from tests.support.retaining import BASIS, OPERATOR, PERSONAL, retaining
from tests.support.way import Way


async def report(way: Way, name: str = "old") -> dict[str, Any]:
    return await retaining(way).reports.make(name, OPERATOR)


async def test_report_shows_all_that_is_held_and_who_saw_it(way: Way) -> None:
    dossier = await dossier_of(way)
    other = await way.deposit("other", small_dossier())
    await way.forward()
    grant = await way.grant(dossier, uses=1)
    await way.retrieve(await way.grant(other.dossier))
    await way.retrieve(grant)
    with pytest.raises(Denied):
        await way.retrieve(grant)
    await retaining(way).retention.place_hold("old", "discovery", "a court", OPERATOR)
    made = await report(way)
    text = json.dumps(made, ensure_ascii=False)
    assert all(secret in text for secret in PERSONAL)
    assert [(r["seq"], r["status"], r["retention"]) for r in made["records"]] == [
        (0, "held", "identity-10y"), (1, "held", "transaction-10y"), (2, "held", "contract-5y"),
        (3, "held", "transaction-10y"),
    ]  # fmt: skip
    assert [p["size"] for p in made["records"][1]["payloads"]] == [10, 10]
    assert made["records"][0]["personal_members"] == ["applicant_name", "id_number", "phone", "purpose"]
    assert [(e["action"], e["outcome"], e["case"]) for e in made["access"]] == [
        ("deposit", "stored", ""), ("grant", "issued", "Case 1"), ("disclose", "permitted", "Case 1"),
        ("refuse", "refused", "Case 1"), ("hold", "placed", ""), ("report", "made", ""),
    ]  # fmt: skip
    assert [e["court"] for e in made["access"][2:4]] == [way.court] * 2
    assert "judge-7: filing" in made["access"][2]["detail"]
    assert [g["grant"] for g in made["grants"]] == [parse_grant(grant).digest.hex()]
    assert (await events(way))[-1].action == "report"
    lines = "\n".join(report_lines(made))
    assert all(secret in lines for secret in PERSONAL)
    assert "disclose permitted by spiffe://" in lines
    assert other.dossier not in text


async def test_report_says_nothing_of_another_dossier_under_the_same_grant(way: Way) -> None:
    dossier, other = await dossier_of(way), await way.deposit("other", small_dossier())
    await way.forward()
    now_s = way.clock.ms // 1000
    both = await way.grants.issue(
        GrantCommand(
            court=way.court, case="Case 2", dossiers=tuple(sorted((dossier, other.dossier))), kinds=("*",), mode="retrieve",
            purpose="filing", not_before_s=now_s, expires_s=now_s + 60, uses=3,
        )
    )  # fmt: skip
    token = request_under(way, both, dossier=other.dossier)
    await way.disclosures.authorise(request_digest(token), token)
    assert [e["action"] for e in (await report(way))["access"]] == ["deposit", "grant", "report"]
    assert [e["action"] for e in (await report(way, "other"))["access"]] == ["deposit", "grant", "disclose", "report"]


async def test_report_on_what_was_erased_shows_the_tombstone_and_the_access(way: Way) -> None:
    dossier = await dossier_of(way)
    await way.retrieve(await way.grant(dossier))
    await erase(way, [1])
    half = await report(way)
    assert [r["status"] for r in half["records"]] == ["held", "erased", "held", "held"]
    assert (half["records"][1]["basis"], "fields" in half["records"][1]) == (BASIS, False)
    assert half["erasures"][0]["seqs"] == [1]
    await erase(way)
    for name in ("old", dossier):
        whole = await report(way, name)
        assert whole["records"] == []
        assert [e["scope"] for e in whole["erasures"]][-1:] == ["dossier"]
        assert {"disclose", "erase", "report"} <= {e["action"] for e in whole["access"]}
        assert not any(secret in json.dumps(whole) for secret in PERSONAL)
        assert "Erased (dossier)" in "\n".join(report_lines(whole))


async def test_report_on_nothing_is_not_found_and_not_logged(way: Way) -> None:
    size = way.custodian_store.custody_size
    with pytest.raises(NotFound, match="no dossier"):
        await report(way, "nobody's")
    assert way.custodian_store.custody_size == size
