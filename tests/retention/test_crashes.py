"""An erasure that dies at any of its steps is complete after the next start, and from its first step on nothing is disclosed."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.core.custody import custody_entry, parse_event
from relay.core.errors import Conflict, NotFound, Unavailable
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.tombstone import parse_tombstone
from relay.services.custodian.deposit import Deposits
from relay.services.custodian.erasure import Erasures
from relay.services.custodian.retention import Retention
from relay.setup.keys import FileSigner, load_signing_key, make_signing_key
from relay.store.custodian import SqliteCustodianStore
from relay.store.vault import Vault
from tests.support.crashing import Crash, Crashing, Points
from tests.support.frozen import SeededBytes, TestClock, no_waits, settle
from tests.support.retaining import BASIS, KINDS, OPERATOR, POLICY, old_dossier, raw

MASTER = b"m" * 32
LENDER = "spiffe://lender.example/custodian/one"
NOW_MS = 1_764_000_000_000


class CrashingVault:
    """Every call to the vault has a point before it and one after."""

    def __init__(self, vault: Vault, points: Points) -> None:
        self._vault = vault
        self._points = points

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self._points.hit(f"before vault.{name}")
            result = getattr(self._vault, name)(*arguments)
            self._points.hit(f"after vault.{name}")
            return result

        return call


class Custodian:
    """A custodian's store, vault and erasures on a folder; no ledgers."""

    def __init__(self, folder: Path, store: SqliteCustodianStore, points: Points, signer: FileSigner) -> None:
        self.folder, self.store, self.points = folder, store, points
        self.vault = Vault(folder / "vault")
        clock, random_bytes = TestClock(NOW_MS), SeededBytes(folder.name)
        self.deposits = Deposits(
            identity=LENDER, store=store, vault=self.vault, catalogue=KINDS, signer=signer, clock=clock,
            random_bytes=random_bytes,
        )  # fmt: skip
        self.retention = Retention(
            store=store.erasures, grants=store.grants, policy=POLICY, clock=clock, random_bytes=random_bytes
        )
        crashing: Any = Crashing(store.erasures, points, "store")
        vault: Any = CrashingVault(self.vault, points)
        self.erasures = Erasures(
            identity=LENDER, origin="lender.example/evidence", store=crashing, tombstones=store.erasures,
            retention=self.retention, vault=vault, quiet=quiet, append_custody=store.append_custody, signer=signer,
            clock=clock, random_bytes=random_bytes, backoff=no_waits,
        )  # fmt: skip

    async def erase(self, seqs: list[int] | None) -> str:
        return await self.erasures.erase("old", seqs, due=False, basis=BASIS, actor=OPERATOR, despite_grants=False)

    async def events(self) -> list[Any]:
        rows = await self.store._database.read(
            lambda c: c.execute("SELECT event FROM custody_event ORDER BY position").fetchall()
        )
        assert self.store.custody_files.entries(0, len(rows)) == [custody_entry(r[0]) for r in rows]
        return [parse_event(r[0]) for r in rows]


async def quiet(_dossier: str) -> None:
    """No answers are under way here."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an old dossier of four records and two payloads, and a key."""
    folder = tmp_path_factory.mktemp("prepared")
    make_signing_key(folder / "record.pem")

    async def deposit() -> None:
        async with custodian(folder / "data", folder / "record.pem") as opened:
            for reference in ("old", "stays"):
                intake = opened.deposits.begin(reference)
                for number, (line, payloads) in enumerate(old_dossier(files=(b"CANARY one", b"CANARY two")), 1):
                    await intake.record(number, json.dumps({"dossier": reference, **line}).encode())
                    for data in payloads:
                        await intake.payload(data, last=True)
                await opened.deposits.store(intake)

    asyncio.run(deposit())
    return folder


@asynccontextmanager
async def custodian(folder: Path, key: Path, points: Points | None = None) -> AsyncIterator[Custodian]:
    store = await SqliteCustodianStore.open(folder, MASTER)
    try:
        yield Custodian(folder, store, points or Points(), load_signing_key(key))
    finally:
        await store.close()


async def dies(prepared: Path, folder: Path, seqs: list[int] | None, *targets: int) -> list[Points]:
    """Erase and die at the first target; at each further one die again while going on; then go on to the end. Returns the points."""
    shutil.copytree(prepared / "data", folder)
    used = [Points(targets[0])]
    async with custodian(folder, prepared / "record.pem", used[0]) as opened:
        try:
            await opened.erase(seqs)
        except Crash:
            await nothing_is_shown_that_goes(opened, seqs)
    for target in (*targets[1:], 0):
        used.append(Points(target))
        async with custodian(folder, prepared / "record.pem", used[-1]) as opened:
            try:
                await opened.erasures.resume()
            except Crash:
                await nothing_is_shown_that_goes(opened, seqs)
    return used


async def nothing_is_shown_that_goes(opened: Custodian, seqs: list[int] | None) -> None:
    """Once the intent is stored. A new hold would come too late, and says so."""
    if not await opened.store.erasures.unfinished():
        return
    with pytest.raises((Conflict, NotFound)):
        await opened.retention.place_hold("old", "a case", "a court", OPERATOR)
    if seqs is None:
        assert await opened.store.find_dossier("old") is None
        return
    state = await opened.store.find_dossier("old")
    assert state is not None
    assert [r.seq for r in await opened.store.records(state.id) if r.erased_s and not r.text and not r.payloads] == seqs


async def complete(folder: Path, key: Path, secrets: list[bytes], seqs: list[int] | None, *, begun: bool) -> None:
    """Either nothing has happened, or all of it, once."""
    on_disk = raw(folder)
    async with custodian(folder, key) as opened:
        erased = [e.outcome for e in await opened.events() if e.action == "erase"]
        if not begun:
            assert erased == []
            assert all(secret in on_disk for secret in secrets)
            return
        assert erased == ["begun", "erased"]
        assert [secret for secret in secrets if secret in on_disk] == []
        assert len(list((folder / "vault").iterdir())) == (2 if seqs is None or 1 in seqs else 4)
        assert await opened.store.known_blobs() == {path.name for path in (folder / "vault").iterdir()}
        (held,) = await opened.store.tombstones("old") if seqs is None else await only(opened)
        assert held.done_ms
        places = parse_tombstone(held.token).places
        assert [seq for seq, _ in places] == (seqs if seqs is not None else [0, 1, 2, 3])
        stays = await opened.store.find_dossier("stays")
        assert stays is not None
        assert all(r.text for r in await opened.store.records(stays.id))
        size, files = opened.store.size, opened.store.files
        for _, index in places:  # the log is as it was, and its proofs hold
            entry = files.entries(index, index + 1)[0]
            verify_inclusion(leaf_hash(entry), index, size, files.inclusion_proof(index, size), files.root(size))


async def only(opened: Custodian) -> list[Any]:
    state = await opened.store.find_dossier("old")
    assert state is not None
    return await opened.store.tombstones(state.id)


async def secrets_of(prepared: Path, seqs: list[int] | None) -> list[bytes]:
    """Stored values of the records that go."""
    async with custodian(prepared / "data", prepared / "record.pem") as opened:
        state = await opened.store.find_dossier("old")
        assert state is not None

        def read(c: Any) -> list[bytes]:
            rows = c.execute("SELECT seq, sealed_text FROM record WHERE dossier = ?", (state.id,)).fetchall()
            found = [text[:48] for seq, text in rows if seqs is None or seq in seqs]
            found += [r[0] for r in c.execute("SELECT sealed_key FROM payload WHERE dossier = ?", (state.id,))]
            return [*found, c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (state.id,)).fetchone()[0]]

        return await opened.store._database.read(read)


@pytest.mark.parametrize("seqs", [None, [1, 2]], ids=["whole", "records"])
async def test_erasure_killed_at_every_step_is_complete_after_the_next_start(
    prepared: Path, tmp_path: Path, seqs: list[int] | None
) -> None:
    secrets = await secrets_of(prepared, seqs)
    names: set[str] = set()
    target = 0
    died = True
    while died:
        target += 1
        (first, _) = await dies(prepared, tmp_path / str(target), seqs, target)
        died = first.dead
        names.add(first.died_at)
        begun = first.died_at != "before store.begin"
        await complete(tmp_path / str(target), prepared / "record.pem", secrets, seqs, begun=begun)
    for step in ("store.begin", "store.remove", "vault.forget", "vault.sync", "store.scrub", "store.finish"):
        assert {f"before {step}", f"after {step}"} <= names
    assert target > 14


@pytest.mark.parametrize("seqs", [None, [1, 2]], ids=["whole", "records"])
async def test_erasure_killed_again_while_it_goes_on(prepared: Path, tmp_path: Path, seqs: list[int] | None) -> None:
    secrets = await secrets_of(prepared, seqs)
    for first, second in ((4, 3), (4, 6), (8, 4), (12, 5), (14, 9)):
        folder = tmp_path / f"{first}-{second}"
        used = await dies(prepared, folder, seqs, first, second)
        assert used[0].dead
        await complete(folder, prepared / "record.pem", secrets, seqs, begun=True)


async def test_foreign_reader_delays_the_end_and_nothing_else(prepared: Path, tmp_path: Path) -> None:
    """While another program reads, the log cannot be emptied: it is said, disclosures stay refused, and a later try completes it."""
    shutil.copytree(prepared / "data", tmp_path / "data")
    async with custodian(tmp_path / "data", prepared / "record.pem") as opened:
        real, busy = opened.store.erasures.scrub, [True]

        async def scrub() -> None:
            if busy:
                busy.clear()
                raise Unavailable("custodian.sqlite is being read by another program")
            await real()

        opened.store.erasures.scrub = scrub  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="another program"):
            await opened.erase(None)
        assert await opened.store.find_dossier("old") is None
        assert [held.done_ms for held in await opened.store.tombstones("old")] == [0]
        assert await opened.erasures.resume() == 1
        assert await opened.erasures.resume() == 0


async def test_worker_goes_on_by_itself(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "data", tmp_path / "data")
    async with custodian(tmp_path / "data", prepared / "record.pem", Points("before store.remove")) as opened:
        with pytest.raises(Crash):
            await opened.erase(None)
    async with custodian(tmp_path / "data", prepared / "record.pem") as opened:
        worker = asyncio.create_task(opened.erasures.run())

        async def complete() -> bool:
            return not await opened.store.erasures.unfinished()

        await settle(complete, "the erasure is complete")
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        assert opened.erasures.problem == ""
