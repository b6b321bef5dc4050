"""Numbers that people write down: of deposits and of reports, and the code by which a report is found."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.deposit_number import ALPHABET, deposit_number, log_code, parse_deposit_number
from relay.core.errors import Malformed
from relay.core.limits import TREE_SIZE_MAX
from relay.core.report_number import (
    CODE_CHARS,
    SERIAL_MAX,
    check_code,
    parse_report_number,
    report_number,
    retrieval_code,
)

INDICES = st.integers(0, TREE_SIZE_MAX - 1)
ORIGINS = st.text(string.ascii_lowercase + ".-/0123456789", min_size=1, max_size=60)


@given(ORIGINS, INDICES)
def test_a_deposit_number_is_read_back_as_it_was_given_out(origin: str, index: int) -> None:
    text = str(deposit_number(origin, index))
    assert parse_deposit_number(text) == deposit_number(origin, index)
    assert parse_deposit_number(text).log == log_code(origin)


@given(ORIGINS, INDICES, st.data())
def test_one_wrong_character_of_a_deposit_number_is_noticed(origin: str, index: int, data: st.DataObject) -> None:
    text = str(deposit_number(origin, index))
    place = data.draw(st.sampled_from([i for i, c in enumerate(text) if c != "-"]))
    other = data.draw(st.sampled_from(sorted(set(ALPHABET) - {text[place]})))
    with pytest.raises(Malformed):
        parse_deposit_number(text[:place] + other + text[place + 1 :])


@given(ORIGINS, INDICES, st.data())
def test_two_characters_of_a_deposit_number_that_changed_places_are_noticed(
    origin: str, index: int, data: st.DataObject
) -> None:
    text = str(deposit_number(origin, index))
    swaps = [i for i in range(len(text) - 1) if text[i] != text[i + 1] and "-" not in text[i : i + 2]]
    place = data.draw(st.sampled_from(swaps))
    with pytest.raises(Malformed):
        parse_deposit_number(text[:place] + text[place + 1] + text[place] + text[place + 2 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7K3QZ9-0000001A-4",
        "7k3qz9-0000001a-42",
        "7K3QZI-0000001A-42",
        "7K3QZ9 0000001A 42",
        "7K3QZ9-000000001A-42",
        "x" * 1000,
    ],
)
def test_what_is_no_deposit_number_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_deposit_number(text)


def test_an_index_beyond_any_log_is_refused_though_its_digits_fit() -> None:
    beyond = str(deposit_number("origin", TREE_SIZE_MAX))
    with pytest.raises(Malformed, match="another spelling"):
        parse_deposit_number(beyond)


@given(st.integers(1970, 9999), st.integers(1, SERIAL_MAX))
def test_a_report_number_is_read_back_as_it_was_given_out(year: int, serial: int) -> None:
    number = report_number("spiffe://court.example/court/a", year, serial)
    assert parse_report_number(str(number)) == number


@given(st.integers(2000, 2100), st.integers(1, SERIAL_MAX), st.data())
def test_a_slip_in_a_report_number_is_noticed(year: int, serial: int, data: st.DataObject) -> None:
    text = str(report_number("spiffe://court.example/court/a", year, serial))
    place = data.draw(st.sampled_from([i for i, c in enumerate(text) if c.isdigit()]))
    other = data.draw(st.sampled_from(sorted(set(string.digits) - {text[place]})))
    with pytest.raises(Malformed):
        parse_report_number(text[:place] + other + text[place + 1 :])


def test_a_report_number_has_one_spelling() -> None:
    number = str(report_number("spiffe://court.example/court/a", 2026, 7))
    for text in (number.lower(), number.replace("-", ""), number + " ", number.replace("000007", "0000007")):
        with pytest.raises(Malformed):
            parse_report_number(text)


@given(st.binary(min_size=16, max_size=16))
def test_a_retrieval_code_has_one_spelling_and_holds_all_its_bits(random: bytes) -> None:
    code = check_code(retrieval_code(random))
    value = 0
    for character in code:
        value = value * 32 + ALPHABET.index(character)
    assert (len(code), value.to_bytes(16)) == (CODE_CHARS, random)


@pytest.mark.parametrize("code", ["", "8" + "0" * 25, "0" * 25, "0" * 27, "o" * 26, "../../etc/passwd"])
def test_what_is_no_code_is_refused_without_being_repeated(code: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_code(code)
    assert not code or code not in str(refused.value)
