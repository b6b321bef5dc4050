"""What a court sees of what was erased: one denial, or a list that names it with its tombstone; and a lender that cheats with either."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.app.verdict_lines import verdict_lines
from relay.core.bundlezip import FileSource
from relay.core.custody import parse_event
from relay.core.disclosure import ManifestEntry
from relay.core.errors import Denied, Unverified
from relay.core.requests import request_digest
from relay.core.verdict import Finding, Verdict
from relay.core.verify import verify_bundle
from relay.setup.keys import make_signing_key
from tests.evidence.test_retrieval_attacks import request_under
from tests.support.bundles import take_apart
from tests.support.frozen import settle
from tests.support.retaining import BASIS, OPERATOR, PERSONAL, retaining
from tests.support.way import Way


async def erase(way: Way, seqs: list[int] | None = None, **more: Any) -> str:
    wish: dict[str, Any] = {"due": False, "basis": BASIS, "actor": OPERATOR, "despite_grants": True, **more}
    return await retaining(way).erasures.erase("old", seqs, **wish)


async def dossier_of(way: Way) -> str:
    state = await way.custodian_store.find_dossier("old")
    assert state is not None
    return state.id


async def events(way: Way) -> list[Any]:
    rows = await way.custodian_store._database.read(
        lambda c: c.execute("SELECT event FROM custody_event ORDER BY position").fetchall()
    )
    return [parse_event(row[0]) for row in rows]


def verified(way: Way, bundle: bytes) -> Verdict:
    return verify_bundle(FileSource(io.BytesIO(bundle)), read_trust(way.home / "trust.json"), verifiers())


async def test_erased_dossier_is_denied_like_anything_else_and_the_lender_knows_why(way: Way) -> None:
    dossier = await dossier_of(way)
    grant = await way.grant(dossier)
    await erase(way)
    with pytest.raises(Denied) as refusal:
        await way.retrieve(grant)
    assert "erased" not in str(refusal.value)
    last = (await events(way))[-1]
    assert (last.action, last.outcome) == ("refuse", "refused")
    assert f"the dossier was erased on 2" in last.detail and BASIS in last.detail  # noqa: F541, PT018
    assert last.subject["dossier"] == dossier
    held = await way.custodian_store.grants()
    assert [g.uses_spent for g in held] == [0]


async def test_bundle_made_before_still_verifies(way: Way) -> None:
    _, _, bundle = await way.retrieve(await way.grant(await dossier_of(way)))
    before = verified(way, bundle)
    await erase(way)
    assert verified(way, bundle) == before
    assert before.verdict is Finding.CONSISTENT
    parts = take_apart(bundle)
    assert any(name.endswith("file-0.bin") for name in parts)


async def test_records_that_were_erased_are_named_with_date_and_basis(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    await erase(way, [1, 2])
    seen, done, bundle = await way.retrieve(grant)
    assert [row.seq for row in seen] == [0, 3]
    verdict = verified(way, bundle)
    assert verdict.verdict is Finding.CONSISTENT
    assert json.loads(done.verdict) == verdict.as_json()
    assert [(r.seq, r.status, r.verdict) for r in verdict.records] == [
        (0, "disclosed", Finding.CONSISTENT), (1, "erased", Finding.CONSISTENT), (2, "erased", Finding.CONSISTENT),
        (3, "disclosed", Finding.CONSISTENT),
    ]  # fmt: skip
    assert verdict.records[1].reason.startswith("erased on 2")
    assert verdict.records[1].reason.endswith(f"under {BASIS}")
    assert verdict.steps[5].detail == "4 records listed, 0 of them withheld, 2 erased"
    assert "has erased 2 of them: only their places in the log could be examined" in verdict.summary
    shown = "\n".join(verdict_lines(verdict.as_json()))
    assert f"CONSISTENT (erased)" in shown and BASIS in shown  # noqa: F541, PT018
    parts = take_apart(bundle)
    assert sorted(n for n in parts if n.startswith("records/000001/")) == ["records/000001/entry.tlog-proof"]
    assert not any(secret.encode() in data for secret in PERSONAL[2:] for data in parts.values())


async def test_two_erasures_one_after_the_other(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    await erase(way, [2])
    await erase(way, [0, 1], basis="own policy 7")
    _, _, bundle = await way.retrieve(grant)
    verdict = verified(way, bundle)
    assert verdict.verdict is Finding.CONSISTENT
    assert [r.reason.rpartition(" under ")[2] for r in verdict.records[:3]] == ["own policy 7", "own policy 7", BASIS]
    await erase(way)  # and then the rest as a whole
    assert await way.custodian_store.find_dossier("old") is None
    assert len(await way.custodian_store.tombstones("old")) == 1


async def test_dossier_goes_on_after_an_erasure(way: Way) -> None:
    """New records are sealed under the new key, and every tag still finds its place."""
    from tests.support.lines import repayment

    dossier = await dossier_of(way)
    await erase(way, [1])
    await way.deposit("old", [repayment(4)])
    await way.forward()
    _, _, bundle = await way.retrieve(await way.grant(dossier))
    verdict = verified(way, bundle)
    assert (verdict.verdict, [r.status for r in verdict.records]) == (
        Finding.CONSISTENT, ["disclosed", "erased", "disclosed", "disclosed", "disclosed"],
    )  # fmt: skip


async def test_disclosure_that_was_checked_before_the_erasure_began_does_not_begin_after_it(way: Way) -> None:
    dossier = await dossier_of(way)
    token = request_under(way, await way.grant(dossier))
    honest = way.custodian_store.records

    async def slow(name: str) -> Any:
        read = await honest(name)
        await erase(way, [1])
        return read

    way.custodian_store.records = slow  # type: ignore[method-assign]
    with pytest.raises(Denied, match="erased meanwhile"):
        await way.disclosures.authorise(request_digest(token), token)
    way.custodian_store.records = honest  # type: ignore[method-assign]
    assert "permitted" not in [e.outcome for e in await events(way)]


async def test_erasure_waits_for_an_answer_under_way(way: Way) -> None:
    """What was permitted before is sent whole; what comes after the intent is refused."""
    dossier = await dossier_of(way)
    grant = await way.grant(dossier)
    first, second = request_under(way, grant), request_under(way, grant)
    permitted = await way.disclosures.authorise(request_digest(first), first)
    erasing = asyncio.create_task(erase(way))
    await settle(lambda: way.custodian_store.tombstones(dossier), "the erasure has begun")
    with pytest.raises(Denied, match="erased on"):
        await way.disclosures.authorise(request_digest(second), second)
    frames = b"".join(bytes(f) for f in permitted.plan.plaintext(way.vault))
    assert b"CANARY two" in frames
    done, _ = await asyncio.wait({erasing}, timeout=1.0)
    assert not done
    assert len(await way.custodian_store.known_blobs()) == 2
    way.disclosures._end_answer(dossier)
    await erasing
    assert await way.custodian_store.known_blobs() == set()


async def forged(way: Way, monkeypatch: pytest.MonkeyPatch, entry: Any = None, tombstones: Any = None) -> str:
    """The reason why the court refuses a disclosure with this entry and these tombstones."""
    planner = way.disclosures._planner
    if tombstones is not None:
        plan = planner.plan
        monkeypatch.setattr(planner, "plan", lambda *others: plan(*others[:-1], sorted(tombstones(others[-1]))))
    if entry is not None:
        honest_entry = planner.entry
        monkeypatch.setattr(planner, "entry", lambda grant, record: entry(honest_entry(grant, record)))
    with pytest.raises(Unverified) as refusal:
        await way.retrieve(await way.grant(await dossier_of(way)))
    assert (await way.court_store.counts()).bundles == 0
    return str(refusal.value)


async def test_lender_calls_a_record_erased_without_a_tombstone(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(honest: ManifestEntry) -> ManifestEntry:
        return replace(honest, status="erased", reason=BASIS, erased_s=5) if honest.seq == 1 else honest

    assert "no tombstone names it" in await forged(way, monkeypatch, entry)


async def test_lender_takes_the_tombstone_out(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    await erase(way, [1])
    assert "no tombstone names it" in await forged(way, monkeypatch, tombstones=lambda _tokens: ())


async def test_lender_discloses_what_a_tombstone_calls_erased(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    await erase(way, [1])

    def entry(honest: ManifestEntry) -> ManifestEntry:
        return replace(honest, status="withheld", reason="elsewhere", erased_s=0) if honest.seq == 1 else honest

    assert "is listed as withheld, and a tombstone names it" in await forged(way, monkeypatch, entry)


@pytest.mark.parametrize("change", [{"reason": "another law"}, {"erased_s": 7}, {"index": 99}])
async def test_lender_gives_another_date_basis_or_place(
    way: Way, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    await erase(way, [1])
    said = await forged(way, monkeypatch, lambda e: replace(e, **change) if e.seq == 1 else e)
    assert "are not those of its tombstone" in said


async def test_tombstone_of_another_key_or_changed_is_refused(
    way: Way, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = await erase(way, [1])
    header, payload, signature = token.split(".")
    flipped = ".".join((header, payload, ("A" if signature[0] != "A" else "B") + signature[1:]))
    assert "signature" in await forged(way, monkeypatch, tombstones=lambda _tokens: (flipped,))
    other = make_signing_key(tmp_path / "other.pem")
    services = retaining(way)
    services.erasures._signer = other
    await services.erasures.erase("old", [2], due=False, basis=BASIS, actor=OPERATOR, despite_grants=True)
    monkeypatch.undo()
    assert "key" in await forged(way, monkeypatch)
