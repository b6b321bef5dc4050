"""Small files are whole or old, folders are private, and a data folder has one owner until that process dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relay.core.errors import Conflict
from relay.durable.errors import StorageFailed
from relay.durable.files import FolderLock, make_folder, sync_folder, write_file

HOLDER = """
import sys
from pathlib import Path
from relay.durable.files import FolderLock
held = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for data in (b"first, rather long content", b"second", b""):
        write_file(path, data)
        assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_draft_a_crash_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "a.json.new").write_bytes(b"half of something longer than what comes")
    write_file(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_failing_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_file(path, b"old")
    (tmp_path / "a.json.new").symlink_to("/dev/full")
    with pytest.raises(StorageFailed, match=r"a\.json"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"


def test_folder_that_cannot_be_is_a_failure_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed, match="file"):
        make_folder(tmp_path / "file" / "below")
    with pytest.raises(StorageFailed, match="nowhere"):
        sync_folder(tmp_path / "nowhere")


def test_folders_are_made_private_all_the_way_and_again(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    for _ in range(2):
        make_folder(deep)
    assert [p.stat().st_mode & 0o777 for p in (deep, deep.parent, deep.parent.parent)] == [0o700] * 3


def test_lock_is_given_back_once(tmp_path: Path) -> None:
    held = FolderLock(tmp_path)
    with pytest.raises(Conflict, match=f"in use by process {os.getpid()}"):
        FolderLock(tmp_path)
    held.release()
    held.release()
    FolderLock(tmp_path).release()


def test_lock_of_another_process_names_it_and_dies_with_it(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=f"in use by process {other.pid};"):
            FolderLock(tmp_path)
    finally:
        other.kill()
        other.communicate()
    FolderLock(tmp_path).release()
