"""Every way in which a role cannot begin: one line that says what and what next, and a code of its own. Real processes."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from relay.app.exits import EXIT_CODES, EXIT_CONFIG, exit_code, last_line
from relay.core.errors import Conflict, Denied, Malformed, Unavailable
from relay.durable.errors import StorageFailed
from relay.setup.keys import make_signing_key
from tests.support.command import ROOT, Ran, courtrelay, environment

Change = Callable[[str, str, str], Path]
STORE = '[store]\nfamily = "postgresql"\nurl = "{}"\nlease_s = 5\n\n[tls]'


def ended(home: Path, role: str, code: int, *words: str, env: dict[str, str] | None = None) -> Ran:
    """The role ends with that code and one line with these words; nothing on standard output."""
    ran = courtrelay("serve", role, "--home", home, env=env)
    assert ran.code == code, ran.err
    assert ran.out == ""
    said = [line for line in ran.err.splitlines() if not line.startswith('{"time"')]
    assert len(said) == 1, ran.err
    assert said[0].startswith("error: ")
    for word in words:
        assert word in said[0]
    return ran


@pytest.mark.parametrize(
    ("role", "old", "new", "words"),
    [
        ("custodian", "[anchoring]", "[anchoring]\ninterval_sec = 2", ("anchoring.interval_sec", "did you mean interval_s?")),
        ("custodian", "interval_s = 2.0", 'interval_s = "2s"', ("anchoring.interval_s", 'a number without a unit, not "2s"')),
        ("court", "[keys]", "[keys", ("is not TOML",)),
        ("relay", "[tls]", STORE.format("postgresql://x:geheim@db/x"), ("store.url", "env:NAME or file:PATH")),
    ],
    ids=["unknown", "unit", "no-toml", "inline-secret"],
)  # fmt: skip
def test_wrong_configuration(change: Change, home: Path, role: str, old: str, new: str, words: tuple[str, ...]) -> None:
    path = change(role, old, new)
    ran = ended(home, role, 78, str(path), *words)
    assert "geheim" not in ran.err


@pytest.mark.parametrize(
    ("role", "file", "mode"),
    [
        ("custodian", "keys/master.key", 0o644),
        ("relay", "tls.key", 0o660),
        ("court", "report.key", 0o644),
        ("lender-ledger", "validators/validator-1.pem", 0o644),
    ],
)
def test_secret_that_others_may_read(home: Path, role: str, file: str, mode: int) -> None:
    (home / role / file).chmod(mode)
    ended(home, role, 77, str(home / role / file), f"mode {mode:04o}", "chmod 600")


def test_key_that_is_not_there_or_another(home: Path) -> None:
    key = home / "custodian/keys/record.pem"
    key.unlink()
    ended(home, "custodian", 79, str(key), "No such file", "put the file there")
    key.mkdir()
    ended(home, "custodian", 79, str(key), "no file")
    other = home / "relay/tls.key"
    other.write_bytes((home / "court/tls.key").read_bytes())
    ended(home, "relay", 79, str(other), "is not the key of")


def test_certificate_of_somebody_else(home: Path) -> None:
    for name in ("tls.pem", "tls.key"):
        (home / "relay" / name).write_bytes((home / "court" / name).read_bytes())
    ended(home, "relay", 79, "is the certificate of spiffe://courtrelay.example/court/court, configured is")


def test_port_in_use_names_its_holder(home: Path) -> None:
    listen = re.search(r'^listen = "127\.0\.0\.1:(\d+)"', (home / "relay/config.toml").read_text(), re.MULTILINE)
    assert listen
    with socket.create_server(("127.0.0.1", int(listen[1]))):
        ended(home, "relay", 80, f"cannot listen on 127.0.0.1:{listen[1]}", "held by process", "choose another address")


def test_store_of_a_newer_version_or_of_another_program(home: Path) -> None:
    file = home / "relay/data/relay.sqlite"
    file.parent.mkdir(mode=0o700)
    for application, version, words in ((0x43525259, 99, "update the program, or restore"), (7, 1, "another program")):
        file.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as made:
            made.execute(f"PRAGMA application_id = {application}")
            made.execute(f"PRAGMA user_version = {version}")
            made.execute("CREATE TABLE t (x)")
            made.commit()
        ended(home, "relay", 81, str(file), words)


def test_database_that_does_not_answer(change: Change, home: Path) -> None:
    pytest.importorskip("asyncpg")
    (home / "relay/database.url").write_text("postgresql://relay@127.0.0.1:1/courtrelay")
    (home / "relay/database.url").chmod(0o600)
    change("relay", "[tls]", STORE.format("file:database.url"))
    ended(home, "relay", 69, "PostgreSQL database courtrelay at 127.0.0.1")


def test_secrets_may_lie_in_the_environment(change: Change, home: Path) -> None:
    """They are read from there and nowhere else: with all of them well, the next thing that is wrong is told."""
    import base64

    folder = home / "custodian/keys"
    change("custodian", '"keys/master.key"', '"env:MASTER"')
    change("custodian", '"keys/record.pem"', '"env:RECORD"')
    change("custodian", '"keys/grant.pem"', '"file:keys/nowhere.pem"')
    well = {
        "MASTER": base64.b64encode((folder / "master.key").read_bytes()).decode(),
        "RECORD": (folder / "record.pem").read_text(),
    }
    for name in ("master.key", "record.pem"):
        (folder / name).unlink()
    ended(home, "custodian", 79, "keys/nowhere.pem", env=well)
    ended(home, "custodian", 79, "env:MASTER: the environment has no such variable", env={"RECORD": well["RECORD"]})


def test_full_disk_is_storage_with_what_to_do() -> None:
    for text in ("/data/x.sqlite: database or disk is full", "/data/pack: [Errno 28] No space left on device"):
        assert exit_code(StorageFailed(text)) == 70
        assert "make room, then start again" in last_line(StorageFailed(text), None)
    assert "look at the disk" in last_line(StorageFailed("/data/x: disk I/O error"), None)


def test_code_is_told_where_the_line_cannot_be_written(home: Path) -> None:
    """The log may be on the very disk that is full."""
    command = [sys.executable, "-m", "relay.cli", "serve", "relay", "--home", str(home)]
    (home / "relay/config.toml").write_text("[keys")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=full, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (EXIT_CONFIG, b"")


def test_kinds_of_errors_have_their_codes() -> None:
    codes = {
        Malformed("x", "y", "z"): 78,
        Malformed("x", "y", "z", concern="key"): 79,
        Malformed("x", "y", "z", concern="schema").within("w"): 81,
        Conflict("in use"): 75,
        Unavailable("away"): 69,
        Denied("no"): 1,
        PermissionError(13, "Permission denied"): 77,
        OSError(28, "No space left on device"): 70,
        ValueError("ours"): 1,
    }
    assert {error: exit_code(error) for error in codes} == codes
    assert last_line(ValueError("ours"), None) == ""


def test_folder_of_another_user_is_told_as_such() -> None:
    """A folder that cannot be made, and a lock that cannot be opened: no matter of the disk."""
    denied = PermissionError(13, "Permission denied", "/var/lib/courtrelay/relay")
    failed = StorageFailed("x")
    failed.__cause__ = denied
    for error in (denied, failed):
        assert exit_code(error) == 77
        assert last_line(error, None) == (
            "/var/lib/courtrelay/relay: Permission denied; it must belong to the user of this process: chown it"
        )


def test_lines_are_one_line_and_name_the_file() -> None:
    told = last_line(Malformed("configuration", "ledger.endpoints", "is\nno address"), Path("a.toml"))
    assert told == "a.toml: ledger.endpoints: is no address"
    assert last_line(Malformed("ops", "listen", "taken"), Path("a.toml")) == "a.toml: ops.listen: taken"


def test_document_has_the_table() -> None:
    """docs/exit-codes.md, row by row; no code where shells have theirs."""
    rows = re.findall(
        r"^\| (\d+) \| ([A-Z_]*) ?\| (.+) \| (.+) \|$", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE
    )
    assert rows == [(str(one.code), one.sysexit, one.meaning, one.remedy) for one in EXIT_CODES]
    assert all(one.code < 126 for one in EXIT_CODES)
    assert len({one.code for one in EXIT_CODES}) == len(EXIT_CODES)


def test_new_signing_keys_are_private(tmp_path: Path) -> None:
    make_signing_key(tmp_path / "a.pem")
    assert (tmp_path / "a.pem").stat().st_mode & 0o777 == 0o600
