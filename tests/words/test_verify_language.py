"""`courtrelay verify` speaks to its reader; its exit codes and its JSON are the same in every language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bundles import make_bundle
from tests.support.command import courtrelay

LATIN_WORDS = re.compile(r"[A-Za-z]{2,}(?: [a-z]{2,}){2,}")
"""Three words in a row: an English sentence. Names and identifiers have none."""


@dataclass(frozen=True)
class Files:
    good: Path
    bad: Path
    cut: Path
    trust: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("language")
    made = make_bundle(folder / "home", count=2)
    bad = bytearray(made.data)
    bad[len(bad) // 2] ^= 1
    found = Files(good=folder / "good.zip", bad=folder / "bad.zip", cut=folder / "cut.zip", trust=folder / "trust.json")
    found.good.write_bytes(made.data)
    found.bad.write_bytes(bad)
    found.cut.write_bytes(made.data[:200])
    found.trust.write_bytes(made.trust.to_json())
    return found


@pytest.mark.parametrize(
    ("which", "code", "word"), [("good", 0, "与存证一致"), ("bad", 1, "与存证不一致"), ("cut", 1, "与存证不一致")]
)
def test_every_line_is_chinese(files: Files, which: str, code: int, word: str) -> None:
    bundle = getattr(files, which)
    ran = courtrelay("verify", bundle, "--trust", files.trust, "--language", "zh-CN")
    assert (ran.code, ran.err) == (code, "")
    lines = ran.out.splitlines()
    assert [line for line in lines if LATIN_WORDS.search(line)] == []
    assert any(line.startswith(f"{word}：") for line in lines)
    assert sum("说明：" in line for line in lines) == 3
    assert sum("步" in line and "  第" in line for line in lines) >= 14


def test_the_terminals_locale_is_the_default_and_the_option_stands_above_it(files: Files) -> None:
    chinese = {"LC_ALL": "zh_CN.UTF-8"}
    arguments = ("verify", files.good, "--trust", files.trust)
    assert "与存证一致" in courtrelay(*arguments, env=chinese).out
    english = courtrelay(*arguments, "--language", "en", env=chinese).out
    assert english == courtrelay(*arguments, env={"LC_ALL": "C.UTF-8"}).out
    assert "step 14" in english
    assert "CONSISTENT: All 2 records are consistent since they were anchored (2 CONSISTENT)." in english
    assert english.isascii()


@pytest.mark.parametrize("which", ["good", "bad"])
def test_json_is_the_same_in_every_language(files: Files, which: str) -> None:
    arguments = ("verify", getattr(files, which), "--trust", files.trust, "--json")
    plain = courtrelay(*arguments, env={"LC_ALL": "C.UTF-8"})
    assert courtrelay(*arguments, "--language", "zh-CN", env={"LC_ALL": "zh_CN.UTF-8"}) == plain
    assert plain.out.isascii()
    assert plain.json()["summary"].startswith(("All 2 records", "INCONSISTENT"))


def test_errors_are_told_in_chinese_with_the_same_codes(files: Files, tmp_path: Path) -> None:
    missing = courtrelay("verify", tmp_path / "none.zip", "--trust", files.trust, "--language", "zh-CN")
    assert (missing.code, missing.err.startswith("错误：BUNDLE：没有该文件：")) == (2, True)
    (tmp_path / "trust.json").write_text("{]")
    broken = courtrelay("verify", files.good, "--trust", tmp_path / "trust.json", "--language", "zh-CN")
    assert broken.code == 2
    assert broken.err.strip().endswith("第 1 行第 2 列：不是 JSON：此处应有带双引号的成员名")
    grant = courtrelay("retrieve", "--grant", tmp_path / "none", "--home", tmp_path, "--language", "zh-CN")
    assert (grant.code, "错误：" in grant.err, "无法读取" in grant.err) == (2, True, True)


def test_a_language_that_there_is_not_is_refused(files: Files) -> None:
    ran = courtrelay("verify", files.good, "--trust", files.trust, "--language", "tlh")
    assert ran.code == 2
    assert "--language" in ran.err


def test_a_terminal_that_has_no_chinese_gets_escapes_and_no_traceback(files: Files) -> None:
    ran = courtrelay(
        "verify", files.good, "--trust", files.trust, "--language", "zh-CN", env={"PYTHONIOENCODING": "latin-1"}
    )
    assert ran.code == 0
    assert "\\u4e0e" in ran.out
