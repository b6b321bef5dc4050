"""Nomad (1 August 2022): a fresh contract trusted the zero root, and what was never proven mapped to zero. Here a fresh store
trusts nothing, and no empty or zero value stands for a root, a key, a proof or a registration.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from relay.core.base64strict import b64encode
from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.errors import Conflict, Denied, Malformed, RelayError, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion, verify_subtree_consistency
from relay.core.note import Note, VerifierKey, check_ed25519, format_note, sign_note
from relay.core.requests import request_digest
from relay.ports.court import HeldCheckpoint
from relay.setup.keys import load_signing_key
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore
from relay.store.relay import SqliteRelayStore
from tests.core.test_rules import ask
from tests.evidence.test_retrieval_attacks import request_under
from tests.ledgers.bench import Bench
from tests.regression.refusing import refusal
from tests.support.lines import small_dossier
from tests.support.links import announced
from tests.support.way import Way

NOTHING = (bytes(32), EMPTY_ROOT, b"")


def rows_of(path: Path) -> Mapping[str, list[tuple[object, ...]]]:
    """Every table of a database file and what stands in it."""
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


async def test_fresh_store_of_every_role_holds_no_row(tmp_path: Path, bench: Bench) -> None:
    """No migration may plant something that counts as known; the custodian's own two logs are there, and empty."""
    for store in (
        await SqliteRelayStore.open(tmp_path / "relay"),
        await SqliteCourtStore.open(tmp_path / "court"),
        await SqliteCustodianStore.open(tmp_path / "custodian", bytes(32)),
    ):
        await store.close()
    files = [*tmp_path.glob("*/*.sqlite"), *bench.home.glob("*-ledger/data/ledger.sqlite")]
    assert len(files) == 5
    for path in files:
        found = {name: rows for name, rows in rows_of(path).items() if rows and name != "sqlite_sequence"}
        # two logs of no entries, and a projection that has read no block: sizes and places, no roots
        own = {"mirror_log": [("evidence", 0), ("custody", 0)], "projection": [(1, 0, b"", 0, 0)]}
        told = {"notice_head": [(1, "", 0)]}  # nothing was told to a broker yet
        known = {"custodian.sqlite": own, "relay.sqlite": told, "court.sqlite": told}
        assert found == known.get(path.name, {}), path


async def test_checkpoint_without_cosignature_or_receipt_is_not_among_the_accepted(tmp_path: Path) -> None:
    """What is not proven is empty, and empty never equals proven."""
    store = await SqliteCourtStore.open(tmp_path / "court")
    nothing = LedgerProof(kind="quorum", ledger="l", body=b"")
    held = HeldCheckpoint(
        origin="a.example/log", size=1, root=bytes(32), note=b"", anchor=nothing, anchored_ms=0, cosigned=b"", receipt=None,
        receipted_ms=0,
    )  # fmt: skip
    await store.add_checkpoint(held, 0)
    assert await store.accepted(held.origin, [0]) == []
    await store.save_receipt(held.origin, 1, nothing, 0)
    await store.save_cosigned(held.origin, 1, b"")
    assert await store.accepted(held.origin, [0]) == []
    with pytest.raises(Conflict):
        await store.add_checkpoint(held, 0)
    await store.close()


async def test_zero_root_is_no_checkpoint_for_a_fresh_court(way: Way, bench: Bench) -> None:
    """Signed by the log itself: without an anchor of exactly these facts it is nothing, at the gateway and on the ledger."""
    await way.deposit("loan", small_dossier(1))
    anchor = await way.source.anchor(Checkpoint(origin=way.origin, size=1, root=way.custodian_store.files.root(1)))
    proof = await way.source.prove(anchor)
    log = load_signing_key(way.home / "custodian/keys/log.pem")
    for root in (bytes(32), EMPTY_ROOT):
        for size in (0, 1, 2):
            text = checkpoint_text(Checkpoint(origin=way.origin, size=size, root=root))
            signature = sign_note(text, VerifierKey.ed25519(way.origin, log.public_key), log.sign)
            note = format_note(Note(text=text, signatures=(signature,)))
            for given in (proof, LedgerProof(kind=proof.kind, ledger=proof.ledger, body=b"")):
                with pytest.raises(RelayError):
                    await way.mirror.add_checkpoint(announced(note, 0, [], given))
            good = await bench.submission(3)
            with pytest.raises((Malformed, Unverified)):
                await bench.court.submit(bench.replaced(good, checkpoint=note))
    assert (await way.mirror.latest(way.origin)).size == 0
    assert (await way.mirror.latest(way.origin)).cosigned == b""
    assert await bench.court.latest(bench.origin) is None


def test_zero_and_empty_hashes_keys_and_signatures_prove_nothing() -> None:
    for root in NOTHING:
        for leaf in NOTHING:
            for size in (0, 2, 2**53 - 1):
                refusal(verify_inclusion, leaf, 0, size, [], root)
                refusal(verify_inclusion, leaf, 0, size, [bytes(32)], root)
                refusal(verify_consistency, 0, size, [], leaf, root)
                refusal(verify_subtree_consistency, 0, 0, size, [], leaf, root)
    for key in (bytes(32), b"", b"\x01" + bytes(31)):
        for signature in (bytes(64), b"", b"\x01" + bytes(63)):
            for message in (b"", b"any message", bytes(32)):
                assert check_ed25519(key, signature, message) is False
    for text in ("", "+00000000+", "log+00000000+AQ==", f"log+00000000+{b64encode(bytes([1]) + bytes(32))}"):
        assert refusal(VerifierKey.parse, text)


async def test_grant_that_nobody_registered_permits_nothing(way: Way) -> None:
    """Zero digest, unknown digest, and everything that is not plainly 'registered'."""
    stored = await way.deposit("loan", small_dossier(1))
    ask(registered=True)
    for unproven in (False, None, 0, "", b"", (), 1, "no"):
        with pytest.raises(Denied, match="not registered"):
            ask(registered=unproven)
    assert await way.custodian_store.grant(bytes(32)) is None
    state = await way.registry.grant_state(way.link._court, bytes(32))
    assert (state.registered_ms, state.revoked_ms, state.registration) == (0, 0, b"")
    token = request_under(way, await way.grant(stored.dossier), digest=bytes(32))
    with pytest.raises(Denied, match="no grant of that digest"):
        await way.disclosures.authorise(request_digest(token), token)
