"""What the core says is recognised and given in Chinese; nothing that it can say is left out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.bundle import MANIFEST
from relay.core.verdict import DOES_NOT_PROVE, Verdict
from relay.words import speaker
from relay.words.places import CHARS_MAX
from relay.words.sentences import compiled, places
from tests.support.bundles import Made, make_bundle, put_together
from tests.words.collect import po_files, read
from tests.words.core import core_shapes, unknown_shapes

CHINESE = speaker("zh-CN")


def test_every_sentence_of_the_core_has_a_template() -> None:
    assert len(core_shapes()) > 400
    assert [f"{place}: {shape}" for shape, place in unknown_shapes()] == []


def test_a_sentence_without_a_template_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: a shape that nobody translated is named with its place."""
    known = dict(core_shapes())
    monkeypatch.setattr("tests.words.core.core_shapes", lambda: {**known, "{} frobs were counted": "relay/core/x.py:1"})
    assert unknown_shapes() == [("{} frobs were counted", "relay/core/x.py:1")]


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        ("190 parts, each as listed", "共 190 个文件，均与目录一致"),
        ("bundle: manifest.json is missing", "证据包：缺少 manifest.json"),
        ("bundle manifest: parts[0].name: is missing", "证据包目录：parts[0].name：缺失"),
        ("grant: its court is spiffe://a, expected spiffe://b", "授权书：其法院为 spiffe://a，应为 spiffe://b"),
        (
            (
                "INCONSISTENT: 3 CONSISTENT, 1 INCONSISTENT. Step 1 (container) failed: bundle: a.jwt was changed: its bytes are not"
                " those the manifest lists"
            ),
            "与存证不一致：与存证一致 3 条、与存证不一致 1 条。第 1 步（证据包文件）未通过：证据包：a.jwt 已被改动：其内容与目录所列不符",
        ),
        (
            (
                "records: seq 3: signature of the record: does not match the key K: the content was changed or another key signed it"
                " (and 2 more)"
            ),
            "记录：第 3 号：记录的签名：与密钥 K 不符：内容已被改动，或者由其他密钥签名（另有 2 条）",
        ),
        (
            "completeness: hole: seq 3 missing, cut tail: seq 5 to 7 missing, hole in the log: seq 1, seq 3 not logged, though seq 7 is",
            "完整性：缺号：第 3 号缺失；尾部缺失：第 5 至 7 号缺失；日志缺号：第 1 号、第 3 号未写入日志，而第 7 号已写入",
        ),
        (
            (
                "log signature: no pinned key valid at that time signed this checkpoint; K, which did, was valid until"
                " 2026-01-01T00:00:00Z, before 2026-02-01T00:00:00Z"
            ),
            (
                "日志签名：信任根所列且当时有效的密钥均未签署该检查点；签署该检查点的 K 有效期至 2026年1月1日 08:00:00 北京时间 止，"
                "早于 2026年2月1日 08:00:00 北京时间"
            ),
        ),
        ("completeness: seq 0: its log index is 1, expected 0", "完整性：第 0 号：其日志位置为 1，应为 0"),
        ("custody: event 1: its request is None, expected ab", "保管：第 1 项事件：其调取请求为 None，应为 ab"),
        ("checkpoint: anchor 0 is A, expected B", "检查点：第 0 号锚点为 A，应为 B"),
        ("erased on 2026-03-09 under own policy 7", "已于 2026年3月9日 依据 own policy 7 删除"),
        (
            "/a b/trust.json: line 3 column 4: is not JSON: Expecting value",
            "/a b/trust.json：第 3 行第 4 列：不是 JSON：此处应有值",
        ),
    ],
)
def test_sentences_inside_sentences(sentence: str, chinese: str) -> None:
    assert CHINESE.recognised(sentence) == (chinese, True)
    assert speaker("en").said(sentence) == sentence


@pytest.mark.parametrize(
    "named", ["grant", "bundle is missing", "CONSISTENT", "seq 3: grant", "的{count}", "{0.__class__}"]
)
def test_what_others_wrote_is_never_translated(named: str) -> None:
    """A case that is called as a check is; a template in a name."""
    assert CHINESE.said(f"issued by spiffe://x for case {named}") == f"由 spiffe://x 就 {named} 案签发"


def test_unknown_sentences_stay_english() -> None:
    assert CHINESE.recognised("the moon is made of cheese") == ("the moon is made of cheese", False)
    assert not CHINESE.recognised("grant: the moon is made of cheese").whole
    assert not CHINESE.recognised("must be a piece of cheese").whole


def test_a_time_that_does_not_exist_stays_as_it_is() -> None:
    sentence = "the trust roots have expired: at 2026-13-45T99:00:00Z; get the current file"
    assert "2026-13-45T99:00:00Z" in CHINESE.said(sentence)


@given(st.text(max_size=300))
def test_any_text_is_answered(text: str) -> None:
    CHINESE.recognised(text)
    CHINESE.recognised(f"records: seq 1: {text} (and 2 more)")


HOSTILE = (
    "x: ", "; ", "seq 3: ", "grant: ", "{", "is , expected ", "x is missing", ", hole: ", "a, which did, ", "a: b: c: d; ", "key of ",
    "(and 1 more)", "signature of the ", "must be a or ", "\n", "0", "第",
)  # fmt: skip


def test_hostile_sentences_take_no_longer_than_their_length_allows() -> None:
    """The work is counted, not timed: template matches for a sentence of the greatest length, for every repeated piece."""
    for piece in HOSTILE:
        calls = _matches(piece * (CHARS_MAX // len(piece)))
        assert calls < 40_000, piece
    assert _matches("x" * (CHARS_MAX + 1)) == 0


def _matches(sentence: str) -> int:
    sentences = CHINESE._sentences
    assert sentences is not None
    before = sentences.tried
    sentences.say(sentence)
    return sentences.tried - before


def test_no_pattern_repeats_a_repetition() -> None:
    """No quantifier inside a quantified group, in any template: what is matched is matched in linear time."""
    parser = pytest.importorskip("re._parser")
    for path in po_files("zh-CN"):
        for message in read(path):
            if "{" in str(message.id):
                parsed = parser.parse(compiled(str(message.id)).pattern)
                assert _depth(parsed) <= 1, message.id


def _depth(parsed: object) -> int:
    deepest = 0
    for operation, value in parsed:  # type: ignore[attr-defined]
        name = str(operation)
        inner = [part for part in (value if isinstance(value, tuple | list) else [value]) if hasattr(part, "data")]
        below = max((_depth(part) for part in inner), default=0)
        deepest = max(deepest, below + (name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")))
    return deepest


def test_every_place_of_a_template_is_given_back() -> None:
    for path in po_files("zh-CN"):
        for message in read(path):
            assert sorted(places(str(message.id))) == sorted(places(str(message.string))), message.id
            assert len(set(places(str(message.id)))) == len(places(str(message.id))), message.id


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundle(tmp_path_factory.mktemp("words") / "home", count=2)


def english_left(verdict: Verdict) -> list[str]:
    said = [step.detail for step in verdict.steps] + [record.reason for record in verdict.records if record.reason]
    said += [record.late for record in verdict.records if record.late]
    said += [verdict.summary, *DOES_NOT_PROVE]
    return [sentence for sentence in said if not CHINESE.recognised(sentence).whole]


def test_a_good_bundle_is_told_in_chinese(tiny: Made) -> None:
    assert english_left(tiny.verify(tiny.data)) == []


def test_altered_bundles_are_told_in_chinese(tiny: Made) -> None:
    """Bytes of every part changed, some sealed again by whoever has the court's key, parts left out, files cut off."""
    dice = random.Random(20_261_125)
    parts = tiny.parts()
    left: dict[str, None] = {}
    for name, data in parts.items():
        for _ in range(12):
            changed = bytearray(data)
            changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            for made in (put_together,) if name == MANIFEST else (put_together, tiny.sealed_again):
                left.update(dict.fromkeys(english_left(tiny.verify(made({**parts, name: bytes(changed)})))))
        left.update(
            dict.fromkeys(english_left(tiny.verify(put_together({n: d for n, d in parts.items() if n != name}))))
        )
        left.update(dict.fromkeys(english_left(tiny.verify(put_together({**parts, name: b""})))))
    for _ in range(200):
        flipped = bytearray(tiny.data)
        flipped[dice.randrange(len(flipped))] = dice.randrange(256)
        left.update(dict.fromkeys(english_left(tiny.verify(bytes(flipped)))))
        left.update(dict.fromkeys(english_left(tiny.verify(tiny.data[: dice.randrange(len(tiny.data))]))))
    assert list(left) == []


def test_bytes_that_are_no_bundle_are_told_in_chinese(tiny: Made) -> None:
    assert english_left(tiny.verify(b"PK\x03\x04" + bytes(200))) == []
