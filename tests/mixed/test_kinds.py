"""Which kind of proof counts is what was pinned, never what the proof says; and a node that cannot check a pinned kind does not start."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.embedded.genesis import check_kinds, read_genesis
from adapters.evm.admission import OWN, Admission
from adapters.tlog.proof import KIND, build_proof, find_quorum, verify_tlog
from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.core.checkpoint import cosign
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.note import Note, VerifierKey, parse_note
from relay.core.pinned import LedgerRoot, Validator, ledger_claims
from tests.ledgers.bench import NOW_MS, Bench, open_bench
from tests.mixed.homes import FOREVER_MS, WITNESS, log_key, make_mixed
from tests.support.command import courtrelay

CONTRACT = "0x" + "5f" * 20


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


def as_log(bench: Bench, size: int) -> tuple[LedgerProof, LedgerRoot]:
    """A good proof of kind tlog of the same checkpoint, in the name of the lender's embedded ledger; and what would have to be pinned."""
    key, cosigner = log_key(bench.home), VerifierKey.cosigner(WITNESS.name, WITNESS.public)
    note = parse_note(bench.note(size))
    line = cosign(note.text, cosigner, WITNESS.private.sign, NOW_MS // 1000)
    quorum = find_quorum(
        Note(text=note.text, signatures=(*note.signatures, line)),
        [VerifierKey.ed25519(key.name, key.public)],
        [cosigner],
        2,
        latest_s=NOW_MS // 1000,
    )
    assert quorum is not None
    pinned = [
        Validator(name=k.name, public_key=k.public, valid_from_ms=0, valid_to_ms=FOREVER_MS) for k in (key, WITNESS)
    ]
    ledger = bench.lender_root.ledger
    root = LedgerRoot(ledger=ledger, kind=KIND, threshold=2, validators=tuple(pinned))
    return LedgerProof(kind=KIND, ledger=ledger, body=build_proof(quorum)), root


async def test_good_proof_of_another_kind_than_registered_is_refused_by_the_courts_ledger(bench: Bench) -> None:
    good = await bench.submission(3)
    other, root = as_log(bench, 3)
    assert verify_tlog(other, root).fact["size"] == 3
    for proof in (other, replace(other, kind="quorum"), replace(good.anchor, kind=KIND), replace(good.anchor, kind="")):
        with pytest.raises((Unverified, Malformed)) as refusal:
            await bench.court.submit(bench.replaced(good, anchor=proof))
        if proof.kind == KIND:
            assert "(tlog), registered is embedded:lender-1 (quorum)" in str(refusal.value)
    assert await bench.court.latest(bench.origin) is None
    assert (await bench.court.submit(good)).size == 3


async def test_good_proof_of_another_kind_than_pinned_is_refused_before_it_is_sent_to_a_chain(bench: Bench) -> None:
    good = await bench.submission(3)
    other, _ = as_log(bench, 3)
    trust = read_trust(bench.home / "trust.json")
    admission = Admission(trust, verifiers(), lambda: NOW_MS)
    for proof in (other, replace(other, kind="quorum"), replace(good.anchor, kind="evm-attested")):
        with pytest.raises((Unverified, Malformed)):
            admission.submission(bench.replaced(good, anchor=proof))
    assert admission.submission(good) == bench.checkpoint(3)
    with pytest.raises(Unverified, match="no verifier for ledger proofs of kind quorum"):
        Admission(trust, OWN, lambda: NOW_MS).submission(good)


def changed(path: Path, **source: object) -> None:
    """A genesis file whose first log's source has other members."""
    value = json.loads(path.read_bytes())
    value["logs"][0]["source"] |= source
    path.write_text(json.dumps(value))


def test_genesis_with_a_kind_that_nobody_can_check_is_refused_at_the_start(tmp_path: Path) -> None:
    home = make_mixed(tmp_path / "home", "embedded")
    changed(home / "court-ledger/genesis.json", kind="rumour")
    ran = courtrelay("serve", "court-ledger", "--home", home)
    assert ran.code not in (0, None)
    assert len(ran.err.strip().splitlines()) == 1
    assert "logs[0].source.kind: no verifier for ledger proofs of kind rumour is installed here" in ran.err


def test_genesis_keeps_all_that_is_pinned_of_a_source(tmp_path: Path) -> None:
    path = make_mixed(tmp_path / "home", "tlog+embedded") / "court-ledger/genesis.json"
    pinned = read_trust(tmp_path / "home/trust.json").ledgers[0]
    assert read_genesis(path).logs[0].source == pinned
    contract = {"chain_id": "410001", "contract": CONTRACT}
    changed(path, **ledger_claims(replace(pinned, kind="evm-attested", parameters=contract)))
    read = read_genesis(path)
    assert read.logs[0].source.parameters == contract
    check_kinds(read, verifiers(), "genesis")
    for one in ({}, {"contract": 7}, {"Contract": CONTRACT}, [CONTRACT]):
        changed(path, parameters=one)
        with pytest.raises(Malformed):
            read_genesis(path)


def test_genesis_from_before_there_were_other_families_stays_valid(tmp_path: Path) -> None:
    path = make_mixed(tmp_path / "home", "embedded") / "court-ledger/genesis.json"
    new = read_genesis(path)
    value = json.loads(path.read_bytes())
    source = value["logs"][0].pop("source")
    keys = [{"name": v["name"], "public_key": v["public_key"]} for v in source["validators"]]
    value["logs"][0] |= {"source_ledger": source["ledger"], "source_threshold": 2, "source_validators": keys}
    path.write_text(json.dumps(value))
    assert read_genesis(path) == new
    value["logs"][0]["source"] = source
    path.write_text(json.dumps(value))
    with pytest.raises(Malformed, match="source_"):
        read_genesis(path)
