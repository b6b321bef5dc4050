"""The custodian's memory: all of a deposit or nothing, one root a size, each use of a grant once; nothing in clear on disk."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.custody import custody_entry
from relay.core.errors import Conflict, Denied, Malformed, NotFound
from relay.core.ledgerproof import LedgerProof
from relay.ports.custodian import (
    CustodianCounts,
    DossierState,
    GrantRecord,
    KeptDisclosure,
    LogCheckpoint,
    NewRecord,
    PendingStatement,
    StoredRecord,
    VaultPayload,
)
from relay.ports.ledgers import Anchor
from relay.store.custodian import SqliteCustodianStore

MASTER, GRANT = b"m" * 32, b"g" * 32
NAME, PHONE = "王小明", "13800000000"
RECEIPT = LedgerProof(kind="quorum", ledger="embedded:court-1", body=b"receipt")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteCustodianStore]:
    opened = await SqliteCustodianStore.open(tmp_path / "custodian", MASTER)
    yield opened
    await opened.close()


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def dossier(name: str = "d1") -> DossierState:
    return DossierState(id=name, key=digest("key", name), digests=())


def payload(name: str) -> VaultPayload:
    return VaultPayload(blob=digest(name).hex()[:32], size=7, sha256=digest("p", name).hex(), key=digest("k", name))


def record(seq: int, name: str = "d1", payloads: int = 1) -> NewRecord:
    return NewRecord(
        seq=seq,
        kind="repayment",
        event_time_s=1000 + seq,
        confidentiality="normal",
        text=f"{NAME} {PHONE} {seq}",
        entry=b"\x00" + digest("tag", name) + digest("leaf", name, seq),
        input_digest=digest("input", name, seq),
        payloads=tuple((f"file-{n}", payload(f"{name}/{seq}/{n}")) for n in range(payloads)),
    )


def stored(new: NewRecord, index: int) -> StoredRecord:
    return StoredRecord(
        seq=new.seq,
        index=index,
        kind=new.kind,
        event_time_s=new.event_time_s,
        confidentiality=new.confidentiality,
        text=new.text,
        payloads=new.payloads,
    )


async def test_deposit_is_found_again_by_reference_and_id(store: SqliteCustodianStore) -> None:
    assert await store.find_dossier("loan 1") is None
    assert await store.dossier("d1") is None
    made = [record(n, payloads=n) for n in range(3)]
    assert await store.append_records("loan 1", dossier(), made, b"event") == [0, 1, 2]
    found = await store.find_dossier("loan 1")
    assert found == await store.dossier("d1") == replace(dossier(), digests=tuple(r.input_digest for r in made))
    assert await store.records("d1") == [stored(r, i) for i, r in enumerate(made)]
    assert await store.indices("d1") == [0, 1, 2]
    assert store.files.entries(0, 3) == [r.entry for r in made]
    assert store.custody_files.entries(0, 1) == [custody_entry(b"event")]
    assert await store.known_blobs() == {p.blob for r in made for _, p in r.payloads}
    with pytest.raises(NotFound):
        await store.records("d2")


async def test_dossiers_share_the_log_and_nothing_else(store: SqliteCustodianStore) -> None:
    await store.append_records("loan 1", dossier("d1"), [record(0)], b"e1")
    await store.append_records("loan 2", dossier("d2"), [record(0, "d2")], b"e2")
    await store.append_records("loan 1", dossier("d1"), [record(1)], b"e3")
    assert (await store.indices("d1"), await store.indices("d2")) == ([0, 2], [1])
    assert [r.seq for r in await store.records("d1")] == [0, 1]
    assert (store.size, store.custody_size) == (3, 3)


async def test_deposit_that_breaks_a_rule_leaves_nothing(store: SqliteCustodianStore) -> None:
    """The same seq twice, or a payload file twice: neither entry, nor record, nor payload reference, nor custody event."""
    await store.append_records("loan 1", dossier(), [record(0)], b"e")
    taken = record(0)
    for wrong in ([record(1), record(1)], [record(1), taken], [replace(record(1), payloads=taken.payloads)]):
        with pytest.raises(RuntimeError):
            await store.append_records("loan 1", dossier(), wrong, b"e")
        assert (store.size, store.files.size) == (1, 1)
        assert (store.custody_size, store.custody_files.size) == (1, 1)
        assert [r.seq for r in await store.records("d1")] == [0]
        assert await store.known_blobs() == {p.blob for _, p in taken.payloads}
    assert await store.append_records("loan 1", dossier(), [record(1)], b"e") == [1]


async def test_deposits_at_once_get_places_of_their_own(store: SqliteCustodianStore) -> None:
    names = [f"d{n}" for n in range(12)]
    places = await asyncio.gather(
        *(store.append_records(f"loan {n}", dossier(n), [record(s, n) for s in range(3)], b"e") for n in names)
    )
    assert sorted(p for three in places for p in three) == list(range(36))
    for name, three in zip(names, places, strict=True):
        assert await store.indices(name) == three
        assert store.files.entries(three[0], three[-1] + 1) == [record(s, name).entry for s in range(3)]


@pytest.mark.parametrize("turns", range(12))
async def test_depositor_that_hangs_up_does_not_shift_the_next(store: SqliteCustodianStore, turns: int) -> None:
    """A cancelled append runs to its end behind the next one's back: every record keeps the place of its entry."""
    task = asyncio.create_task(store.append_records("loan 1", dossier("d1"), [record(0), record(1)], b"e"))
    await asyncio.sleep(0)
    while turns and store.files.size == 0:  # entries are on disk before the commit that counts them
        await asyncio.sleep(0.0001)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    places = await store.append_records("loan 2", dossier("d2"), [record(0, "d2")], b"e")
    await asyncio.gather(task, return_exceptions=True)
    assert places == await store.indices("d2") == [store.size - 1]
    assert store.files.entries(places[0], store.size) == [record(0, "d2").entry]
    if await store.dossier("d1") is not None:
        assert [store.files.entries(i, i + 1)[0] for i in await store.indices("d1")] == [
            record(0).entry,
            record(1).entry,
        ]


async def test_nothing_personal_is_in_clear_on_disk(store: SqliteCustodianStore, tmp_path: Path) -> None:
    await store.append_records(f"loan of {NAME}", dossier(), [record(n) for n in range(3)], b"e")
    secrets = [
        NAME.encode(),
        PHONE.encode(),
        b"loan of",
        dossier().key,
        *(p.key for _, p in record(0).payloads),
        MASTER,
    ]
    for path in (tmp_path / "custodian").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not [s for s in secrets if s in data], path.name


async def test_wrong_master_key_is_said_and_harms_nothing(tmp_path: Path) -> None:
    store = await SqliteCustodianStore.open(tmp_path, MASTER)
    await store.append_records("loan 1", dossier(), [record(0)], b"e")
    await store.close()
    with pytest.raises(Malformed, match="right master key"):
        await SqliteCustodianStore.open(tmp_path, b"w" * 32)
    again = await SqliteCustodianStore.open(tmp_path, MASTER)
    assert await again.records("d1") == [stored(record(0), 0)]
    await again.close()


async def test_one_root_a_size(store: SqliteCustodianStore) -> None:
    """A log that signed two roots at one size has lied; it must not go on."""
    assert await store.last_checkpoint() is None
    for size in (5, 3):
        for _ in range(2):
            await store.save_checkpoint(size, bytes([size]) * 32, b"note %d" % size)
    with pytest.raises(Conflict, match="another root"):
        await store.save_checkpoint(3, bytes(32), b"other")
    assert await store.last_checkpoint() == LogCheckpoint(size=5, root=b"\x05" * 32, note=b"note 5", anchored_height=0)


async def test_checkpoint_keeps_the_trace_it_began_with(store: SqliteCustodianStore) -> None:
    for note, trace in ((b"signed", "first"), (b"signed again", "")):
        await store.save_checkpoint(5, digest(5), note, trace)
    held = await store.last_checkpoint()
    assert held is not None
    assert (held.note, held.trace) == (b"signed again", "first")


async def test_checkpoints_go_from_anchored_to_confirmed(store: SqliteCustodianStore) -> None:
    for size in (2, 5, 9):
        await store.save_checkpoint(size, digest(size), b"note")
    assert await store.unconfirmed() == []
    for size in (5, 2):
        place: Any = {"height": size + 1, "block_hash": digest(1), "tx_id": digest(2), "time_ms": 3}
        await store.save_anchored(size, Anchor(ledger="l", origin="o", size=size, root=digest(size), **place))
    assert [(c.size, c.anchored_height) for c in await store.unconfirmed()] == [(2, 3), (5, 6)]
    await store.save_receipt(2, RECEIPT, b"cosigned")
    assert [c.size for c in await store.unconfirmed()] == [5]
    assert await store.counts() == CustodianCounts(dossiers=0, anchored_size=5, confirmed_size=2)


async def granted(store: SqliteCustodianStore, grant: bytes = GRANT) -> None:
    await store.save_grant(grant, f"token {grant[:1]!r}", "register it", b"grant made")


async def test_grant_waits_with_its_statement_until_recorded(store: SqliteCustodianStore) -> None:
    await granted(store)
    await granted(store, b"h" * 32)
    assert await store.pending_statements() == [
        PendingStatement(grant=g, action="register", token="register it") for g in (GRANT, b"h" * 32)
    ]
    await store.statement_recorded(GRANT, "register", 77)
    assert [p.grant for p in await store.pending_statements()] == [b"h" * 32]
    assert await store.grant(GRANT) == GrantRecord(
        digest=GRANT, token="token b'g'", uses_spent=0, registered_ms=77, revoked_ms=0
    )
    assert [g.digest for g in await store.grants()] == [b"h" * 32, GRANT]
    assert await store.grant(bytes(32)) is None
    with pytest.raises(RuntimeError):
        await granted(store)
    assert (store.custody_size, len(await store.grants())) == (2, 2)


async def test_revocation_counts_from_the_first(store: SqliteCustodianStore) -> None:
    with pytest.raises(NotFound):
        await store.revoke_grant(GRANT, 5, "revoke it", b"e")
    await granted(store)
    assert [await store.revoke_grant(GRANT, at, "revoke it", b"e") for at in (50, 60)] == [50, 50]
    assert [p.action for p in await store.pending_statements()] == ["register", "revoke"]
    assert store.custody_size == 2
    with pytest.raises(Denied, match="revoked"):
        await store.begin_disclosure(GRANT, 3, "n1", b"disclosed", dossier())
    assert store.custody_size == 2


async def test_revocations_at_once_have_one_time_and_one_event(store: SqliteCustodianStore) -> None:
    await granted(store)
    times = await asyncio.gather(*(store.revoke_grant(GRANT, at, "revoke it", b"e") for at in range(50, 60)))
    assert {g.revoked_ms for g in await store.grants()} == set(times)
    assert (len(set(times)), store.custody_size) == (1, 2)


async def test_nonce_is_good_once_and_a_refused_use_costs_nothing(store: SqliteCustodianStore) -> None:
    await granted(store)
    await granted(store, b"h" * 32)
    assert await store.begin_disclosure(GRANT, 2, "n1", b"first", dossier()) == 2
    for grant in (GRANT, b"h" * 32):
        with pytest.raises(Denied, match="nonce"):
            await store.begin_disclosure(grant, 2, "n1", b"replayed", dossier())
    assert await store.begin_disclosure(GRANT, 2, "n2", b"second", dossier()) == 3
    for nonce in ("n3", "n3"):
        with pytest.raises(Denied, match="spent"):
            await store.begin_disclosure(GRANT, 2, nonce, b"third", dossier())
    found = await store.grant(GRANT)
    assert found is not None
    assert (found.uses_spent, store.custody_size) == (2, 4)
    assert store.custody_files.entries(2, 4) == [custody_entry(b"first"), custody_entry(b"second")]
    with pytest.raises(Denied):
        await store.begin_disclosure(bytes(32), 2, "n4", b"unknown grant", dossier())


def kept(request: bytes, begun_ms: int, name: str = "d1") -> KeptDisclosure:
    return KeptDisclosure(
        request=request, grant=GRANT, dossier=name, case="Case 1", begun_ms=begun_ms, manifest="a.b.c", plan=b"p" * 32,
        header=b"{}", content_key=b"k" * 32,
    )  # fmt: skip


async def test_stream_is_kept_with_the_use_it_spent_and_forgotten_in_time(store: SqliteCustodianStore) -> None:
    await store.append_records("loan 1", dossier(), [record(0)], b"e")
    await granted(store)
    first, second = kept(b"1" * 32, 1000), kept(b"2" * 32, 2000)
    await store.begin_disclosure(GRANT, 2, "n1", b"e", dossier(), first, 0)
    with pytest.raises(Denied, match="nonce"):
        await store.begin_disclosure(GRANT, 2, "n1", b"e", dossier(), second, 0)
    assert await store.disclosure(second.request) is None
    await store.begin_disclosure(GRANT, 2, "n2", b"e", dossier(), second, 1000)
    assert [await store.disclosure(k.request) for k in (first, second)] == [first, second]
    await granted(store, b"h" * 32)
    with pytest.raises(NotFound):
        await store.begin_disclosure(b"h" * 32, 2, "n3", b"e", dossier(), kept(b"3" * 32, 1, "no dossier"), 0)
    await store.resume_disclosure(GRANT, "n4", b"resumed", first.request)
    await granted(store, b"i" * 32)
    await store.begin_disclosure(b"i" * 32, 2, "n5", b"e", dossier(), None, 1001)
    assert [await store.disclosure(k.request) for k in (first, second)] == [None, second]
    with pytest.raises(Denied, match="not kept any more"):
        await store.resume_disclosure(GRANT, "n6", b"resumed", first.request)
    found = await store.grant(GRANT)
    assert found is not None
    assert found.uses_spent == 2


async def test_resume_spends_a_nonce_and_no_use_and_never_outlives_a_revocation(store: SqliteCustodianStore) -> None:
    await store.append_records("loan 1", dossier(), [record(0)], b"e")
    await granted(store)
    begun = kept(b"1" * 32, 1000)
    await store.begin_disclosure(GRANT, 2, "n0", b"e", dossier(), begun)
    before = store.custody_size
    await store.resume_disclosure(GRANT, "n1", b"resumed", begun.request)
    with pytest.raises(Denied, match="nonce"):
        await store.resume_disclosure(GRANT, "n1", b"again", begun.request)
    await store.revoke_grant(GRANT, 50, "revoke it", b"e")
    with pytest.raises(Denied, match="revoked"):
        await store.resume_disclosure(GRANT, "n2", b"too late", begun.request)
    found = await store.grant(GRANT)
    assert found is not None
    assert (found.uses_spent, store.custody_size) == (1, before + 2)


async def test_kept_stream_does_not_show_its_key_or_case(store: SqliteCustodianStore, tmp_path: Path) -> None:
    await store.append_records("loan 1", dossier(), [record(0)], b"e")
    await granted(store)
    await store.begin_disclosure(GRANT, 2, "n1", b"e", dossier(), kept(b"1" * 32, 1000), 0)
    written = b"".join(f.read_bytes() for f in (tmp_path / "custodian").glob("custodian.sqlite*"))
    assert b"1" * 32 in written
    assert b"k" * 32 not in written
    assert b"Case 1" not in written


@pytest.mark.parametrize("same_nonce", [True, False])
async def test_of_many_requests_at_once_only_the_allowed_number_passes(
    store: SqliteCustodianStore, same_nonce: bool
) -> None:
    await granted(store)
    nonces = ["n" if same_nonce else f"n{i}" for i in range(30)]
    outcomes = await asyncio.gather(
        *(store.begin_disclosure(GRANT, 3, nonce, b"e", dossier()) for nonce in nonces), return_exceptions=True
    )
    passed = [o for o in outcomes if isinstance(o, int)]
    assert len(passed) == len(set(passed)) == (1 if same_nonce else 3)
    assert sum(isinstance(o, Denied) for o in outcomes) == 30 - len(passed)
    found = await store.grant(GRANT)
    assert found is not None
    assert (found.uses_spent, store.custody_size) == (len(passed), 1 + len(passed))


async def test_kill_after_any_write_loses_nothing(store: SqliteCustodianStore, tmp_path: Path) -> None:
    """The files as a killed process leaves them, opened beside the living one; and each nonce stays used."""
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: store.append_records("loan 1", dossier(), [record(n) for n in range(300)], b"e"),
        lambda: store.save_checkpoint(300, digest(1), b"note"),
        lambda: store.save_receipt(300, RECEIPT, b"c"),
        lambda: granted(store),
        lambda: store.begin_disclosure(GRANT, 1, "n1", b"e", dossier()),
        lambda: store.revoke_grant(GRANT, 9, "revoke it", b"e"),
    ]
    for number, step in enumerate(steps):
        await step()
        copy = shutil.copytree(tmp_path / "custodian", tmp_path / f"c{number}", ignore=shutil.ignore_patterns("*-shm"))
        other = await SqliteCustodianStore.open(copy, MASTER)
        assert await other.find_dossier("loan 1") == await store.find_dossier("loan 1")
        assert await other.grants() == await store.grants()
        assert await other.pending_statements() == await store.pending_statements()
        assert await other.counts() == await store.counts()
        assert await other.last_checkpoint() == await store.last_checkpoint()
        assert (other.size, other.files.root(300)) == (store.size, store.files.root(300))
        assert (other.custody_size, other.custody_files.size) == (store.custody_size, store.custody_size)
        if number >= 4:
            with pytest.raises(Denied):
                await other.begin_disclosure(GRANT, 9, "n1", b"e", dossier())
        await other.close()
