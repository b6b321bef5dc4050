"""Append-only files against a model in memory, on a device that is full, and after a crash in the middle of an append."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import NotFound
from relay.durable.errors import StorageFailed
from relay.durable.packs import Pack

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(max_size=40)),
        st.tuples(st.just("truncate"), st.integers(0, 200)),
        st.tuples(st.just("sync"), st.none()),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=20,
)


@given(STEPS)
def test_pack_holds_what_was_appended_and_not_cut(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("packs") / "deep" / "a.pack"
    pack, model = Pack(path), b""
    for step, value in steps:
        if isinstance(value, bytes):
            pack.append(value)
            model += value
        elif isinstance(value, int):
            pack.truncate(value)
            model = model[:value]
        elif step == "sync":
            pack.sync()
        else:
            pack.close()
            pack = Pack(path)
        assert pack.size == len(model)
    assert pack.read(0, len(model)) == model
    for start in range(0, len(model), 7):
        assert pack.read(start, len(model) - start) == model[start:]
    with pytest.raises(NotFound, match="beyond its end"):
        pack.read(len(model), 1)
    pack.close()
    assert path.read_bytes() == model


def test_reading_across_the_end_is_not_found_and_never_short(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "a.pack")
    pack.append(b"0123456789")
    for offset, length in ((0, 11), (9, 2), (10, 1), (100, 1)):
        with pytest.raises(NotFound):
            pack.read(offset, length)
    assert pack.read(10, 0) == b""
    pack.close()


def test_what_a_crash_left_half_written_is_read_as_size_and_cut_by_the_owner(tmp_path: Path) -> None:
    """A pack does not guess: its owner knows the committed size."""
    path = tmp_path / "a.pack"
    pack = Pack(path)
    pack.append(b"committed")
    pack.sync()
    pack.close()
    with path.open("ab") as file:
        file.write(b"half of an app")
    again = Pack(path)
    assert again.size == len(b"committedhalf of an app")
    again.truncate(len(b"committed"))
    again.append(b" and next")
    assert again.read(0, again.size) == b"committed and next"
    again.close()


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "private" / "a.pack")
    pack.close()
    assert (tmp_path / "private" / "a.pack").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def full_pack(folder: Path) -> Pack:
    """A pack on a device without room."""
    (folder / "full.pack").symlink_to("/dev/full")
    return Pack(folder / "full.pack")


def test_full_disk_poisons_the_pack(tmp_path: Path) -> None:
    """After one failure nothing more is promised: what is on disk is unknown until a restart."""
    pack = full_pack(tmp_path)
    with pytest.raises(StorageFailed, match=r"full\.pack"):
        pack.append(b"x")
    assert pack.size == 0
    with pytest.raises(StorageFailed):
        pack.append(b"")
    with pytest.raises(StorageFailed):
        pack.sync()
    with pytest.raises(StorageFailed):
        pack.truncate(0)
    pack.close()


def test_sync_that_fails_poisons_the_pack(tmp_path: Path) -> None:
    pack = full_pack(tmp_path)
    with pytest.raises(StorageFailed):
        pack.sync()
    with pytest.raises(StorageFailed):
        pack.append(b"x")
    pack.close()


def test_closing_twice_is_nothing(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "a.pack")
    pack.close()
    pack.close()
    with pytest.raises(StorageFailed):
        pack.append(b"after the end")
