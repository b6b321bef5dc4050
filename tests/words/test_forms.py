"""Amounts, times, sizes and masks: exact, and as readers of each language expect them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.limits import TIME_S_MAX
from relay.words import LANGUAGES, Language, negotiate, of_environment, speaker
from relay.words.masks import masked_name, masked_number
from tests.support.house import ROOT

EN, ZH = speaker("en"), speaker("zh-CN")


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (123_450, "CNY", "¥1,234.50"),
        (5, "CNY", "¥0.05"),
        (-5, "CNY", "-¥0.05"),
        (0, "CNY", "¥0.00"),
        (1_200, "USD", "USD 12.00"),
        (-99_999_999_999_999_999_901, "CNY", "-¥999,999,999,999,999,999.01"),
        (99, "JPY", "JPY 0.99"),
    ],
)
def test_money(cents: int, currency: str, text: str) -> None:
    assert EN.money(cents, currency) == ZH.money(cents, currency) == text


@given(st.integers(), st.sampled_from(["CNY", "USD"]))
def test_money_is_exact_to_the_cent_and_reads_back(cents: int, currency: str) -> None:
    text = ZH.money(cents, currency)
    digits = re.sub(r"[^0-9]", "", text)
    assert int(digits) * (-1 if text.startswith("-") else 1) == cents
    assert text[-3] == "."


@given(st.integers(min_value=1, max_value=(TIME_S_MAX - 86_400) * 1000))
def test_a_time_reads_back_to_its_second(ms: int) -> None:
    english = datetime.strptime(EN.time(ms), "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert int(english.timestamp()) == ms // 1000
    chinese = re.fullmatch(r"(\d+)年(\d+)月(\d+)日 (\d\d):(\d\d):(\d\d) 北京时间", ZH.time(ms))
    assert chinese is not None
    beijing = datetime(*map(int, chinese.groups()), tzinfo=UTC)  # type: ignore[arg-type]
    assert int(beijing.timestamp()) - 8 * 3600 == ms // 1000


def test_times_name_their_zone_and_keep_their_seconds() -> None:
    assert EN.time(1_763_930_285_999) == "2025-11-23 20:38:05 UTC"
    assert ZH.time(1_763_930_285_999) == "2025年11月24日 04:38:05 北京时间"
    assert ZH.time(615_000_000_000) == "1989年6月28日 09:20:00 北京时间"  # no summer time, whatever the year
    assert EN.time(0) == ZH.time(0) == ""


@given(st.integers())
def test_no_time_ends_in_a_traceback(ms: int) -> None:
    for language in LANGUAGES:
        assert speaker(language).time(ms) or ms == 0


def test_dates() -> None:
    assert (EN.date("2025-03-09"), ZH.date("2025-03-09")) == ("2025-03-09", "2025年3月9日")
    assert (EN.date(1_763_930_285_000), ZH.date(1_763_930_285_000)) == ("2025-11-23", "2025年11月24日")
    assert ZH.date("2025-02-30") == "2025-02-30"  # no day: as it stands
    assert ZH.date("20250309") == "20250309"
    assert ZH.date(0) == ZH.date("") == ""


@pytest.mark.parametrize(
    ("ms", "english", "chinese"),
    [
        (0, "less than a second", "不足 1 秒"),
        (1_000, "1 second", "1 秒"),
        (180_000, "3 minutes", "3 分钟"),
        (185_999, "3 minutes 5 seconds", "3 分钟 5 秒"),
        (3_605_000, "1 hour", "1 小时"),
        (90_061_000, "1 day 1 hour", "1 天 1 小时"),
        (-180_000, "-3 minutes", "-3 分钟"),
    ],
)
def test_durations(ms: int, english: str, chinese: str) -> None:
    assert (EN.duration(ms), ZH.duration(ms)) == (english, chinese)


@given(st.integers())
def test_numbers_read_back(number: int) -> None:
    assert int(ZH.number(number).replace(",", "")) == number


def test_sizes() -> None:
    assert [EN.bytes(n) for n in (0, 1, 999, 1000, 1_550, 12_345_678)] == [
        "0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.5 kB", "12.3 MB",
    ]  # fmt: skip
    assert [ZH.bytes(n) for n in (1, 2 * 10**9)] == ["1 字节", "2.0 GB"]


def test_masks() -> None:
    assert [masked_name(n) for n in ("王小明", "王明", "欧阳娜娜", "司马光", "John Smith", "", "王")] == [
        "王某某", "王某", "欧阳某某", "司马某", "J*** S***", "", "王某",
    ]  # fmt: skip
    assert [masked_number(n) for n in ("13812345678", "110101199003071234", "12", "1", "6222****1234")] == [
        "13******678", "110***********1234", "*2", "*", "6222****1234",
    ]  # fmt: skip


@given(st.text(alphabet="0123456789X", max_size=40))
def test_a_masked_number_shows_at_most_half(number: str) -> None:
    masked = masked_number(number)
    assert len(masked) == len(number)
    shown = len(masked) - masked.count("*")
    assert shown <= len(number) / 2
    assert shown <= 7


@given(st.text(max_size=60))
def test_masks_answer_any_text(text: str) -> None:
    masked_name(text)
    masked_number(text)


def test_every_name_of_the_record_kinds_has_a_label_in_both_languages() -> None:
    kinds = sorted((ROOT / "relay/schemas/kinds").glob("*.json"))
    assert len(kinds) == 43
    for path in kinds:
        schema = json.loads(path.read_text("utf-8"))
        for w in (EN, ZH):
            assert w.kind(schema["title"]) != schema["title"]
            assert w.stage(schema["x-stage"])[0].isupper() or w is ZH
            assert w.confidentiality(schema["x-confidentiality"])
        for name in members(schema):
            assert ZH.member(name) != name.replace("_", " "), (path.name, name)
            assert EN.member(name)[0].isupper(), (path.name, name)


def members(schema: dict[str, object]) -> list[str]:
    found: list[str] = []
    properties = schema.get("properties")
    for name, one in properties.items() if isinstance(properties, dict) else ():
        found += [name, *members(one)]
        found += members(one["items"]) if isinstance(one.get("items"), dict) else []
    return found


def values(schema: dict[str, object], name: str = "") -> list[tuple[str, str]]:
    """(member, word) of every fixed set, in what is inside too."""
    found = [(name, word) for word in schema.get("enum", ()) if isinstance(word, str)]  # type: ignore[attr-defined]
    properties = schema.get("properties")
    for inner, one in properties.items() if isinstance(properties, dict) else ():
        found += values(one, inner)
    items = schema.get("items")
    return found + (values(items, name) if isinstance(items, dict) else [])


def test_every_word_of_a_fixed_set_has_a_name_in_both_languages_and_no_name_is_left_over() -> None:
    kinds = sorted((ROOT / "relay/schemas/kinds").glob("*.json"))
    known = {f"{member} {word}" for path in kinds for member, word in values(json.loads(path.read_text("utf-8")))}
    for w in (EN, ZH):
        assert {identifier for context, identifier in w._names if context == "value"} == known
    assert ZH.value("channel", "direct_debit") == "代扣"
    assert ZH.value("text", "paid") == "paid"


def test_a_lenders_own_kind_is_shown_by_its_name() -> None:
    assert ZH.kind("own_special_kind") == "own special kind"
    assert ZH.member("own_member") == "own member"


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh-CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "zh_CN"}, "zh-CN"),
        ({"LC_ALL": "", "LANG": "zh"}, "zh-CN"),
        ({"LANG": "xx;q=nonsense,"}, "en"),
    ],
)
def test_the_terminals_language(variables: dict[str, str], language: Language) -> None:
    assert of_environment(variables) == language


@given(st.text(max_size=200))
def test_any_wish_is_answered(wanted: str) -> None:
    assert negotiate(wanted) in LANGUAGES
