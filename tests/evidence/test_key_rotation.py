"""Keys that change in the middle of a log's life, and keys that are stolen: judged by when the ledger saw what they signed."""

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
from relay.core.bundlezip import FileSource
from relay.core.checkpoint import checkpoint_text, cosign, parse_checkpoint
from relay.core.checks import check_registration, check_witnesses
from relay.core.errors import Denied, Unverified
from relay.core.grants import parse_grant
from relay.core.note import Note, VerifierKey, format_note
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding
from relay.core.verify import verify_bundle
from relay.setup.keys import load_signing_key
from tests.support.bundles import Made, make_home, noon_of
from tests.support.lines import repayment, small_dossier
from tests.support.links import announced
from tests.support.rotating import ROLES, pin_new_key, revoke, use_new_key
from tests.support.way import open_way

HOUR_MS = 3_600_000
SKEW_MS = 300_000
TRIES = 5000


def verdict(done: Any) -> str:
    return str(json.loads(done.verdict)["verdict"])


def changed(trust: TrustRoots, use: str, **periods: int) -> TrustRoots:
    """The roots with other periods for every key of a use."""
    keys = tuple(replace(key, **periods) if key.use == use else key for key in trust.pinned_keys)
    return replace(trust, pinned_keys=keys)


async def test_all_keys_change_in_the_middle_and_both_halves_hold(tmp_path: Path) -> None:
    """Two loans before, the second's checkpoint not yet pushed; then every key changes; a third loan, and a record of the first."""
    home = make_home(tmp_path / "home")
    noon = noon_of(home)
    async with open_way(home, now_ms=noon, seed="before") as way:
        first = await way.deposit("loan 1", small_dossier())
        await way.forward()
        old_grant = await way.grant(first.dossier)
        second = await way.deposit("loan 2", small_dossier(2))
        await way.anchoring.now()
    for use in ROLES:
        pin_new_key(home, use, noon + HOUR_MS)
        use_new_key(home, use)
    async with open_way(home, now_ms=noon + 2 * HOUR_MS, seed="after") as way:
        await way.forward()
        await way.custody.publish()
        third = await way.deposit("loan 3", small_dossier(2))
        await way.deposit("loan 1", [*small_dossier(), repayment(3)])
        await way.forward()
        seen, done, data = await way.retrieve(old_grant)
        assert (verdict(done), len(seen)) == ("CONSISTENT", 4)
        for loan in (first, second, third):
            _, done, _ = await way.retrieve(await way.grant(loan.dossier))
            assert verdict(done) == "CONSISTENT", done.verdict
    # the old keys alone, or the new ones alone, are not enough for what stands on both sides
    trust = read_trust(home / "trust.json")
    for use in ("record", "log", "witness"):
        for wanted in (True, False):
            keys = tuple(k for k in trust.pinned_keys if k.use != use or (k.valid_from_ms == noon + HOUR_MS) is wanted)
            partial = replace(trust, pinned_keys=keys)
            assert made_of(data, partial) in (Finding.INCONSISTENT, Finding.UNVERIFIABLE)


def made_of(data: bytes, trust: TrustRoots) -> Finding:
    return verify_bundle(FileSource(io.BytesIO(data)), trust, verifiers()).verdict


@pytest.mark.parametrize(
    ("use", "step"),
    [("seal", 2), ("grant", 3), ("record", 6), ("log", 8), ("witness", 8), ("custody", 14)],
)
def test_key_that_had_ended_or_not_begun_or_was_stolen_by_then_proves_nothing(made: Made, use: str, step: int) -> None:
    """The reason names the key's period; a moment earlier it holds."""
    at = next(row.anchored_ms for row in made.verify(made.data).records)
    second = at // 1000 * 1000
    for periods in ({"valid_to_ms": second}, {"valid_from_ms": second + 1000}, {"revoked_from_ms": second}):
        verdict = replace_and_verify(made, use, **periods)
        failed = next(s for s in verdict.steps if s.result.value in ("failed", "not shown"))
        assert verdict.verdict in (Finding.INCONSISTENT, Finding.UNVERIFIABLE)
        assert failed.number == step, verdict.steps
    for periods in ({"valid_to_ms": second + 1000}, {"valid_from_ms": second}, {"revoked_from_ms": second + 1000}):
        assert replace_and_verify(made, use, **periods).verdict is Finding.CONSISTENT


def replace_and_verify(made: Made, use: str, **periods: int) -> Any:
    return replace(made, trust=changed(made.trust, use, **periods)).verify(made.data)


def test_reason_names_the_period(made: Made) -> None:
    at = next(row.anchored_ms for row in made.verify(made.data).records) // 1000 * 1000
    verdict = replace_and_verify(made, "log", revoked_from_ms=at)
    assert any("is revoked from" in s.detail for s in verdict.steps)
    assert all(row.verdict is not Finding.CONSISTENT for row in verdict.records)


def test_request_key_outlives_its_period_but_not_its_revocation(made: Made) -> None:
    """A grant binds the court's key and lives on when that key has ended; a stolen one opens nothing."""
    at = next(row.anchored_ms for row in made.verify(made.data).records) // 1000 * 1000
    assert replace_and_verify(made, "request", valid_to_ms=at).verdict is Finding.CONSISTENT
    stolen = replace_and_verify(made, "request", revoked_from_ms=at)
    assert stolen.verdict is Finding.INCONSISTENT
    assert "is revoked" in stolen.steps[4].detail


async def test_stolen_log_key_anchors_nothing_that_counts(tmp_path: Path) -> None:
    """Its thief, or a lender who goes on with it: relay and court refuse with the reason, and the new key mends it."""
    home = make_home(tmp_path / "home")
    noon = noon_of(home)
    async with open_way(home, now_ms=noon, seed="before") as way:
        await way.deposit("loan 1", small_dossier())
        await way.forward()
    pin_new_key(home, "log", noon + HOUR_MS)
    revoke(home, "log", noon + HOUR_MS)
    async with open_way(home, now_ms=noon + 2 * HOUR_MS, seed="stolen") as way:
        stored = await way.deposit("loan 2", small_dossier())
        checkpoint, anchor = await way.anchoring.now()  # type: ignore[misc]
        with pytest.raises(
            Unverified, match=r"valid at that time signed this checkpoint; .* which did, is revoked from"
        ):
            for _ in range(TRIES):  # until the relay has seen the anchor
                await way._push()
                await asyncio.sleep(0.001)
        with pytest.raises(Unverified, match="log"):
            proof = way.custodian_store.files.consistency_proof(3, 6)
            await way.mirror.add_checkpoint(announced(checkpoint.note, 3, proof, await way.source.prove(anchor)))
        assert (await way.custodian_store.counts()).confirmed_size == 3
    use_new_key(home, "log")
    async with open_way(home, now_ms=noon + 3 * HOUR_MS, seed="mended") as way:
        await way.forward()
        _, done, _ = await way.retrieve(await way.grant(stored.dossier))
        assert verdict(done) == "CONSISTENT"


async def test_grant_dated_back_with_a_stolen_key_is_refused_by_the_ledgers_time(tmp_path: Path) -> None:
    """Its own date lies before the theft; the block that registered it does not."""
    home = make_home(tmp_path / "home")
    noon = noon_of(home)
    async with open_way(home, now_ms=noon, seed="a") as way:
        stored = await way.deposit("loan 1", small_dossier())
        await way.forward()
        await way.grant(stored.dossier)  # a block at noon
        way.clock.ms = noon - HOUR_MS
        token = parse_grant(await way.grant(stored.dossier, days=2))
        state = await way.registry.grant_state(token.iss, token.digest)
        proof = await way.registry.prove(state.registration)
    trust = read_trust(home / "trust.json")
    assert check_registration(proof, token, way.court, trust, verifiers()).time_ms == noon
    half_past = noon - HOUR_MS // 2
    with pytest.raises(Unverified, match=r"grant key: .* is revoked from"):
        check_registration(proof, token, way.court, changed(trust, "grant", revoked_from_ms=half_past), verifiers())


async def test_ledger_takes_no_statement_of_an_ended_grant_key(tmp_path: Path) -> None:
    """Until the lender signs with the new one; what waited since before is signed again."""
    home = make_home(tmp_path / "home")
    noon = noon_of(home)
    async with open_way(home, now_ms=noon, seed="a") as way:
        stored = await way.deposit("loan 1", small_dossier())
        await way.forward()
    pin_new_key(home, "grant", noon + HOUR_MS, overlap_hours=0)
    async with open_way(home, now_ms=noon + 2 * HOUR_MS, seed="b") as way:
        grant = parse_grant(await way.grant(stored.dossier))
        assert not (await way.registry.grant_state(grant.iss, grant.digest)).registered_ms
        with pytest.raises(Unverified, match=r"no grant key of .* that counts now"):
            await way.grants.send_pending()
        revoked = await way.grants.revoke(grant.digest, "made with the old key")
        assert revoked
    use_new_key(home, "grant")
    async with open_way(home, now_ms=noon + 3 * HOUR_MS, seed="c") as way:
        await way.grants.send_pending()
        state = await way.registry.grant_state(grant.iss, grant.digest)
        assert (bool(state.registered_ms), bool(state.revoked_ms)) == (True, True)
        _, done, _ = await way.retrieve(await way.grant(stored.dossier))
        assert verdict(done) == "CONSISTENT"


async def test_custodian_answers_no_stolen_request_key(tmp_path: Path) -> None:
    """Whatever the court says of it."""
    home = make_home(tmp_path / "home")
    noon = noon_of(home)
    async with open_way(home, now_ms=noon, seed="a") as way:
        stored = await way.deposit("loan 1", small_dossier())
        await way.forward()
        grant = await way.grant(stored.dossier)
        way.disclosures._trust = changed(way.disclosures._trust, "request", revoked_from_ms=noon)
        with pytest.raises(Denied):
            await way.retrieve(grant)
        way.disclosures._trust = changed(way.disclosures._trust, "request", revoked_from_ms=noon + 1000)
        _, done, _ = await way.retrieve(grant)
        assert verdict(done) == "CONSISTENT"


def test_cosignature_dated_before_the_anchor_counts_for_nobody(made: Made) -> None:
    """A stolen witness key cannot be dated back past its revocation: nobody cosigns what is not anchored yet."""
    note = made.parts()["anchors/0000/checkpoint.note"]
    checkpoint, parsed = parse_checkpoint(note)
    at = made.verify(made.data).records[0].anchored_ms
    witness = load_signing_key(made.home / "court/keys/witness.pem")
    name = next(key.name for key in made.trust.pinned_keys if key.use == "witness")
    log = tuple(s for s in parsed.signatures if s.name == checkpoint.origin)

    def dated(time_s: int) -> bytes:
        text = checkpoint_text(checkpoint)
        signature = cosign(text, VerifierKey.cosigner(name, witness.public_key), witness.sign, time_s)
        return format_note(Note(text=text, signatures=(*log, signature)))

    earliest = (at - SKEW_MS) // 1000 + (1 if (at - SKEW_MS) % 1000 else 0)
    assert check_witnesses(dated(earliest), made.trust, anchored_ms=at) == [name]
    with pytest.raises(Unverified, match="0 pinned witnesses"):
        check_witnesses(dated(earliest - 1), made.trust, anchored_ms=at)


def test_seal_dated_before_its_own_evidence_does_not_hold(made: Made) -> None:
    """A stolen seal key, dated back past its revocation, over a bundle whose receipt is younger."""
    accepted_s = made.verify(made.data).records[0].accepted_ms // 1000
    early = made.sealed_again(made.parts(), made_at_s=accepted_s - SKEW_MS // 1000 - 1)
    verdict = made.verify(early)
    assert verdict.verdict is Finding.INCONSISTENT
    assert "after the time that this bundle's seal bears" in verdict.steps[8].detail
