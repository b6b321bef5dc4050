"""The payload vault: what was stored comes back; what was changed, cut, exchanged or lost is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import NotFound, Unverified
from relay.ports.custodian import VaultPayload
from relay.store.vault import CHUNK_BYTES, Vault

SIZES = (0, 1, 15, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES)


def stored(vault: Vault, data: bytes, step: int = 300_000) -> VaultPayload:
    writer = vault.begin()
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    made = writer.finish()
    vault.sync()
    return made


def read(vault: Vault, payload: VaultPayload) -> bytes:
    return b"".join(vault.read(payload))


@pytest.mark.parametrize("size", SIZES)
def test_payload_of_any_size_comes_back(tmp_path: Path, size: int) -> None:
    vault = Vault(tmp_path)
    data = bytes(i % 251 for i in range(size))
    payload = stored(vault, data)
    assert (payload.size, read(vault, payload)) == (size, data)


def test_nothing_of_the_content_or_name_is_on_disk(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    payload = stored(vault, b"Wang Wei, 13800000000" * 100)
    (path,) = tmp_path.iterdir()
    assert path.name == payload.blob
    assert b"Wang" not in path.read_bytes()


@given(st.integers(0, 5000), st.integers(0, 7))
def test_every_changed_bit_is_seen(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    folder = tmp_path_factory.mktemp("vault")
    vault = Vault(folder)
    payload = stored(vault, b"x" * 3000)
    path = folder / payload.blob
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))
    with pytest.raises(Unverified):
        read(vault, payload)


def test_cut_or_grown_file_is_seen_without_reading_it(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    payload = stored(vault, b"x" * 3000)
    path = tmp_path / payload.blob
    whole = path.read_bytes()
    for data in (whole[:-1], whole + b"x", b""):
        path.write_bytes(data)
        with pytest.raises(Unverified):
            vault.check(payload)


def test_files_exchanged_for_one_another_are_seen(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    a, b = stored(vault, b"a" * 100), stored(vault, b"b" * 100)
    one, two = (tmp_path / a.blob).read_bytes(), (tmp_path / b.blob).read_bytes()
    (tmp_path / a.blob).write_bytes(two)
    (tmp_path / b.blob).write_bytes(one)
    for payload in (a, b):
        with pytest.raises(Unverified):
            read(vault, payload)


def test_chunks_exchanged_inside_a_file_are_seen(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    payload = stored(vault, b"a" * CHUNK_BYTES + b"b" * CHUNK_BYTES + b"c")
    path = tmp_path / payload.blob
    data, step = path.read_bytes(), CHUNK_BYTES + 16
    path.write_bytes(data[step : 2 * step] + data[:step] + data[2 * step :])
    with pytest.raises(Unverified):
        read(vault, payload)


def test_lost_payload_is_said(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    payload = stored(vault, b"x")
    vault.discard(payload)
    with pytest.raises(NotFound, match="lost"):
        vault.check(payload)


def test_wrong_key_opens_nothing(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    payload = stored(vault, b"x" * 10)
    with pytest.raises(Unverified):
        read(vault, replace(payload, key=bytes(32)))


def test_sweep_removes_what_no_record_refers_to(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    kept, orphan = stored(vault, b"kept"), stored(vault, b"orphan")
    vault.begin().write(b"never finished")
    assert vault.sweep([kept.blob]) == 2
    assert read(vault, kept) == b"kept"
    assert not (tmp_path / orphan.blob).exists()
