"""The catalogues stay whole: nothing missing, nothing unused, nothing twice, one spelling for each term, and no verdict called true."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from relay.core.kinds import Stage
from relay.core.pinned import KEY_USES
from relay.core.verdict import Finding, Result
from relay.core.verify import examine
from relay.core.view import PROVENANCE
from relay.words import LANGUAGES, speaker
from relay.words.catalogue import CONTEXTS
from relay.words.sentences import places
from relay.words.verdicts import VERDICT_WORDS
from tests.support.house import ROOT
from tests.words.collect import asked_for, in_templates, key, po_files, quoted, read, rendered
from tests.words.core import unused

ENGLISH, CHINESE = speaker("en"), speaker("zh-CN")
TERMS = {
    r"anchored|anchoring": "上链|存证",
    r"\bcourts?\b": "法院|本院|司法链|法官",
    r"\bdossiers?\b": "卷宗",
    r"\bgrants?\b": "授权",
    r"\bwithheld\b": "未予出示",
    r"\btrust roots\b": "信任根",
    r"\bcheckpoints?\b": "检查点",
    r"\bcosigned|cosignatures?\b": "联署",
    r"\blenders?'?s?\b": "贷款机构|贷款人",
    r"\bpayloads?\b": "附件",
    r"\bwitness(es)?\b": "见证",
    r"\btombstones?\b": "删除声明",
}
"""The Chinese word for each term of docs/words.md, wherever the English has it."""
NEVER = re.compile("真实|真伪|authentic|verified true|证明属实")
"""Words that claim more than a verdict may (docs/spec/verdict.md)."""
OTHER_SPELLINGS = ("锚定", "卷宗档案", "授权令", "信任锚", "贷款方", "区块链上传", "见证人签名")


def texts(language: str) -> list[tuple[str, str, str]]:
    """(file, English, text) of all messages without context."""
    return [
        (path.name, str(one.id), str(one.string))
        for path in po_files(language)
        for one in read(path)
        if not one.context
    ]


def test_no_text_that_is_asked_for_is_missing() -> None:
    known = {english for _, english, _ in texts("zh-CN")}
    assert [f"{place}: {text}" for text, place in sorted(asked_for().items()) if text not in known] == []


def test_no_text_is_unused() -> None:
    assert unused() == []


def test_no_text_is_empty_and_none_stands_twice() -> None:
    for language in LANGUAGES:
        found = Counter(key(message) for path in po_files(language) for message in read(path))
        assert [one for one, count in found.items() if count > 1] == []
        assert [m.id for path in po_files(language) for m in read(path) if not m.string or m.fuzzy] == []


def test_places_are_the_same_in_both_languages() -> None:
    for part, english, text in texts("zh-CN"):
        assert sorted(places(english)) == sorted(places(text)), (part, english)


def test_files_are_sorted_and_in_one_spelling() -> None:
    for language in LANGUAGES:
        for path in po_files(language):
            found = read(path)
            assert [key(m) for m in found] == sorted(key(m) for m in found), (
                f"{path.name}: python3 -m tests.words.collect --sort"
            )
            body = path.read_bytes().partition(b"\n\n")[2]
            assert body == b"\n".join(rendered(m) for m in found), f"{path.name}: python3 -m tests.words.collect --sort"


def test_contexts_are_those_that_are_asked_for() -> None:
    for language in LANGUAGES:
        contexts = {m.context for path in po_files(language) for m in read(path) if m.context}
        assert contexts <= set(CONTEXTS)


def test_names_are_the_same_in_both_languages() -> None:
    english, chinese = (
        {key(m) for path in po_files(language) for m in read(path) if m.context and m.context != "what"}
        for language in ("en", "zh-CN")
    )
    assert english == chinese


def test_every_identifier_has_a_name() -> None:
    for w in (ENGLISH, CHINESE):
        assert all(w._names.get(("stage", stage.value)) for stage in Stage)
        assert all(w._names.get(("provenance", heading)) for heading in PROVENANCE)
        assert all(w._names.get(("result", result.value)) for result in Result)
        assert all(w._names.get(("status", status)) for status in ("disclosed", "withheld", "erased", "missing"))
        assert all(w._names.get(("key use", use)) for use in KEY_USES)
        assert all(w._names.get(("role", role)) for role in ("judge", "clerk", "party", "auditor"))
    source = (ROOT / "relay/core/verify.py").read_text("utf-8")
    steps = re.findall(r'evidence\.run\(\d+, "([a-z ]+)"', source)
    assert len(steps) >= 14
    assert examine.__module__ == "relay.core.verify"
    assert [step for step in steps if not CHINESE._names.get(("step", step))] == []


def test_every_verdict_has_its_own_name_and_words() -> None:
    assert set(VERDICT_WORDS) == set(Finding)
    for w in (ENGLISH, CHINESE):
        assert len({w.verdict(finding) for finding in Finding}) == 7
        assert len({w.verdict_words(finding) for finding in Finding}) == 7
    assert CHINESE.verdict(Finding.CONSISTENT) == "与存证一致"
    assert ENGLISH.verdict("CONSISTENT") == "CONSISTENT"


def test_no_text_calls_anything_authentic() -> None:
    wrong = [
        (path.name, m.id)
        for language in LANGUAGES
        for path in po_files(language)
        for m in read(path)
        if NEVER.search(str(m.string)) or NEVER.search(str(m.id))
        if m.id != "ground authenticity"  # what somebody objects to
    ]
    assert wrong == []


def test_only_consistent_says_that_something_agrees() -> None:
    for finding in Finding:
        agrees = "与存证一致" in CHINESE.verdict_words(finding)
        assert agrees == (finding in (Finding.CONSISTENT, Finding.SUPERSEDED))


def test_each_term_has_one_spelling() -> None:
    wrong = []
    for part, english, text in texts("zh-CN"):
        if part not in ("verify.po", "refusals.po", "ledgers.po", "more.po"):
            continue
        wrong += [(part, english, term) for term in OTHER_SPELLINGS if term in text]
        bare = re.sub(r"\{[a-z_]+\}|`[^`]*`|spiffe://\S+", "", english)
        wrong += [
            (part, english, chinese)
            for term, chinese in TERMS.items()
            if re.search(term, bare) and not re.search(chinese, text)
        ]
    assert wrong == []


def test_the_scanner_reads_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: a text that a page asks for is found, in each way of asking."""
    monkeypatch.setattr("tests.words.collect.ROOT", tmp_path)
    (tmp_path / "a.html").write_text(
        """{{ t("One") }} {{ w.text('Two {n}', n=3) }} {{ next("no") }} {{ t("a \\"b\\"") }}\n"""
        """{{ w.text("here" if x == "y" else "there") }}{% if w.text(name) %}{{ w.text("five", n=w.text("six")) }}{% endif %}"""
    )
    assert [text for text, _ in in_templates(tmp_path)] == ["One", "Two {n}", 'a "b"', "here", "there", "five", "six"]
    assert quoted('a "b"\n') == '"a \\"b\\"\\n"'
