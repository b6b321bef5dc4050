"""THORChain (2021) and Qubit (2022): an event of the right shape was believed although another contract emitted it, or its
transaction had failed. Here an anchor counts only from the ledger, chain, sender, kind of fact and block that are pinned;
everything else leads nowhere.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.adapter import EmbeddedSource, open_source
from adapters.embedded.blocks import NO_BLOCK, Header, encode_tx, validator_key
from adapters.embedded.proof import build_proof, verify_quorum
from relay.app.trust import read_trust
from relay.config.roles import read_custodian
from relay.core.checkpoint import Checkpoint
from relay.core.checks import check_anchor
from relay.core.errors import Conflict, Denied, Malformed, Unverified
from relay.core.identity import Identity, Role
from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import ItemState
from relay.core.merkle import MemoryTree, leaf_hash
from relay.core.note import Note, format_note, sign_note
from relay.ports.ledgers import AnchorBlock
from relay.setup.ca import issue
from relay.setup.keys import load_signing_key, make_signing_key
from tests.ledgers.bench import NOW_MS, Bench
from tests.ledgers.test_embedded_attacks import chain
from tests.services.test_forwarding import note_of
from tests.services.test_watch import FINAL, ORPHANED, SEEN, watching
from tests.support.lines import small_dossier
from tests.support.links import announced
from tests.support.way import Way


@asynccontextmanager
async def intruder(home: Path) -> AsyncIterator[EmbeddedSource]:
    """Another custodian of the same authority, on the lender's ledger."""
    folder = home / "intruder"
    folder.mkdir()
    identity = Identity(trust_domain="courtrelay.example", role=Role.CUSTODIAN, name="intruder")
    issue(home / "ca", identity, folder, datetime.datetime.now(datetime.UTC))
    settings = dict(read_custodian(home / "custodian/config.toml").ledger.settings)
    files = {"ca": "ca.pem", "certificate": "tls.pem", "key": "tls.key"}
    source = await open_source({**settings, **{name: str(folder / file) for name, file in files.items()}})
    try:
        yield source
    finally:
        await source.close()


def signed_block(bench: Bench, fact: dict[str, Any], ledger: str = "") -> LedgerProof:
    """A proof, signed by the lender's real validators, of a block that holds any fact; `ledger` is the chain they sign for."""
    root = bench.lender_root
    tx = encode_tx(fact)
    header = Header(
        ledger=ledger or root.ledger, height=1, time_ms=NOW_MS, previous=NO_BLOCK,
        tx_root=MemoryTree([leaf_hash(tx)]).root(), tx_count=1,
    )  # fmt: skip
    lines = []
    for validator in root.validators[: root.threshold]:
        signer = load_signing_key(bench.home / f"lender-ledger/validators/{validator.name}.pem")
        key = validator_key(header.ledger, validator.name, validator.public_key)
        lines.append(sign_note(header.text(), key, signer.sign))
    note = format_note(Note(text=header.text(), signatures=tuple(lines)))
    return LedgerProof(kind="quorum", ledger=root.ledger, body=build_proof(note, tx, 0, []))


async def test_anchor_by_another_sender_is_refused_and_never_in_the_feed(bench: Bench) -> None:
    await bench.source.anchor(bench.checkpoint(3))
    async with intruder(bench.home) as other:
        for size in (3, 4, 8):
            with pytest.raises(Denied):
                await other.anchor(replace(bench.checkpoint(size), root=bytes([size]) * 32))
            with pytest.raises(Denied):
                await other.anchor(bench.checkpoint(size))
        await other.anchor(Checkpoint(origin="intruder.example/log", size=4, root=bytes(32)))
    anchors = [a for block in await chain(bench) for a in block.anchors]
    assert [(a.origin, a.size) for a in anchors] == [(bench.origin, 3), ("intruder.example/log", 4)]


async def test_refused_transaction_leaves_no_event(bench: Bench) -> None:
    """What fails is in no block: neither another root nor a smaller size shows in the feed, or can be proven."""
    first = await bench.source.anchor(bench.checkpoint(5))
    for size, root in ((5, bytes(32)), (4, bench.checkpoint(4).root), (1, bytes(32))):
        with pytest.raises(Conflict):
            await bench.source.anchor(Checkpoint(origin=bench.origin, size=size, root=root))
    with pytest.raises(Malformed):
        await bench.source.anchor(Checkpoint(origin=bench.origin, size=0, root=bytes(32)))
    assert [a for block in await chain(bench) for a in block.anchors] == [first]
    assert await bench.source.find(bench.origin, 4) is None


async def test_fact_of_another_kind_chain_or_origin_is_no_anchor(bench: Bench) -> None:
    """Real validators signed each block; what stands in it is not this anchor."""
    good = await bench.submission(3)
    checkpoint, trust = bench.checkpoint(3), read_trust(bench.home / "trust.json")
    fact = {
        "type": "anchor", "origin": checkpoint.origin, "size": 3, "root": checkpoint.root.hex(), "sender": bench.lender,
    }  # fmt: skip
    assert check_anchor(signed_block(bench, fact), checkpoint, trust, {"quorum": verify_quorum}).fact == fact
    wrong: list[dict[str, Any]] = [
        {"type": kind} for kind in ("checkpoint", "grant", "custody", "Anchor", "anchor ", "", None)
    ]
    wrong += [
        {"origin": "b.example/log"},
        {"origin": checkpoint.origin + "/"},
        {"size": 4},
        {"size": "3"},
        {"root": "00" * 32},
    ]
    wrong += [{"root": checkpoint.root.hex().upper()}, {"root": [checkpoint.root.hex()]}]
    proofs = [signed_block(bench, fact | change) for change in wrong]
    proofs += [
        signed_block(bench, {n: v for n, v in fact.items() if n != name}) for name in ("type", "origin", "size", "root")
    ]
    proofs += [signed_block(bench, fact, ledger=other) for other in (bench.court_root.ledger, "embedded:other")]
    proofs.append(replace(signed_block(bench, fact), ledger=bench.court_root.ledger))
    for proof in proofs:
        with pytest.raises((Unverified, Malformed)):
            check_anchor(proof, checkpoint, trust, {"quorum": verify_quorum})
        with pytest.raises((Unverified, Malformed)):
            await bench.court.submit(bench.replaced(good, anchor=proof))
    assert await bench.court.latest(bench.origin) is None


async def test_anchor_of_a_block_that_left_the_chain_is_orphaned(tmp_path: Path) -> None:
    """Wrong origin, wrong ledger, and a block that is not on the chain any more, all around the one that counts."""
    async with watching(tmp_path) as watch:

        def surrounded(block: AnchorBlock) -> list[AnchorBlock]:
            theirs = [replace(a, origin=f"{a.origin}/x") for a in block.anchors]
            elsewhere = [replace(a, ledger=a.ledger.upper(), size=a.size + 100) for a in block.anchors]
            return [replace(block, anchors=(*theirs, *elsewhere, *block.anchors))]

        watch.chain.deliver = surrounded
        for size in (1, 2, 3):
            await watch.chain.grow(size)
        await watch.become({1: SEEN, 2: SEEN, 3: SEEN})
        await watch.chain.reorganise(2, [5], [], [])
        await watch.caught_up()
        watch.chain.final_height = 4
        await watch.become({1: FINAL, 2: ORPHANED, 3: ORPHANED, 5: FINAL})
        counts = await watch.store.counts()
        assert sum(counts.values()) == 4


async def test_anchor_squatted_by_another_sender_brings_nothing_to_the_court(way: Way) -> None:
    """The first to name an origin on this ledger owns it there, and still speaks for no log: the court's ledger stays empty."""
    async with intruder(way.home) as other:
        await other.anchor(Checkpoint(origin="intruder.example/log", size=7, root=bytes(32)))
        squatted = Checkpoint(origin=way.origin, size=3, root=b"\x01" * 32)
        proof = await way.source.prove(await other.anchor(squatted))
    await way.deposit("loan", small_dossier(3))
    with pytest.raises(Denied):
        await way.source.anchor(Checkpoint(origin=way.origin, size=3, root=way.custodian_store.files.root(3)))
    assert {i.anchor.origin for i in await way.relay_store.items(list(ItemState), "", 10)} <= {way.origin}
    stranger = make_signing_key(way.home / "stranger.pem")
    with pytest.raises(Unverified, match="log signature"):
        await way.mirror.add_checkpoint(announced(note_of(way, squatted, stranger), 0, [], proof))
    assert await way.registry.latest(way.origin) is None
    assert (await way.mirror.latest(way.origin)).size == 0
