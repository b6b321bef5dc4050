"""`courtrelay report` as a user runs it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Made, make_bundle, take_apart
from tests.support.command import courtrelay

AT = ("--at", "2025-06-01T12:00:00Z")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Made]:
    """A bundle and trust roots as files."""
    folder = tmp_path_factory.mktemp("command")
    bundle = make_bundle(folder / "home")
    (folder / "bundle.zip").write_bytes(bundle.data)
    return folder / "bundle.zip", bundle.home / "trust.json", bundle


def test_a_draft_is_made_and_is_not_green(made: tuple[Path, Path, Made], tmp_path: Path) -> None:
    bundle, trust, _ = made
    for name in ("a.pdf", "b.pdf"):
        done = courtrelay("report", "make", bundle, "--trust", trust, "--out", tmp_path / name, *AT)
        assert (done.code, "draft, not sealed" in done.out) == (0, True), done.err
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    checked = courtrelay("report", "check", tmp_path / "a.pdf", "--trust", trust, "--json")
    assert (checked.code, checked.json()["verdict"]) == (3, "UNVERIFIABLE")


def test_a_sealed_report_is_made_checked_and_refused_when_changed(
    made: tuple[Path, Path, Made], tmp_path: Path
) -> None:
    bundle, trust, given = made
    court = given.home / "court"
    seal = ("--certificate", court / "report.pem", "--key", court / "report.key", "--seal-key", court / "keys/seal.pem")
    out = tmp_path / "report.pdf"
    done = courtrelay("report", "make", bundle, "--trust", trust, "--out", out, *seal, "--language", "en")
    assert done.code == 0, done.err
    for file in (out, out.with_suffix(".json")):
        checked = courtrelay("report", "check", file, "--trust", trust)
        assert (checked.code, "CONSISTENT: This report is unaltered" in checked.out) == (0, True), checked.out
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    checked = courtrelay("report", "check", out, "--trust", trust)
    assert checked.code == 1
    assert "failed" in checked.out


def test_a_certificate_without_its_key_says_so(made: tuple[Path, Path, Made], tmp_path: Path) -> None:
    bundle, trust, given = made
    done = courtrelay(
        "report",
        "make",
        bundle,
        "--trust",
        trust,
        "--out",
        tmp_path / "x.pdf",
        "--certificate",
        given.home / "court/report.pem",
    )
    assert (done.code, "belong together" in done.err) == (2, True)


def test_files_that_are_not_there_are_named(made: tuple[Path, Path, Made], tmp_path: Path) -> None:
    _, trust, _ = made
    for verb in ("make", "check", "certification"):
        done = courtrelay("report", verb, tmp_path / "none", "--trust", trust)
        assert (done.code, "no such file" in done.err) == (2, True)


def test_a_certification_lists_every_file_as_sha256sum_does_and_names_nobody(
    made: tuple[Path, Path, Made], tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext; on Debian: apt install poppler-utils")
    bundle, trust, given = made
    out = tmp_path / "certification.pdf"
    done = courtrelay("report", "certification", bundle, "--trust", trust, "--out", out, *AT)
    assert (done.code, "Nobody has certified anything yet" in done.out) == (0, True), done.err
    read = subprocess.run(["pdftotext", "-layout", str(out), "-"], capture_output=True, text=True, check=True).stdout
    flat = "".join(read.split())
    for name, data in take_apart(given.data).items():
        assert hashlib.sha256(data).hexdigest() in flat, name
    assert hashlib.sha256(given.data).hexdigest() in flat
    for words in ("902(13)", "902(14)", "28U.S.C.§1746", "Signature", "underpenaltyofperjury"):
        assert words in flat
    from pyhanko.pdf_utils.reader import PdfFileReader

    with out.open("rb") as file:
        fields = PdfFileReader(file).root["/AcroForm"]["/Fields"]
        filled = {str(f.get_object()["/T"]): str(f.get_object().get("/V", "")) for f in fields}
    assert set(filled) == {"name", "title", "qualification", "knowledge", "date", "place", "signature"}
    assert not any(filled.values())
