"""A lender's contract, attack by attack."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.evm.contracts.chain import ORIGIN, OTHER, STRANGER, WRITER, Contract, Reverted, name_hash, new_anchor_log

ROOT, ROOT_2 = b"\x01" * 32, b"\x02" * 32
SIZE_MAX = 2**53 - 1


@pytest.fixture
def log() -> Contract:
    return new_anchor_log()


def refused(log: Contract, expected: Reverted, sender: str, *values: object) -> None:
    """The call reverts with exactly this, and nothing stands there that did not before."""
    before = (log.view("last", ORIGIN), log.view("anchored", ORIGIN, values[1]))
    with pytest.raises(Reverted) as found:
        log.call(sender, "anchor", *values)
    assert found.value == expected
    assert (log.view("last", ORIGIN), log.view("anchored", ORIGIN, values[1])) == before


def test_an_anchor_is_one_event_with_all_its_facts(log: Contract) -> None:
    (event,) = log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    assert (event.name, event.values) == ("Anchored", (name_hash(ORIGIN), WRITER, ORIGIN, 7, ROOT))
    assert log.view("anchored", ORIGIN, 7) == (ROOT, log.number, True)
    assert log.view("last", ORIGIN) == (7, ROOT)


def test_what_was_never_anchored_does_not_exist(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    assert log.view("anchored", ORIGIN, 6) == (bytes(32), 0, False)
    assert log.view("anchored", "other", 7) == (bytes(32), 0, False)
    assert log.view("last", "other") == (0, bytes(32))


def test_repeat_emits_nothing_and_keeps_the_first_block(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    first = log.view("anchored", ORIGIN, 7)
    assert log.call(WRITER, "anchor", ORIGIN, 7, ROOT) == []
    assert log.view("anchored", ORIGIN, 7) == first


def test_repeat_of_an_older_anchor_emits_nothing_and_takes_nothing_back(log: Contract) -> None:
    for size in (7, 9):
        log.call(WRITER, "anchor", ORIGIN, size, ROOT)
    assert log.call(WRITER, "anchor", ORIGIN, 7, ROOT) == []
    assert log.view("last", ORIGIN) == (9, ROOT)


def test_other_sender_cannot_take_an_origin(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    refused(log, Reverted("NotOwner", WRITER), OTHER, ORIGIN, 8, ROOT_2)


def test_other_sender_cannot_even_repeat(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    refused(log, Reverted("NotOwner", WRITER), OTHER, ORIGIN, 7, ROOT)


def test_every_origin_has_an_owner_of_its_own(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    log.call(OTHER, "anchor", ORIGIN + "x", 3, ROOT_2)
    refused(log, Reverted("NotOwner", OTHER), WRITER, ORIGIN + "x", 4, ROOT)


def test_refused_first_anchor_gives_no_ownership(log: Contract) -> None:
    refused(log, Reverted("Smaller", 0), STRANGER, ORIGIN, 0, ROOT)
    assert len(log.call(WRITER, "anchor", ORIGIN, 1, ROOT)) == 1


def test_smaller_size_is_refused_with_the_last_one(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    refused(log, Reverted("Smaller", 7), WRITER, ORIGIN, 6, ROOT)
    refused(log, Reverted("Smaller", 7), WRITER, ORIGIN, 0, ROOT)


def test_other_root_at_the_same_size_is_refused_with_the_root_that_stands(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, ROOT)
    refused(log, Reverted("OtherRoot", ROOT), WRITER, ORIGIN, 7, ROOT_2)
    log.call(WRITER, "anchor", ORIGIN, 8, ROOT_2)
    refused(log, Reverted("OtherRoot", ROOT), WRITER, ORIGIN, 7, ROOT_2)


def test_root_of_zeros_is_a_root_like_any_other(log: Contract) -> None:
    log.call(WRITER, "anchor", ORIGIN, 7, bytes(32))
    assert log.view("anchored", ORIGIN, 7) == (bytes(32), log.number, True)
    refused(log, Reverted("OtherRoot", bytes(32)), WRITER, ORIGIN, 7, ROOT)
    assert log.call(WRITER, "anchor", ORIGIN, 7, bytes(32)) == []


def test_size_past_exact_json_numbers_is_refused(log: Contract) -> None:
    refused(log, Reverted("TooLarge"), WRITER, ORIGIN, SIZE_MAX + 1, ROOT)
    refused(log, Reverted("TooLarge"), WRITER, ORIGIN, 2**64 - 1, ROOT)
    assert len(log.call(WRITER, "anchor", ORIGIN, SIZE_MAX, ROOT)) == 1


def test_size_that_is_no_uint64_is_refused_and_not_cut_off(log: Contract) -> None:
    data = keccak(b"anchor(string,uint64,bytes32)")[:4] + encode(
        ["string", "uint256", "bytes32"], [ORIGIN, 2**64 + 5, ROOT]
    )
    with pytest.raises(Reverted) as found:
        log.send(WRITER, data)
    assert found.value == Reverted("")


def test_too_long_or_empty_origin_is_refused(log: Contract) -> None:
    refused(log, Reverted("TooLong"), WRITER, "x" * 256, 7, ROOT)
    refused(log, Reverted("TooLong"), WRITER, "", 7, ROOT)
    refused(log, Reverted("TooLong"), WRITER, "x" * 100_000, 7, ROOT)
    assert len(log.call(WRITER, "anchor", "x" * 255, 7, ROOT)) == 1


def test_origin_is_counted_in_bytes(log: Contract) -> None:
    refused(log, Reverted("TooLong"), WRITER, "证" * 86, 7, ROOT)
    assert log.call(WRITER, "anchor", "证" * 85, 7, ROOT)[0].values[2] == "证" * 85


def test_filling_after_an_origin_in_the_call_does_not_reach_the_event(log: Contract) -> None:
    """A receipt proof takes event data in one encoding only."""
    data = bytearray(log.data("anchor", ORIGIN, 7, ROOT))
    assert data[-4:] == bytes(4)
    data[-4:] = b"\xff\xff\xff\xff"
    (event,) = log.send(WRITER, bytes(data))
    assert event.data[-4:] == bytes(4)
    assert event.values[2] == ORIGIN


@pytest.mark.parametrize("data", [b"", b"\x00", bytes(4), bytes(200), b"\xff" * 36])
def test_call_of_nothing_there_is_refused(log: Contract, data: bytes) -> None:
    with pytest.raises(Reverted):
        log.send(WRITER, data)


def test_call_cut_off_anywhere_is_refused(log: Contract) -> None:
    whole = log.data("anchor", ORIGIN, 7, ROOT)
    filling = -len(ORIGIN) % 32
    for end in range(len(whole) - filling):
        with pytest.raises(Reverted):
            log.raw(WRITER, whole[:end])


def test_money_is_not_taken(log: Contract) -> None:
    log.evm.set_balance(WRITER, 10)
    with pytest.raises(RuntimeError, match="Revert"):
        log.evm.message_call(WRITER, log.address, log.data("anchor", ORIGIN, 7, ROOT), value=1)
