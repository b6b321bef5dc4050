"""What doctor says of a home with one thing wrong: the check, the level, the words; and that it changes nothing."""

from __future__ import annotations

import asyncio
import datetime
import os
import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.app.doctor.examination import examine
from relay.app.doctor.findings import Finding, worst
from relay.app.initialise import IDENTITIES
from relay.app.trust import read_trust, use_trust
from relay.core.errors import Malformed
from relay.durable.files import FolderLock
from relay.setup.ca import issue, write_list
from relay.setup.keys import make_signing_key
from relay.transport.credentials import TlsFiles
from relay.transport.servers import serving
from tests.support.command import courtrelay
from tests.support.command import serving as running

Change = Callable[[str, str, str], Path]
AROUND = {"peer", "ledger"}
"""Checks that fail where nothing runs."""


async def wrong(home: Path, role: str) -> list[Finding]:
    """What is not ok, but for what is around the role."""
    return [one for one in await examine(home, role, None) if one.level != "ok" and one.check not in AROUND]


async def only(home: Path, role: str) -> Finding:
    """The one thing that is wrong."""
    (found,) = await wrong(home, role)
    return found


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def reissue(home: Path, role: str, at: datetime.datetime, days: int) -> None:
    for name in ("tls.pem", "tls.key", "ca.pem"):
        (home / role / name).unlink()
    issue(home / "ca", IDENTITIES[role], home / role, at, days=days)


def tree(home: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (found.st_mode, found.st_size, found.st_mtime_ns)
        for path in sorted(home.rglob("*"))
        for found in [path.stat()]
    }


async def test_home_as_init_makes_it_is_well_and_stays_as_it_is(home: Path) -> None:
    before = tree(home)
    found = await examine(home, "", None)
    assert {one.check for one in found if one.level != "ok"} == AROUND
    assert {one.role for one in found} == {"custodian", "relay", "court", "lender-ledger", "court-ledger"}
    assert tree(home) == before


async def test_a_folder_that_was_used_stays_as_it_is(home: Path) -> None:
    """A store with a write-ahead log that was never moved into the file, as after SIGKILL."""
    data = home / "relay/data"
    data.mkdir(mode=0o700)
    with closing(sqlite3.connect(data / "relay.sqlite")) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute(f"PRAGMA application_id = {0x43525259}")
        store.execute("CREATE TABLE t (x)")
        store.execute("PRAGMA user_version = 99")
        store.commit()
        before = {path: path.read_bytes() for path in data.iterdir() if not path.name.endswith("-shm")}
        found = await only(home, "relay")
        assert (found.level, found.check) == ("problem", "schema")
        assert "is of schema 99" in found.what
        assert "run the newer version" in found.what
        assert {path: path.read_bytes() for path in data.iterdir() if not path.name.endswith("-shm")} == before


@pytest.mark.parametrize(
    ("role", "old", "new", "words"),
    [
        ("custodian", "count =", "cuont =", "anchoring.count: is missing"),
        ("relay", "[tls]", "[tlss]\n[tls]", "tlss: is not a known key here; did you mean tls?"),
    ],
)
async def test_wrong_configuration(change: Change, home: Path, role: str, old: str, new: str, words: str) -> None:
    path = change(role, old, new)
    found = await only(home, role)
    assert (found.level, found.check, found.where, found.what) == ("problem", "configuration", str(path), words)


@pytest.mark.parametrize(
    ("role", "file"),
    [
        ("custodian", "keys/master.key"),
        ("custodian", "keys/sealing.key"),
        ("court", "keys/seal.pem"),
        ("court", "report.key"),
        ("relay", "tls.key"),
        ("court-ledger", "validators/validator-1.pem"),
    ],
)
async def test_secret_that_others_may_read(home: Path, role: str, file: str) -> None:
    (home / role / file).chmod(0o604)
    found = await only(home, role)
    assert (found.level, found.check) == ("problem", "permissions")
    assert "has mode 0604, open to others" in found.what


async def test_key_of_another_kind(home: Path) -> None:
    path = home / "custodian/keys/record.pem"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*form))
    found = await only(home, "custodian")
    assert (found.check, found.where) == ("keys", "keys.record")
    assert "must be an Ed25519 key" in found.what


async def test_key_that_nobody_pins(home: Path) -> None:
    (home / "court/keys/witness.pem").unlink()
    make_signing_key(home / "court/keys/witness.pem")
    found = await only(home, "court")
    assert (found.level, found.check, found.where) == ("problem", "trust", "keys.witness")
    assert "is not what" in found.what


@pytest.mark.parametrize(
    ("begin_days", "days", "level", "check", "words"),
    [
        (-100, 50, "problem", "tls", "has expired at"),
        (-100, 110, "warning", "tls", "expires in 9 days"),
        (1, 50, "problem", "clock", "the clock is behind"),
    ],
)
async def test_certificate_that_is_not_valid(
    home: Path, begin_days: int, days: int, level: str, check: str, words: str
) -> None:
    reissue(home, "relay", now() + datetime.timedelta(days=begin_days), days)
    found = await only(home, "relay")
    assert (found.level, found.check) == (level, check)
    assert words in found.what


async def test_certificate_of_somebody_else(home: Path) -> None:
    for name in ("tls.pem", "tls.key"):
        (home / "relay" / name).write_bytes((home / "custodian" / name).read_bytes())
    found = await only(home, "relay")
    assert (found.check, found.level) == ("tls", "problem")
    assert "custodian/lender, configured is" in found.what


async def test_revocation_list_that_has_run_out(home: Path) -> None:
    write_list(home / "ca", home / "crl.pem", now() - datetime.timedelta(days=2000), (), 2)
    found = await only(home, "court")
    assert (found.check, found.level) == ("revocation", "problem")
    assert "has run out" in found.what


@pytest.mark.parametrize(
    ("left_days", "level", "words"),
    [(-1, "problem", "have expired"), (20, "warning", "expires in 19 days")],
)
async def test_trust_roots_that_run_out(home: Path, left_days: int, level: str, words: str) -> None:
    path, end = home / "trust.json", int(now().timestamp()) + left_days * 86_400
    path.write_bytes(replace(read_trust(path), expires_at_s=end, issued_at_s=end - 366 * 86_400).to_json())
    found = await only(home, "custodian")
    assert (found.level, found.check) == (level, "trust")
    assert words in found.what


async def test_trust_roots_older_than_what_was_used(home: Path, tmp_path: Path) -> None:
    data = home / "court/data"
    data.mkdir(mode=0o700)
    newer = tmp_path / "newer.json"
    newer.write_bytes(replace(read_trust(home / "trust.json"), version=9).to_json())
    use_trust(newer, data)
    found = await only(home, "court")
    assert (found.check, found.level) == ("trust", "problem")
    assert "version 9 was in use here before" in found.what


async def test_port_of_another_process_and_our_own(home: Path) -> None:
    listen = re.search(r'^listen = "127\.0\.0\.1:(\d+)"', (home / "relay/config.toml").read_text(), re.MULTILINE)
    assert listen
    with socket.create_server(("127.0.0.1", int(listen[1]))):
        found = await only(home, "relay")
        assert (found.check, found.level) == ("port", "problem")
        assert f"held by process {os.getpid()} (" in found.what
        (home / "relay/data").mkdir(mode=0o700)
        lock = FolderLock(home / "relay/data")
        try:
            told = [one for one in await examine(home, "relay", None) if one.check in ("port", "lock")]
        finally:
            lock.release()
    assert {one.level for one in told} == {"ok"}
    assert any("held by the role itself" in one.what for one in told)
    assert any(f"held by process {os.getpid()} (" in one.what for one in told if one.check == "lock")


async def test_disk_without_room(change: Change, home: Path) -> None:
    change("relay", "[ops]\n", f"[ops]\ndisk_free_bytes_min = {1 << 50}\n")
    (home / "relay/data").mkdir(mode=0o700)
    found = await only(home, "relay")
    assert (found.check, found.level) == ("disk", "problem")
    assert "make room" in found.what


async def test_full_disk_leaves_no_probe(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = home / "relay/data"
    data.mkdir(mode=0o700)

    def full(_handle: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("relay.app.doctor.files.os.write", full)
    found = await only(home, "relay")
    assert (found.check, found.what.split(";")[0]) == ("data", "cannot be written: No space left on device")
    assert list(data.iterdir()) == []


async def test_store_of_an_older_version_and_no_database(home: Path) -> None:
    file = home / "court/data/court.sqlite"
    file.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(file)) as store:
        for pragma in (f"application_id = {0x43524354}", "user_version = 1", "journal_mode = WAL"):
            store.execute(f"PRAGMA {pragma}")
        store.execute("CREATE TABLE t (x)")
    found = await only(home, "court")
    assert (found.check, found.level) == ("schema", "warning")
    assert "the start brings it to" in found.what
    file.write_bytes(b"x" * 200)
    assert "is not a usable database" in (await only(home, "court")).what


async def peer_of_custodian(home: Path) -> list[Finding]:
    return [
        one
        for one in await examine(home, "custodian", None)
        if one.check == "peer" or (one.check == "clock" and one.where.startswith("relay"))
    ]


async def test_peer_whose_clock_is_ten_minutes_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    listen = re.search(r'^listen = "(.+)"', (home / "relay/config.toml").read_text(), re.MULTILINE)
    assert listen
    ahead = SimpleNamespace(time_ns=lambda: time.time_ns() + 600 * 10**9)
    monkeypatch.setattr("relay.transport.health.time", ahead)
    tls = TlsFiles(
        **{name: home / "relay" / f for name, f in (("ca", "ca.pem"), ("certificate", "tls.pem"), ("key", "tls.key"))}
    )
    async with serving([], address=listen[1], tls=tls, allow={}):
        peer, clock = await peer_of_custodian(home)
    assert (peer.check, peer.level in ("ok", "warning")) == ("peer", True)
    assert (clock.check, clock.level) == ("clock", "problem")
    assert re.search(r"the clock of relay is (599|600)\.\d s ahead of ours", clock.what)


async def test_peer_whose_certificate_is_not_valid_yet(home: Path) -> None:
    import ssl

    port = re.search(r'^listen = "127\.0\.0\.1:(\d+)"', (home / "relay/config.toml").read_text(), re.MULTILINE)
    assert port
    reissue(home, "relay", now() + datetime.timedelta(minutes=15), 50)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home / "relay/tls.pem", home / "relay/tls.key")

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", int(port[1]), ssl=context):
        (peer,) = await peer_of_custodian(home)
    assert (peer.level, "one of the two clocks is wrong" in peer.what) == ("problem", True)


async def test_peer_that_speaks_something_else(home: Path) -> None:
    port = re.search(r'^listen = "127\.0\.0\.1:(\d+)"', (home / "relay/config.toml").read_text(), re.MULTILINE)
    assert port

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", int(port[1])):
        (peer,) = await peer_of_custodian(home)
    assert (peer.level, "refuses TLS" in peer.what) == ("problem", True)


async def test_ledger_of_another_name_is_not_pinned(change: Change, home: Path) -> None:
    change("court", 'ledger = "embedded:court-1"', 'ledger = "embedded:court-2"')
    found = await only(home, "court")
    assert (found.check, found.where) == ("trust", "court_ledger")


async def test_file_alone_says_its_role(home: Path) -> None:
    for role in ("custodian", "relay", "court"):
        found = await examine(home, "", home / role / "config.toml")
        assert {one.role for one in found} == {role}
    assert {one.role for one in await examine(home, "", home / "court-ledger/config.toml")} == {"lender-ledger"}


async def test_folder_that_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="has no role's folder"):
        await examine(tmp_path, "", None)
    with pytest.raises(Malformed, match="is none of"):
        await examine(tmp_path, "desk", None)


def test_verdict_is_the_worst() -> None:
    levels = [Finding(level, "relay", "keys", "x", "y") for level in ("ok", "problem", "warning")]  # type: ignore[arg-type]
    assert [worst(levels[:n]) for n in range(4)] == ["ok", "ok", "problem", "problem"]


def test_running_home_is_well_as_a_command(home: Path) -> None:
    with running(home):
        ran = courtrelay("doctor", "--home", home, "--json")
    report = ran.json()
    assert [one for one in report["findings"] if one["level"] == "problem"] == []
    assert ran.code == 0
    told = {(one["role"], one["check"]) for one in report["findings"]}
    assert {("custodian", "peer"), ("relay", "clock"), ("court", "ledger"), ("custodian", "lock")} <= told
    (home / "custodian/keys/master.key").chmod(0o644)
    ran = courtrelay("doctor", "custodian", "--home", home, "--wrong")
    assert ran.code == 1
    assert re.search(r"^problem  custodian +permissions +keys\.master: .*chmod 600", ran.out, re.MULTILINE)


async def test_health_says_that_the_clock_is_behind_the_own_certificate(home: Path) -> None:
    """The role starts and waits: nobody would take its certificate yet."""
    from relay.app.components import own
    from relay.config.roles import read_relay

    async def probe() -> None:
        return None

    async def clock() -> str:
        (one,) = (
            one
            for one in own("relay", read_relay(home / "relay/config.toml").common, "sqlite", probe)
            if (one.kind, one.name) == ("clock", "own")
        )
        return await one.look()

    assert await clock() == ""
    reissue(home, "relay", now() + datetime.timedelta(minutes=15), 50)
    assert "the clock is behind, or the certificate was made with one ahead" in await clock()
