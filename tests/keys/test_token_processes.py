"""Real roles whose every signing key is in a token: the whole way holds, and no process has a private key in its memory."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.command import all_confirmed, await_status, courtrelay, serving, write_folder
from tests.support.lines import small_dossier
from tests.support.ports import base_port
from tests.support.softhsm import SoftHsm

KEYS = {
    "custodian": ("record", "log", "grant"),
    "court": ("witness", "seal", "request", "custody"),
    "lender-ledger": ("validator-1", "validator-2", "validator-3", "validator-4"),
}
TOKEN, DRAWN = "network", "drawn"


def into_token(home: Path, hsm: SoftHsm) -> dict[str, list[bytes]]:
    """Every key of these roles is imported, its file deleted, its reference changed; the raw private keys by role."""
    for token in (TOKEN, DRAWN):
        hsm.new_token(token)
    raw: dict[str, list[bytes]] = {}
    numbers = count(1)
    for role, names in KEYS.items():
        config = home / role / "config.toml"
        text = config.read_text()
        for name in names:
            folder = "validators" if role == "lender-ledger" else "keys"
            path = home / role / folder / f"{name}.pem"
            raw.setdefault(role, []).append(raw_key(path))
            token = DRAWN if name == "log" else TOKEN
            hsm.put(token, f"{role}-{name}", path, number=next(numbers))
            path.unlink()
            old = f'"{folder}/{name}.pem"'
            assert text.count(old) == 1
            text = text.replace(old, f'"{hsm.uri(token, f"object={role}-{name}")}"')
        config.write_text(text)
    return raw


def raw_key(path: Path) -> bytes:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    return key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())


def memory_holds(pid: int, wanted: bytes) -> bool:
    """Whether the bytes stand anywhere in what the process can read."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \d+\s*(\S*)", line)
            if match is None or match[3] in ("[vvar]", "[vsyscall]"):
                continue
            start, end = int(match[1], 16), int(match[2], 16)
            try:
                memory.seek(start)
                if wanted in memory.read(end - start):
                    return True
            except OSError:  # a page that nobody can read
                continue
    return False


@pytest.fixture
def home(softhsm: SoftHsm, tmp_path: Path) -> Iterator[Path]:
    assert courtrelay("init", tmp_path / "home", "--base-port", base_port()).code == 0
    return tmp_path / "home"


def pids(home: Path) -> dict[str, int]:
    """Role → process, by what the operating system knows of them."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"serve" in words and str(home).encode() in words:
            found[words[words.index(b"serve") + 1].decode()] = int(entry.parent.name)
    return found


def test_every_signing_key_in_a_token_from_deposit_to_verdict(home: Path, softhsm: SoftHsm, tmp_path: Path) -> None:
    raw = into_token(home, softhsm)
    raw["court-ledger"] = [raw_key(home / "court-ledger/validators/validator-1.pem")]
    lines = [{"dossier": "LOAN-1", **line, "payloads": []} for line, _ in small_dossier(2)]
    with serving(home):
        assert courtrelay("deposit", write_folder(tmp_path / "mine", lines), "--home", home).code == 0
        await_status(home, "confirmed", all_confirmed(2))
        grant, bundle = tmp_path / "g.grant", tmp_path / "b.zip"
        words = ("--case", "Case 1", "--dossier", "LOAN-1", "--out", grant, "--home", home)
        assert courtrelay("grant", "issue", *words).code == 0
        retrieved = courtrelay("retrieve", "--home", home, "--grant", grant, "--out", bundle)
        assert (retrieved.code, "CONSISTENT" in retrieved.out) == (0, True), retrieved.out + retrieved.err
        running = pids(home)
        for role, keys in raw.items():
            for key in keys:
                # a key in a file is found in its role's memory: the search can fail
                assert memory_holds(running[role], key) is (role == "court-ledger"), role
        draw_and_put_back(home, softhsm, tmp_path)
    assert courtrelay("verify", bundle, "--trust", home / "trust.json").code == 0
    assert "Traceback" not in (home / "all.log").read_text()


def draw_and_put_back(home: Path, hsm: SoftHsm, folder: Path) -> None:
    """The custodian says what is missing, takes deposits meanwhile, and anchors when the token is back."""
    (place,) = (p for p in (hsm.folder / "tokens").iterdir() if DRAWN.encode() in (p / "token.object").read_bytes())
    lines = [{"dossier": "LOAN-2", **line, "payloads": []} for line, _ in small_dossier(2)]
    shutil.move(place, folder / "away")
    assert courtrelay("deposit", write_folder(folder / "more", lines), "--home", home).code == 0
    await_status(home, "told", lambda status: f"no token '{DRAWN}'" in status["custodian"].get("problem", ""))
    shutil.move(folder / "away", place)
    await_status(home, "confirmed", all_confirmed(4))


def test_token_that_cannot_be_used_ends_the_role_with_a_sentence(home: Path, softhsm: SoftHsm, tmp_path: Path) -> None:
    """Before it is ready: wrong PIN, no such key, no such token; each with what to do next, none with a traceback."""
    token = "one-role"
    softhsm.new_token(token)
    softhsm.put(token, "record", home / "custodian/keys/record.pem")
    config = home / "custodian/config.toml"
    text = config.read_text()
    wrong = tmp_path / "wrong.pin"
    wrong.write_text("0000")
    wrong.chmod(0o600)
    for uri, said, code in (
        (softhsm.uri(token, "object=record", wrong), "refuses this PIN; correct the file", 79),
        (softhsm.uri(token, "object=records"), "no such private key", 79),
        (softhsm.uri("nowhere", "object=record"), "no token 'nowhere'", 69),
        (softhsm.uri(token, "object=record;slot-id=1"), "slot-id: is not understood here", 78),
    ):
        config.write_text(text.replace('"keys/record.pem"', f'"{uri}"'))
        ended = courtrelay("serve", "custodian", "--home", home)
        assert ended.code == code
        assert said in ended.err
    shown = courtrelay("key", "show", softhsm.uri(token, "object=record"), "--json")
    assert shown.json() == courtrelay("key", "show", str(home / "custodian/keys/record.pem"), "--json").json()
