"""What is erased is in no file any more: database, log of the database, payload files. Before, all of it could be recovered."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.deposit import input_digest, parse_deposit_line
from relay.core.errors import Malformed, NotFound
from relay.core.records import PayloadDigest
from relay.store.custodian import SqliteCustodianStore
from relay.store.vault import Vault
from tests.support.bundles import copy_home, noon_of
from tests.support.lines import small_dossier
from tests.support.retaining import BASIS, FILES, OPERATOR, PERSONAL, old_dossier, raw, retaining
from tests.support.way import Way, open_way


@pytest.fixture
async def way(fresh_home: Path, tmp_path: Path) -> AsyncIterator[Way]:
    home = copy_home(fresh_home, tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="bytes") as opened:
        await opened.deposit("CANARY-loan", old_dossier())
        await opened.deposit("other loan", small_dossier())
        yield opened


def data(way: Way) -> Path:
    return way.home / "custodian/data"


async def sealed(way: Way, dossier: str, seqs: tuple[int, ...]) -> dict[str, bytes]:
    """Every stored value that leads to a record's contents, as its bytes on disk, cut to what lies on one page."""

    def read(c: sqlite3.Connection) -> dict[str, bytes]:
        marks = ",".join(map(str, seqs))
        found: dict[str, bytes] = {}
        for seq, text, digest in c.execute(
            f"SELECT seq, sealed_text, input_digest FROM record WHERE dossier = ? AND seq IN ({marks})", (dossier,)
        ):
            found |= {f"text {seq}": text[:48], f"end of text {seq}": text[-48:], f"digest {seq}": digest}
        for blob, key, sha256 in c.execute(
            f"SELECT blob, sealed_key, sha256 FROM payload WHERE dossier = ? AND seq IN ({marks})", (dossier,)
        ):
            found |= {f"key {blob}": key, f"sha256 {blob}": sha256.encode()}
            found[f"file {blob}"] = (data(way) / "vault" / blob).read_bytes()[:4096]
        keys, reference = c.execute(
            "SELECT sealed_keys, sealed_reference FROM dossier WHERE id = ?", (dossier,)
        ).fetchone()
        return found | {"dossier keys": keys, "reference": reference}

    return await way.custodian_store._database.read(read)


async def contents(folder: Path, master: bytes, dossier: str) -> bytes:
    """All that a copy of the custodian's folder gives to whoever has the master key."""
    store = await SqliteCustodianStore.open(folder, master)
    try:
        records = await store.records(dossier)
        vault = Vault(folder / "vault")
        payloads = [b"".join(vault.read(p)) for r in records for _, p in r.payloads]
        return b"".join([*(r.text.encode() for r in records), *payloads])
    finally:
        await store.close()


def master_of(way: Way) -> bytes:
    return (way.home / "custodian/keys/master.key").read_bytes()


def copy(way: Way, to: Path) -> Path:
    return Path(shutil.copytree(data(way), to, ignore=shutil.ignore_patterns("*-shm", "lock")))


async def test_whole_dossier_leaves_nothing_but_its_tombstone(way: Way, tmp_path: Path) -> None:
    state = await way.custodian_store.find_dossier("CANARY-loan")
    assert state is not None
    before = await sealed(way, state.id, (0, 1, 2, 3))
    assert len(before) == 4 * 3 + 2 * 3 + 2
    on_disk = raw(data(way))
    assert [name for name, value in before.items() if value not in on_disk] == []  # the control: all of it is there
    assert not any(secret.encode() in on_disk for secret in (*PERSONAL, "CANARY-loan"))  # and none of it in clear
    opened = await contents(copy(way, tmp_path / "before"), master_of(way), state.id)
    assert all(part in opened for part in FILES)
    assert opened.count(b"~") >= 3 + 1 + 1
    await retaining(way).erasures.erase(
        "CANARY-loan", None, due=False, basis=BASIS, actor=OPERATOR, despite_grants=False
    )
    on_disk = raw(data(way))
    assert [name for name, value in before.items() if value in on_disk] == []
    assert not any(secret.encode() in on_disk for secret in (*PERSONAL, "CANARY-loan"))
    assert (data(way) / "custodian.sqlite-wal").stat().st_size < 200_000  # emptied, then the completion alone
    with pytest.raises(NotFound):
        await contents(copy(way, tmp_path / "after"), master_of(way), state.id)
    other = await way.custodian_store.find_dossier("other loan")
    assert other is not None
    assert [r.seq for r in await way.custodian_store.records(other.id)] == [0, 1, 2]


async def test_single_records_leave_nothing_and_the_others_stay(way: Way, tmp_path: Path) -> None:
    """The old data key goes too: a stray copy of an erased row cannot be opened with what the custodian has now."""
    state = await way.custodian_store.find_dossier("CANARY-loan")
    assert state is not None
    before = await sealed(way, state.id, (1, 2))
    on_disk = raw(data(way))
    assert [name for name, value in before.items() if value not in on_disk] == []
    old = copy(way, tmp_path / "before")
    await retaining(way).erasures.erase(
        "CANARY-loan", [1, 2], due=False, basis=BASIS, actor=OPERATOR, despite_grants=False
    )
    on_disk = raw(data(way))
    del before["reference"]  # the dossier is still there
    assert [name for name, value in before.items() if value in on_disk] == []
    records = await way.custodian_store.records(state.id)
    assert [(r.seq, bool(r.text), bool(r.erased_s), len(r.payloads)) for r in records] == [
        (0, True, False, 0), (1, False, True, 0), (2, False, True, 0), (3, True, False, 0),
    ]  # fmt: skip
    now = await way.custodian_store.dossier(state.id)
    assert now is not None
    assert (now.key, now.digests[1:3], now.digests[0]) == (state.key, (b"", b""), state.digests[0])
    # the rows of a backup, with the keys of today
    with sqlite3.connect(old / "custodian.sqlite") as stray:
        today = await way.custodian_store._database.read(
            lambda c: c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (state.id,)).fetchone()[0]
        )
        stray.execute("UPDATE dossier SET sealed_keys = ? WHERE id = ?", (today, state.id))
    stray.close()
    with pytest.raises(Malformed, match="cannot be decrypted"):
        await contents(old, master_of(way), state.id)


async def test_digest_of_what_was_deposited_is_gone_too(way: Way) -> None:
    """It has no salt: whoever can guess a line could recognise it."""
    line, payloads = old_dossier()[1]
    parsed = parse_deposit_line(json.dumps({"dossier": "CANARY-loan", **line}).encode(), what="line")
    listed = [
        PayloadDigest(name=f"file-{n}.bin", media_type="text/plain", size=len(p), sha256=hashlib.sha256(p).hexdigest())
        for n, p in enumerate(payloads)
    ]
    guessed = input_digest(parsed, listed)
    assert guessed in raw(data(way))
    await retaining(way).erasures.erase(
        "CANARY-loan", [1], due=False, basis=BASIS, actor=OPERATOR, despite_grants=False
    )
    assert guessed not in raw(data(way))


async def test_no_key_survives_in_a_page_after_many_erasures(way: Way) -> None:
    """Pages split and merge as dossiers come and go; a copy of a cell left in a page's gap would be a key that was not destroyed."""
    dice, services = random.Random(7), retaining(way)
    living, gone = {}, []
    for number in range(60):
        stored = await way.deposit(f"loan-{number}", shortened(dice.randint(0, 2)))
        living[f"loan-{number}"] = stored.dossier
        if number % 3:
            name = dice.choice(sorted(living))
            dossier = living.pop(name)
            gone.append(await sealed(way, dossier, (0, 1, 2, 3)))
            await services.erasures.erase(name, None, due=False, basis=BASIS, actor=OPERATOR, despite_grants=False)
    await way.custodian_store.erasures.scrub()
    on_disk = raw(data(way))
    assert len(gone) == 40
    own = [
        (name, value)
        for values in gone
        for name, value in values.items()
        if name.split()[0] not in ("digest", "sha256")
    ]
    assert len(own) > 300
    assert [
        name for name, value in own if value in on_disk
    ] == []  # digests of equal lines are also of dossiers that stay


def shortened(dropped: int) -> list[Any]:
    """The old dossier without some of the records in its middle."""
    kept = [pair for place, pair in enumerate(old_dossier()) if place in (0, 3) or place > dropped]
    return [({**line, "seq": seq}, payloads) for seq, (line, payloads) in enumerate(kept)]
