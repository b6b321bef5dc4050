"""The embedded family against the contract, and attacks on its own proofs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.adapter import open_source
from adapters.embedded.proof import verify_quorum
from relay.config.roles import read_court, read_relay
from relay.core.errors import Denied, Malformed, RelayError, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.trust import LedgerRoot
from tests.ledgers.bench import NOW_MS, Bench, open_bench
from tests.ledgers.contract import CourtContract, SourceContract


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


class TestEmbeddedSource(SourceContract):
    """A lender's ledger."""


class TestEmbeddedCourt(CourtContract):
    """A court's ledger."""


async def proof_of(bench: Bench) -> LedgerProof:
    return await bench.source.prove(await bench.source.anchor(bench.checkpoint(3)))  # type: ignore[no-any-return]


def refused(proof: LedgerProof, root: LedgerRoot) -> str:
    with pytest.raises((Unverified, Malformed)) as refusal:
        verify_quorum(proof, root)
    return str(refusal.value)


async def test_every_changed_byte_of_a_proof_is_refused(bench: Bench) -> None:
    proof = await proof_of(bench)
    reasons = []
    for place in range(len(proof.body)):
        for flip in (0x01, 0x20, 0x80):
            body = bytearray(proof.body)
            body[place] ^= flip
            reasons.append(refused(replace(proof, body=bytes(body)), bench.lender_root))
    assert len(reasons) == 3 * len(proof.body)


async def test_too_few_doubled_or_strange_signatures_are_refused(bench: Bench) -> None:
    proof = await proof_of(bench)
    value = json.loads(proof.body)
    text, lines = value["block"].split("\n\n")
    signatures = lines.strip().split("\n")

    def with_lines(rows: list[str]) -> LedgerProof:
        block = f"{text}\n\n" + "".join(f"{row}\n" for row in rows)
        body = json.dumps({**value, "block": block}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return replace(proof, body=body.encode())

    assert verify_quorum(with_lines(signatures), bench.lender_root).height == 1
    assert "exactly 3" in refused(with_lines(signatures[:2]), bench.lender_root)
    assert "different validators" in refused(with_lines([signatures[0], *signatures[:2]]), bench.lender_root)
    assert "order" in refused(with_lines(signatures[::-1]), bench.lender_root)
    renamed = signatures[0].replace("validator-1", "validator-9")
    assert "not a pinned validator" in refused(with_lines([*signatures[1:], renamed]), bench.lender_root)


async def test_proof_under_other_roots_is_refused(bench: Bench) -> None:
    proof = await proof_of(bench)
    assert "embedded:court-1" in refused(proof, bench.court_root)
    assert "quorum" in refused(replace(proof, kind="other"), bench.lender_root)
    late = [replace(v, valid_from_ms=NOW_MS + 1) for v in bench.lender_root.validators]
    assert "not valid" in refused(proof, replace(bench.lender_root, validators=tuple(late)))
    more = replace(bench.lender_root, threshold=4)
    assert "exactly 4" in refused(proof, more)


async def test_validator_that_changed_its_key_keeps_its_old_blocks_provable(bench: Bench) -> None:
    proof = await proof_of(bench)
    old = [replace(v, valid_to_ms=NOW_MS + 1) for v in bench.lender_root.validators]
    new = [replace(v, public_key=bytes([i] * 32), valid_from_ms=NOW_MS + 1) for i, v in enumerate(old)]
    both = replace(bench.lender_root, validators=(*old, *[replace(v, valid_to_ms=NOW_MS * 2) for v in new]))
    assert verify_quorum(proof, both).height == 1


async def test_origin_belongs_to_its_first_sender(bench: Bench) -> None:
    """Another client with a valid certificate cannot anchor under the lender's origin."""
    await bench.source.anchor(bench.checkpoint(3))
    settings = dict(read_relay(bench.home / "relay/config.toml").sources[0].settings)
    other = await open_source(settings)
    try:
        with pytest.raises(Denied):
            await other.anchor(bench.checkpoint(4))
    finally:
        await other.close()


async def test_node_of_another_ledger_is_never_believed(bench: Bench) -> None:
    """Configuration names the ledger; a node that says another name is as good as unreachable."""
    settings = dict(read_court(bench.home / "court/config.toml").court_ledger.settings)
    wrong = await open_source({**settings, "ledger": "embedded:lender-1"})
    try:
        with pytest.raises(Unavailable, match="court-1"):
            await wrong.head()
    finally:
        await wrong.close()


@pytest.mark.parametrize("change", [{"address": ""}, {"surprise": "x"}, {"ca": "nowhere.pem"}, {"ledger": 7}])
async def test_wrong_settings_name_the_key(bench: Bench, change: dict[str, Any]) -> None:
    settings = dict(read_court(bench.home / "court/config.toml").court_ledger.settings)
    with pytest.raises(Malformed) as refusal:
        await open_source({**settings, **change})
    assert next(iter(change)) in str(refusal.value) or "cannot be read" in str(refusal.value)


async def test_size_zero_and_other_nonsense_is_an_error_of_the_contract(bench: Bench) -> None:
    for checkpoint in (replace(bench.checkpoint(1), size=0), replace(bench.checkpoint(1), root=b"x")):
        with pytest.raises(RelayError):
            await bench.source.anchor(checkpoint)
