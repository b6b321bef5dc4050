"""One table read strictly: what is refused says what was meant; secrets by reference, in one spelling each."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.strict import Table
from relay.core.errors import Malformed
from relay.private.files import read_private, why_open
from relay.private.references import Variable, parse_reference, read_secret, read_text
from relay.setup.keys import FileSigner, make_signing_key
from relay.setup.signers import open_signer, parse_key_reference


def table(**values: Any) -> Table:
    return Table(values, file=Path("/etc/courtrelay/a.toml"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2s", 'a number without a unit, not "2s"'),
        (5000, "from 1 to 600, a number without a unit, not 5000: are these milliseconds?"),
        (700, "not 700"),
        (0.5, "not 0.5"),
        (True, "not true"),
        ("x" * 100, "a number without a unit"),
    ],
)
def test_seconds_of_another_unit(value: object, said: str) -> None:
    with pytest.raises(Malformed) as refusal:
        table(lease_s=value).seconds("lease_s", low=1.0, high=600.0)
    assert str(refusal.value).startswith("/etc/courtrelay/a.toml: lease_s: must be seconds")
    assert refusal.value.reason.endswith(said)
    assert "milliseconds" not in str(refusal.value) or value == 5000


def test_unknown_key_says_which_is_near_or_which_there_are() -> None:
    near = table(interval_s=1, interval_sec=1)
    near.integer("interval_s", low=0, high=9)
    with pytest.raises(Malformed, match=r"interval_sec: is not a known key here; did you mean interval_s\?"):
        near.done()
    far = table(count=1, zzz=1)
    far.integer("count", low=0, high=9)
    assert not far.has("quorum")
    with pytest.raises(Malformed, match="zzz: is not a known key here; known are count, quorum"):
        far.done()


def private(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@given(mode=st.integers(0, 0o777), owner=st.sampled_from([0, 1000, 1001]), me=st.sampled_from([0, 1000]))
def test_only_roots_files_may_be_read_by_a_group(mode: int, owner: int, me: int) -> None:
    """No bit for others, ever; the group's bit to read, where the owner is root and we are not."""
    closed = not mode & 0o077
    lent = owner == 0 and me != 0 and not mode & 0o037
    assert (why_open(mode, owner, me) == "") == (closed or lent)


def test_private_file_is_read_whole_or_refused_by_its_kind(tmp_path: Path) -> None:
    assert read_private(private(tmp_path / "a", b"x" * 9), bytes_max=9) == b"x" * 9
    os.mkfifo(tmp_path / "pipe", 0o600)
    cases = {
        private(tmp_path / "large", b"x" * 10): "key",
        private(tmp_path / "open", b"x", 0o644): "access",
        tmp_path / "none": "key",
        tmp_path: "key",
        tmp_path / "pipe": "key",
    }
    for path, concern in cases.items():
        with pytest.raises(Malformed) as refusal:
            read_private(path, bytes_max=9)
        assert (refusal.value.what, refusal.value.concern) == (str(path), concern)


def test_link_to_a_private_file_is_judged_by_the_file(tmp_path: Path) -> None:
    """As Kubernetes mounts them."""
    (tmp_path / "link").symlink_to(private(tmp_path / "a", b"x"))
    assert read_private(tmp_path / "link") == b"x"
    (tmp_path / "a").chmod(0o604)
    with pytest.raises(Malformed, match="open to others"):
        read_private(tmp_path / "link")


def test_spellings_of_a_reference(tmp_path: Path) -> None:
    assert parse_reference("a/b", tmp_path) == parse_reference("file:a/b", tmp_path) == tmp_path / "a/b"
    assert parse_reference("env:A_1", tmp_path) == Variable("A_1")
    for text in ("env:", "env:1A", "env:A B", "env:A=B", "file:", "env:" + "A" * 200):
        with pytest.raises(Malformed):
            parse_reference(text, tmp_path)
    with pytest.raises(Malformed, match="does not stand here itself"):
        parse_reference("geheim", tmp_path, bare=False)


def test_secret_bytes_raw_in_a_file_and_base64_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bytes(range(224, 256))
    assert read_secret(private(tmp_path / "m", raw), 32) == raw
    monkeypatch.setenv("M", base64.b64encode(raw).decode())
    assert read_secret(Variable("M"), 32) == raw
    for wrong in (base64.b64encode(raw).decode().rstrip("="), base64.b64encode(raw[:31]).decode(), "x", "\udcff"):
        monkeypatch.setenv("M", wrong)
        with pytest.raises(Malformed) as refusal:
            read_secret(Variable("M"), 32)
        assert refusal.value.what == "env:M"
        assert refusal.value.concern == "key"
    with pytest.raises(Malformed, match="31 bytes; must be 32"):
        read_secret(private(tmp_path / "m", raw[:31]), 32)


def test_text_is_without_the_space_around_it_and_never_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", " geheim\n")
    assert read_text(Variable("T")) == read_text(private(tmp_path / "t", b"geheim\n")) == "geheim"
    for data, said in ((b"\n", "is empty"), (b"\xff", "is not UTF-8")):
        with pytest.raises(Malformed, match=said):
            read_text(private(tmp_path / "t", data))
    monkeypatch.delenv("T")
    with pytest.raises(Malformed, match="env:T: the environment has no such variable"):
        read_text(Variable("T"))


def test_signing_key_in_a_variable_signs_as_the_file_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_signing_key(tmp_path / "a.pem")
    monkeypatch.setenv("KEY", (tmp_path / "a.pem").read_text())
    signer = open_signer(parse_key_reference("env:KEY", tmp_path))
    assert isinstance(signer, FileSigner)
    assert signer.sign(b"x") == made.sign(b"x")
    monkeypatch.setenv("KEY", "x")
    with pytest.raises(Malformed, match="env:KEY: is not an unencrypted PEM private key"):
        open_signer(parse_key_reference("env:KEY", tmp_path))


def test_file_that_a_library_reads_is_a_file() -> None:
    assert table(key="file:tls.key").private_file("key") == Path("/etc/courtrelay/tls.key")
    with pytest.raises(Malformed, match="read from a file alone"):
        table(key="env:KEY").private_file("key")
    for reader in ("private_file", "reference", "secret"):
        with pytest.raises(Malformed, match="a token holds signing keys alone"):
            getattr(table(key="pkcs11:token=a"), reader)("key")
