"""Sample dossiers: deterministic, valid, with real files, and telling against the lender too."""

from __future__ import annotations

import hashlib
import io
import json
import wave
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from relay.core.deposit import parse_deposit_line
from relay.core.errors import Conflict
from relay.core.times import parse_utc
from relay.sample import generate, heavy_dossier, small_dossier
from relay.sample.people import NO_AREA, id_number
from relay.schemas import KindCatalogue

LATEST_S = parse_utc("2026-11-01T00:00:00Z", "test", "now")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "out"
    generate(folder, 20, 1)
    return folder


def test_twenty_loans_are_a_demo(sample: Path) -> None:
    found = lines(sample)
    assert len({line["dossier"] for line in found}) == 20
    assert len(found) >= 850
    kinds = Counter(line["kind"] for line in found)
    assert kinds["complaint"]
    assert kinds["judgment"]
    assert kinds["mediation_session"]
    assert kinds["lawyer_letter"]


def test_every_line_is_valid_in_order_and_not_of_the_future(sample: Path) -> None:
    catalogue = KindCatalogue()
    last: dict[str, tuple[int, int]] = {}
    for number, data in enumerate((sample / "records.jsonl").read_bytes().splitlines(), 1):
        line = parse_deposit_line(data, what=f"line {number}")
        catalogue.check(line.kind, line.kind_version, line.fields)
        seq, time_s = last.get(line.reference, (-1, 0))
        assert (line.seq, line.event_time_s >= time_s) == (seq + 1, True)
        assert line.event_time_s < LATEST_S
        last[line.reference] = line.seq, line.event_time_s


def test_files_are_what_the_lines_say_and_what_their_type_says(sample: Path) -> None:
    types = Counter()
    for line in lines(sample):
        for payload in line["payloads"]:
            data = (sample / payload["file"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (payload["size"], payload["sha256"])
            types[payload["media_type"]] += 1
            if payload["media_type"] == "application/pdf":
                assert data.startswith(b"%PDF-")
                assert data.rstrip().endswith(b"%%EOF")
            elif payload["media_type"] == "audio/wav":
                with wave.open(io.BytesIO(data)) as sound:
                    assert sound.getframerate() == 8000
                    assert sound.getnframes() > 8000
            else:
                assert data.startswith(b"\x89PNG")
                assert _pixels(data)
    assert set(types) == {"application/pdf", "audio/wav", "image/png"}


def _pixels(data: bytes) -> bool:
    """The image's rows, checked through zlib's own reader."""
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    return len(zlib.decompress(data[start : start + length])) == 120 * 201


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate(tmp_path / name, 5, seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_bytes_of_seed_one_are_these_on_every_machine(tmp_path: Path) -> None:
    """Known answer for what needs no library: the records of two loans."""
    generate(tmp_path / "a", 2, 1)
    found = lines(tmp_path / "a")
    assert [found[0]["dossier"], len(found)] == [KNOWN_REFERENCE, KNOWN_RECORDS]


KNOWN_REFERENCE = "HX202169493291"
KNOWN_RECORDS = 125


def test_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(Conflict, match="nothing is overwritten"):
        generate(tmp_path, 1, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_small_and_heavy_dossiers_have_their_sizes(tmp_path: Path) -> None:
    small = small_dossier(tmp_path / "small", 1)
    assert small["records"] == len(lines(tmp_path / "small")) == 5
    assert small["payload_bytes"] <= 4096
    heavy = heavy_dossier(tmp_path / "heavy", 10, 1_000_000, 1)
    assert (heavy["records"], heavy["payload_bytes"]) == (10, 1_000_000)
    catalogue = KindCatalogue()
    for name in ("small", "heavy"):
        for line in lines(tmp_path / name):
            catalogue.check(line["kind"], 1, line["fields"])


def test_identity_numbers_belong_to_nobody() -> None:
    number = id_number("19900101", 7)
    assert number.startswith(NO_AREA)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1)
    digits = [10 if c == "X" else int(c) for c in number]
    assert sum(d * w for d, w in zip(digits, weights, strict=True)) % 11 == 1
