"""Canonical JSON: one spelling, and the same refusals for every reader."""

from __future__ import annotations

import contextlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from relay.core.canonical import Fields, dumps, loads, loads_canonical, loads_strict
from relay.core.errors import Malformed
from relay.core.fields import TOKEN
from relay.core.limits import JSON_DEPTH_MAX

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    data = dumps(value)

    assert loads_canonical(data, what="document", bytes_max=10**6) == value
    assert loads_strict(data, what="document", bytes_max=10**6) == value


@given(values)
def test_what_is_written_is_what_another_writer_of_rfc_8785_writes(value: object) -> None:
    assert dumps(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text("ab\x7fé\ufb33\U0001f600", max_size=3))
def test_every_character_has_one_spelling(text: str, name: str) -> None:
    value = {name: [text, tuple(text)], name + "b": {text: name}}

    assert dumps(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.dictionaries(st.text("ab", max_size=3), values, max_size=3), st.sampled_from([None, 1, 4]))
def test_only_the_canonical_spelling_is_accepted(value: dict[str, object], indent: int | None) -> None:
    other = json.dumps(value, indent=indent, ensure_ascii=False).encode()

    assert loads_strict(other, what="document", bytes_max=10**6) == value
    if other != dumps(value):
        with pytest.raises(Malformed, match="document: is not in canonical form"):
            loads(other, what="document", bytes_max=10**6)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    value: object = None
    with contextlib.suppress(Malformed):
        value = loads_strict(data, what="document", bytes_max=100)
    if value is not None:
        assert loads_strict(dumps(value), what="document", bytes_max=1000) == value


def test_keys_are_sorted_by_utf16_code_units() -> None:
    # RFC 8785 section 3.2.3: the surrogate pair of U+1F600 sorts before U+FB33
    written = dumps({"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3})

    assert written.decode() == '{"\u20ac":3,"\U0001f600":2,"\ufb33":1}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":1}', "member 'a' stands twice"),
        (b'{"a":{"b":1,"b":2}}', "member 'b' stands twice"),
        (b'{"a":1.5}', "1.5 is not an integer"),
        (b'{"a":1e2}', "1e2 is not an integer"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":9007199254740992}', "beyond 2\\^53 - 1"),
        (b'{"a":' + b"9" * 90 + b"}", "beyond 2\\^53 - 1"),
        (b'{"a":"\\ud800"}', "half a surrogate pair"),
        (b'{"\\udc00":1}', "half a surrogate pair"),
        (b'{"a":01}', "line 1 column 7: is not JSON"),
        (b'{"a":1,}', "is not JSON"),
        (b"{'a':1}", "is not JSON"),
        (b'{"a":1} x', "is not JSON"),
        (b"", "is not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "is not JSON"),
        (b'{"a":"\xff"}', "byte 6: is not UTF-8"),
        (b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1), "nested deeper than 32"),
        (b"[" * 50_000 + b"]" * 50_000, "nested deeper than 32"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        loads_strict(data, what="document", bytes_max=10**6)
    assert caught.value.what == "document"


def test_depth_up_to_the_limit_is_read() -> None:
    data = b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX

    assert dumps(loads_strict(data, what="document", bytes_max=100)) == data


def test_size_is_checked_before_anything_else() -> None:
    with pytest.raises(Malformed, match="document: 6 bytes; at most 5"):
        loads_strict(b"\xff" * 6, what="document", bytes_max=5)


def test_a_document_must_be_an_object() -> None:
    with pytest.raises(Malformed, match="document: must be a JSON object"):
        loads(b"[]", what="document", bytes_max=5)


@pytest.mark.parametrize("value", [1.0, {"a": 0.5}, {1: 2}, {"a": b"x"}, 2**53, "\ud800", {"\ud800": 1}, {"a": {1, 2}}])
def test_our_own_code_cannot_write_what_no_reader_accepts(value: object) -> None:
    with pytest.raises(RuntimeError, match="not a value that can be written canonically"):
        dumps(value)


class TestFields:
    def read(self, **members: object) -> Fields:
        return Fields(members, what="document", path="part")

    def test_an_unknown_member_is_refused_by_name(self) -> None:
        fields = self.read(a=1, b=2)
        fields.integer("a")

        with pytest.raises(Malformed, match=r"document: part\.b: is not a member of this document"):
            fields.done()

    def test_a_missing_member_is_refused_by_name(self) -> None:
        with pytest.raises(Malformed, match=r"document: part\.a: is missing"):
            self.read().string("a")

    def test_the_path_of_a_nested_member_is_told(self) -> None:
        inner = Fields({"list": [{}, {"x": "1"}]}, what="document").objects("list", count_max=2)[1]

        with pytest.raises(Malformed, match=r"document: list\[1\]\.x: must be an integer"):
            inner.integer("x")

    @pytest.mark.parametrize("value", [True, "1", None, -1, 11])
    def test_an_integer_is_an_integer_within_its_bounds(self, value: object) -> None:
        with pytest.raises(Malformed, match=r"part\.a"):
            self.read(a=value).integer("a", high=10)

    @pytest.mark.parametrize("value", ["AB" * 32, "ab" * 31, "ab" * 31 + "g1", "", 7])
    def test_a_digest_is_lower_case_hex_of_its_length(self, value: object) -> None:
        with pytest.raises(Malformed, match=r"part\.a"):
            self.read(a=value).digest("a")

    @pytest.mark.parametrize("value", ["AB", "AB==", "AAA", "A+8", "AA\n", "Ab", 5])
    def test_base64url_in_another_spelling_is_refused(self, value: object) -> None:
        with pytest.raises(Malformed, match=r"part\.a"):
            self.read(a=value).b64url("a", size=1)

    @pytest.mark.parametrize(
        "value", [[], "x", ["b", "a"], ["a", "a"], ["a", 1], ["a", "b", "c", "d"], ["A"], [["a"]], None]
    )
    def test_names_are_sorted_once_each_and_never_none(self, value: object) -> None:
        with pytest.raises(Malformed, match=r"part\.a"):
            self.read(a=value).names("a", TOKEN, count_max=3, meant="a name")

    @pytest.mark.parametrize(
        "value",
        [
            "spiffe://x.example/judge/one",
            "spiffe://x.example/court/",
            "spiffe://x.example/court/a/b",
            "https://x.example/court/a",
            "spiffe://x.example/custodian/a",
            "spiffe://X.example/court/a",
        ],
    )
    def test_a_party_of_another_form_or_role_is_refused(self, value: str) -> None:
        with pytest.raises(Malformed, match=r"document: part\.a: must be"):
            self.read(a=value).party("a", "court")

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ("", "must not be empty"),
            ("x" * 11, "11 characters; at most 10"),
            ("a\nb", "character 2 is U\\+000A"),
            ("a\u202eb", "character 2 is U\\+202E"),
            ("a\u200bb", "U\\+200B"),
            ("a\x7f", "U\\+007F"),
            ("a\u2028", "U\\+2028"),
            ("a\ue000", "U\\+E000"),
            (" a", "begin or end with a space"),
            ("e\u0301", "normal form C"),
        ],
    )
    def test_text_for_people_hides_nothing(self, value: str, reason: str) -> None:
        with pytest.raises(Malformed, match=reason):
            self.read(a=value).plain("a", chars_max=10)

    def test_text_for_people_may_be_chinese(self) -> None:
        assert self.read(a="（2025）浙0192民初1号").plain("a") == "（2025）浙0192民初1号"
