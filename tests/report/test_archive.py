"""PDF/A-3b: by veraPDF where it can be had, and by a check of our own of what matters most, which is no substitute for it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from relay.report.fonts import NOTO, find_fonts, load
from relay.report.pdf import print_report
from relay.report.rewrite import archived
from tests.report.support import Seals, document
from tests.support.tools import TOOLS

HERE = Path(__file__).parent / "verapdf"
LANGUAGES = ("en", "zh-CN")


@pytest.fixture(scope="module")
def jars() -> str:
    """The class path of veraPDF; Maven fetches it once. Skips where there is no Maven, or nothing to fetch it from."""
    if shutil.which("mvn") is None or shutil.which("java") is None:
        pytest.skip("no veraPDF: it needs Java and Maven; on Debian: apt install maven")
    folder = TOOLS.parent / "verapdf"
    if not any(folder.glob("validation-model-*.jar")):
        copy = ["mvn", "-q", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        if subprocess.run(copy, capture_output=True, check=False, timeout=300).returncode:
            pytest.skip("no veraPDF: Maven could not fetch it")
    return f"{folder}/*"


def test_verapdf_calls_every_report_compliant_before_and_after_the_seal(
    seals: Seals, jars: str, tmp_path: Path
) -> None:
    files = []
    for language in LANGUAGES:
        _, pdf, sealed = seals.report(language=language)
        for name, data in ((f"{language}.pdf", pdf), (f"{language}-sealed.pdf", sealed)):
            (tmp_path / name).write_bytes(data)
            files.append(str(tmp_path / name))
    done = subprocess.run(
        ["java", "-cp", jars, str(HERE / "Check.java"), *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = [line for line in done.stdout.splitlines() if not line.startswith("  ")]
    assert len(said) == len(files)
    assert all(line.startswith("compliant ") for line in said), done.stdout


def root_of(data: bytes) -> Any:
    """The catalogue."""
    return PdfFileReader(io.BytesIO(data)).root


@pytest.mark.parametrize("language", LANGUAGES)
def test_own_check_metadata_intent_attachment(language: str) -> None:
    data = print_report(document(language=language), find_fonts(None, language))
    root = root_of(data)
    xmp = root["/Metadata"].data.decode()
    assert "<pdfaid:part>3</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in xmp
    assert not root["/Metadata"].get("/Filter", [])
    intent = root["/OutputIntents"][0]
    assert (str(intent["/S"]), int(intent["/DestOutputProfile"]["/N"])) == ("/GTS_PDFA1", 3)
    assert intent["/DestOutputProfile"].data[36:40] == b"acsp"
    spec = root["/AF"][0]
    assert (str(spec["/AFRelationship"]), str(spec["/F"])) == ("/Data", "report.json")
    assert str(spec["/EF"]["/F"]["/Subtype"]) == "/application/json"
    assert str(root["/Lang"]) == language
    assert data.startswith(b"%PDF-1.7\n%")


@pytest.mark.parametrize("language", LANGUAGES)
def test_own_check_nothing_active_nothing_transparent_every_font_embedded(language: str) -> None:
    data = print_report(document(language=language), find_fonts(None, language))
    for name in (
        b"/JavaScript",
        b"/JS",
        b"/AA ",
        b"/OpenAction",
        b"/Launch",
        b"/SMask",
        b"/ca ",
        b"/CA ",
        b"/BM ",
        b"/Encrypt",
    ):
        assert name not in data, name
    fonts = re.findall(rb"/Type /Font\b(?!Desc)", data)
    files = re.findall(rb"/FontFile2 \d+ 0 R", data)
    assert fonts
    assert len(fonts) == len(files)
    assert not re.search(rb"[^\n\r]endstream", data)


def test_a_file_of_another_shape_is_not_rewritten() -> None:
    with pytest.raises(RuntimeError, match="not written as expected"):
        archived(b"%PDF-1.7\nstartxref\n5\n%%EOF\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tools_own_font_prints_both_languages(language: str) -> None:
    """Noto Sans SC of npm: a machine without Debian's fonts has it."""
    noto = TOOLS.parent / NOTO
    regular, bold = noto / "400Regular/NotoSansSC_400Regular.ttf", noto / "700Bold/NotoSansSC_700Bold.ttf"
    if not regular.is_file():
        pytest.skip("no Noto Sans SC: python3 run.py tools")
    fonts = load(regular, bold)
    assert fonts.chinese
    assert fonts.regular != fonts.bold
    data = print_report(document(language=language), fonts)
    assert data.count(b"/FontFile2") >= 2
