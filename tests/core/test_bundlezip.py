"""The container has one spelling: any other zip of the same parts is refused."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.bundlezip import (
    FileSource,
    Part,
    check_name,
    content,
    directory,
    local_header,
    read_parts,
    sorted_parts,
)
from relay.core.errors import Malformed
from tests.support.bundles import put_together, take_apart

NAMES = st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}){0,2}", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=8))
def test_parts_read_back_and_ordinary_tools_read_them(parts: dict[str, bytes]) -> None:
    data = put_together(parts)
    assert take_apart(data) == parts
    assert [p.part.name for p in read_parts(FileSource(io.BytesIO(data)))] == sorted(parts)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None


def _zip(parts: dict[str, bytes], **options: object) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:  # type: ignore[call-overload]
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def test_zip_written_by_another_tool_is_refused() -> None:
    for data in (_zip({"a": b"x"}), _zip({"a": b"x" * 99}, compression=zipfile.ZIP_DEFLATED)):
        with pytest.raises(Malformed):
            read_parts(FileSource(io.BytesIO(data)))


def test_comment_hidden_bytes_and_second_directory_are_refused() -> None:
    good = put_together({"a": b"x", "b": b"y"})
    with_comment = good[:-2] + b"\x01\x00!"
    twice = good + good
    gap = good[:20] + b"\x00" + good[20:]
    for data in (with_comment, twice, gap):
        with pytest.raises(Malformed):
            read_parts(FileSource(io.BytesIO(data)))


def test_parts_out_of_order_or_twice_are_refused() -> None:
    part = Part(name="a", size=0, crc32=0)
    with pytest.raises(Malformed, match="twice"):
        sorted_parts([part, part])
    unsorted = [Part(name="b", size=0, crc32=0), part]
    data = b"".join(local_header(p) for p in unsorted) + directory(unsorted)
    with pytest.raises(Malformed, match="sorted"):
        read_parts(FileSource(io.BytesIO(data)))


@pytest.mark.parametrize(
    "name", ["", "../a", "/a", "a/", "a//b", ".a", "a/.b", "a\\b", "ü", "a" * 90, "a/b/c/d/e/f", "a\n"]
)
def test_part_name_that_could_mean_something_else_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        check_name(name)


def test_file_that_ends_early_is_malformed() -> None:
    data = put_together({"a": b"x" * 100})
    placed = read_parts(FileSource(io.BytesIO(data)))[0]
    with pytest.raises(Malformed, match="breaks off"):
        b"".join(content(FileSource(io.BytesIO(data[:50])), placed))
