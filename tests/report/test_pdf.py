"""The print: the same for the same inputs, whole, readable, and safe whatever a lender wrote."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4

from relay.core.errors import Malformed
from relay.core.verdict import Finding, Result
from relay.core.view import ViewPayload, ViewRecord
from relay.report.drawings import COLORS
from relay.report.fonts import Fonts, find_fonts
from relay.report.layout import FOOT, MARGIN
from relay.report.pdf import print_report
from relay.report.text import plain
from tests.report.support import NAME, URL, document, order
from tests.support.views import changed, loan, not_shown, view_of_loan

LANGUAGES = ("en", "zh-CN")


def need(program: str, package: str) -> None:
    """Skips without it."""
    if shutil.which(program) is None:
        pytest.skip(f"no {program}; on Debian: apt install {package}")


def text_of(pdf: bytes, tmp: Path) -> str:
    """As poppler reads it."""
    need("pdftotext", "poppler-utils")
    path = tmp / "read.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True)
    return done.stdout.decode()


def fonts(language: str) -> Fonts:
    """Skips without one."""
    try:
        return find_fonts(None, language)
    except Malformed as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_document_gives_the_same_bytes(language: str) -> None:
    content = document(language=language)
    assert print_report(content, fonts(language)) == print_report(content, fonts(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_number_page_and_verdict_stand_on_paper(language: str, tmp_path: Path) -> None:
    pdf = print_report(document(language=language), fonts(language))
    pages = text_of(pdf, tmp_path).split("\f")[:-1]
    number = order().number
    assert len(pages) > 3
    for place, page in enumerate(pages, 1):
        assert number in page
        foot = f"Page {place} of {len(pages)}" if language == "en" else f"第 {place} 页，共 {len(pages)} 页"
        assert foot in page
    assert ("CONSISTENT" if language == "en" else "一致") in pages[0]


def test_every_record_and_every_heading_is_printed(tmp_path: Path) -> None:
    view = view_of_loan(loan(1))
    read = text_of(print_report(document(view), fonts("en")), tmp_path)
    for record in view.records:
        assert record.deposit_number in read
    for words in (
        "How this was checked",
        "What this does not prove",
        "Completeness",
        "Provenance",
        "Times, each by its own clock",
    ):
        assert words in read
    assert "not known" in read


def test_withheld_entries_are_printed_with_their_reason(tmp_path: Path) -> None:
    def closed(record: ViewRecord) -> ViewRecord:
        return not_shown(record, reason="outside the scope of the grant") if record.finding.seq == 2 else record

    read = text_of(print_report(document(changed(view_of_loan(loan(1)), closed)), fonts("en")), tmp_path)
    assert "outside the scope of the grant" in " ".join(read.split())
    assert "1 withheld" in read


@pytest.mark.parametrize("finding", list(Finding))
def test_each_verdict_has_words_and_a_colour_and_only_consistent_is_green(finding: Finding, tmp_path: Path) -> None:
    view = view_of_loan(loan(1))
    view = replace(view, verdict=replace(view.verdict, verdict=finding))
    assert finding.value in text_of(print_report(document(view), fonts("en")), tmp_path).split("\f")[0]
    color = COLORS[finding]
    green = color.green > color.red and color.green > color.blue
    assert green == (finding is Finding.CONSISTENT)
    assert len({c.hexval() for c in COLORS.values()}) == len(Finding)


def test_a_step_that_failed_is_named(tmp_path: Path) -> None:
    view = view_of_loan(loan(1))
    steps = tuple(
        replace(s, result=Result.FAILED, detail="hole: 3") if s.name == "completeness" else s
        for s in view.verdict.steps
    )
    view = replace(view, verdict=replace(view.verdict, verdict=Finding.INCONSISTENT, steps=steps))
    read = text_of(print_report(document(view), fonts("en")), tmp_path)
    assert "Step 13 (completeness) failed: hole: 3" in " ".join(read.split())


def test_markup_controls_and_long_words_of_a_lender_are_only_text(tmp_path: Path) -> None:
    """A reading order that is turned round, tags of the page description, a name of thousands of characters."""
    evil = "ab\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe </para><a href='http://x.example'>x</a> & <img src='/etc/passwd'/>\x00\N{ZERO WIDTH SPACE}"

    def change(record: ViewRecord) -> ViewRecord:
        long = "x" * 9000 if record.finding.seq == 4 else evil
        return replace(
            record,
            finding=replace(
                record.finding, reason=long, kind="<b>kind</b>" if record.finding.seq == 5 else record.finding.kind
            ),
            provenance=tuple((name, evil) for name, _ in record.provenance),
        )

    for language in LANGUAGES:
        pdf = print_report(document(changed(view_of_loan(loan(1)), change), language=language), fonts(language))
        read = "".join(text_of(pdf, tmp_path).split())
        assert "[U+202E]" in read
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in read
        assert "</para><ahref=" in read
        assert b"/URI" not in pdf
        assert b"/etc/passwd" not in pdf


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_drawn_over_the_foot_or_beyond_the_margins(language: str, tmp_path: Path) -> None:
    """Rows higher than a page, words wider than a cell, lists of many files."""
    need("pdftotext", "poppler-utils")

    def change(record: ViewRecord) -> ViewRecord:
        seq = record.finding.seq
        file = ViewPayload(name="f" * 64, media_type="text/plain", size=1, sha256="ab" * 32, sm3="cd" * 32, part="")
        return replace(
            record,
            finding=replace(record.finding, reason=("长" if seq % 2 else "x") * 4000 if seq < 4 else ""),
            payloads=(file,) * (64 if seq == 5 else 1),
            provenance=tuple((name, "说明" * 2000 if seq == 1 else "w" * 4000) for name, _ in record.provenance),
        )

    path = tmp_path / "report.pdf"
    view = changed(view_of_loan(loan(1)), change)
    path.write_bytes(print_report(document(view, language=language), fonts(language)))
    done = subprocess.run(["pdftotext", "-bbox", str(path), "-"], capture_output=True, text=True, check=True)
    words = re.findall(r'<word xMin="([0-9.]+)" yMin="[0-9.]+" xMax="([0-9.]+)" yMax="([0-9.]+)">', done.stdout)
    assert len(words) > 1000
    width, height = A4
    foot = height - FOOT - 8
    for left, right, low in words:
        assert float(left) >= MARGIN - 1
        assert float(right) <= width - MARGIN + 1
        assert float(low) <= foot - 2 or float(low) > foot, (left, low)


def test_text_that_is_cut_says_so() -> None:
    assert plain("x" * 5000, fonts("en")).endswith("[…]")


def test_nothing_is_embedded_by_name_alone(tmp_path: Path) -> None:
    need("pdffonts", "poppler-utils")
    path = tmp_path / "report.pdf"
    path.write_bytes(print_report(document(), fonts("en")))
    done = subprocess.run(["pdffonts", str(path)], capture_output=True, text=True, check=True)
    rows = done.stdout.splitlines()[2:]
    assert rows
    assert all(re.search(r"\byes\s+yes\b", row) for row in rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_qr_symbol_on_the_rendered_page_is_the_address(language: str, tmp_path: Path) -> None:
    need("pdftoppm", "poppler-utils")
    need("zbarimg", "zbar-tools")
    path = tmp_path / "report.pdf"
    path.write_bytes(print_report(document(language=language), fonts(language)))
    subprocess.run(
        ["pdftoppm", "-r", "150", "-png", "-f", "1", "-l", "1", "-singlefile", str(path), str(tmp_path / "page")],
        check=True,
    )
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", str(tmp_path / "page.png")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == URL


def test_a_draft_has_no_symbol_and_says_that_it_is_one(tmp_path: Path) -> None:
    read = text_of(print_report(document(number="", code="", url=""), fonts("en")), tmp_path)
    assert "DRAFT, not issued" in read


def test_without_a_chinese_font_an_english_report_is_printed_and_a_chinese_one_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("relay.report.fonts.DEBIAN", tmp_path / "none.ttc")
    monkeypatch.setattr("relay.report.fonts.NOTO", tmp_path / "none")
    with pytest.raises(Malformed, match="install fonts-wqy-microhei"):
        find_fonts(None, "zh-CN")
    vera = find_fonts(None, "en")
    assert not vera.chinese
    read = text_of(print_report(document(), vera), tmp_path)
    assert NAME.split()[1] in read
    assert "[U+6D77]" in read  # 海: written out, for the font has no such sign


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    path.write_bytes(b"not a font")
    with pytest.raises(Malformed, match="no font with TrueType outlines"):
        find_fonts(path, "en")
    with pytest.raises(Malformed, match="no font"):
        find_fonts(tmp_path / "none.ttf", "en")
