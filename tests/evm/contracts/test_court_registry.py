"""Checkpoints and custody heads on a court's contract, attack by attack; every rule counts for both."""

from __future__ import annotations

import random

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from adapters.evm.contracts import court_registry
from relay.core.merkle import MemoryTree
from tests.evm.contracts.chain import (
    ADMIN,
    ORIGIN,
    OTHER,
    STRANGER,
    WRITER,
    Contract,
    Event,
    Reverted,
    address,
    name_hash,
    new_court,
    submission,
)
from tests.evm.contracts.trees import dense_tree

TREE = dense_tree(40, random.Random(1))
FORK = dense_tree(40, random.Random(2))
SIZE_MAX = 2**53 - 1
SPACES = {
    "submit": ("CheckpointAccepted", "last", "accepted"),
    "custody": ("CustodyHead", "lastCustody", "acceptedCustody"),
}


@pytest.fixture
def court() -> Contract:
    return new_court(WRITER, OTHER)


@pytest.fixture(params=SPACES)
def verb(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(court: Contract, verb: str, sender: str, *values: object) -> list[Event]:
    """`submit` or `custody` with the arguments of `submit`."""
    return court.call(sender, verb, *(values if verb == "submit" else values[:5]))


def extend(
    court: Contract, verb: str, old_size: int, size: int, tree: MemoryTree = TREE, **more: object
) -> list[Event]:
    """The honest call."""
    proof = tree.consistency_proof(old_size, size)
    return write(court, verb, WRITER, *submission(size, tree.root(size), old_size, proof, **more))  # type: ignore[arg-type]


def refused(court: Contract, verb: str, expected: Reverted, *values: object, sender: str = WRITER) -> None:
    """The call reverts with exactly this, and the last size stays."""
    _, last, _ = SPACES[verb]
    before = court.view(last, ORIGIN)
    with pytest.raises(Reverted) as found:
        write(court, verb, sender, *values)
    assert found.value == expected
    assert court.view(last, ORIGIN) == before


def test_first_checkpoint_and_its_growth_are_events_with_all_facts(court: Contract) -> None:
    (first,) = extend(court, "submit", 0, 7)
    assert first.name == "CheckpointAccepted"
    assert first.values == (name_hash(ORIGIN), WRITER, ORIGIN, 7, TREE.root(7), 0, 1, b"\x05" * 32)
    at_7 = court.number
    (second,) = extend(court, "submit", 7, 40, attempt=9)
    assert second.values == (name_hash(ORIGIN), WRITER, ORIGIN, 40, TREE.root(40), 7, 9, b"\x05" * 32)
    assert court.view("last", ORIGIN) == (40, TREE.root(40))
    assert court.view("accepted", ORIGIN, 7) == (TREE.root(7), at_7, True)
    assert court.view("accepted", ORIGIN, 40) == (TREE.root(40), court.number, True)
    assert court.view("accepted", ORIGIN, 8) == (bytes(32), 0, False)


def test_custody_head_is_an_event_with_all_facts(court: Contract) -> None:
    extend(court, "custody", 0, 7)
    (event,) = extend(court, "custody", 7, 40)
    assert (event.name, event.values) == ("CustodyHead", (name_hash(ORIGIN), WRITER, ORIGIN, 40, TREE.root(40)))
    assert court.view("lastCustody", ORIGIN) == (40, TREE.root(40))
    assert court.view("acceptedCustody", ORIGIN, 40) == (TREE.root(40), court.number, True)


def test_custody_head_is_never_a_checkpoint_nor_the_other_way(court: Contract) -> None:
    extend(court, "custody", 0, 7)
    assert court.view("last", ORIGIN) == (0, bytes(32))
    assert court.view("accepted", ORIGIN, 7) == (bytes(32), 0, False)
    extend(court, "submit", 0, 5, FORK)
    assert court.view("lastCustody", ORIGIN) == (7, TREE.root(7))
    assert court.view("acceptedCustody", ORIGIN, 5) == (bytes(32), 0, False)


@pytest.mark.parametrize("sender", [STRANGER, ADMIN, "0x" + "00" * 20])
def test_who_is_no_writer_writes_nothing(court: Contract, verb: str, sender: str) -> None:
    refused(court, verb, Reverted("NotWriter", sender), *submission(7, TREE.root(7)), sender=sender)
    extend(court, verb, 0, 7)
    refused(court, verb, Reverted("NotWriter", sender), *submission(7, TREE.root(7)), sender=sender)


def test_dismissed_writer_writes_nothing_more_and_what_it_wrote_stays(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 7)
    court.call(ADMIN, "setWriter", WRITER, False)
    proof = TREE.consistency_proof(7, 40)
    refused(court, verb, Reverted("NotWriter", WRITER), *submission(40, TREE.root(40), 7, proof))
    assert court.view(SPACES[verb][1], ORIGIN) == (7, TREE.root(7))


def test_repeat_emits_nothing_whoever_sends_it_and_whatever_else_it_says(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 7)
    first = court.view(SPACES[verb][2], ORIGIN, 7)
    assert extend(court, verb, 0, 7) == []
    assert write(court, verb, OTHER, *submission(7, TREE.root(7), 3, [b"\x09" * 32], attempt=2)) == []
    extend(court, verb, 7, 40)
    assert extend(court, verb, 0, 7) == []
    assert court.view(SPACES[verb][1], ORIGIN) == (40, TREE.root(40))
    assert court.view(SPACES[verb][2], ORIGIN, 7) == first


def test_other_root_at_an_accepted_size_is_refused(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 7)
    refused(court, verb, Reverted("OtherRoot", TREE.root(7)), *submission(7, FORK.root(7)))
    extend(court, verb, 7, 40)
    refused(court, verb, Reverted("OtherRoot", TREE.root(7)), *submission(7, FORK.root(7), 40))


def test_root_of_zeros_is_a_root_like_any_other(court: Contract, verb: str) -> None:
    write(court, verb, WRITER, *submission(7, bytes(32)))
    assert court.view(SPACES[verb][2], ORIGIN, 7) == (bytes(32), court.number, True)
    refused(court, verb, Reverted("OtherRoot", bytes(32)), *submission(7, TREE.root(7)))


@pytest.mark.parametrize("old_size", [0, 6, 8, 39, 40, 2**64 - 1])
def test_stale_or_invented_old_size_is_refused_with_the_last_one(court: Contract, verb: str, old_size: int) -> None:
    extend(court, verb, 0, 7)
    proof = TREE.consistency_proof(old_size, 40) if old_size <= 40 else TREE.consistency_proof(7, 40)
    refused(court, verb, Reverted("NotLast", 7), *submission(40, TREE.root(40), old_size, proof))


def test_old_size_before_the_first_checkpoint_is_refused(court: Contract, verb: str) -> None:
    proof = TREE.consistency_proof(7, 40)
    refused(court, verb, Reverted("NotLast", 0), *submission(40, TREE.root(40), 7, proof))


def test_smaller_size_is_refused_even_with_the_right_old_size(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 40)
    refused(court, verb, Reverted("Smaller", 40), *submission(39, TREE.root(39), 40))
    refused(court, verb, Reverted("Smaller", 40), *submission(39, TREE.root(39), 0))
    refused(court, verb, Reverted("Smaller", 40), *submission(0, TREE.root(0), 40))


def test_size_zero_is_never_accepted(court: Contract, verb: str) -> None:
    refused(court, verb, Reverted("Smaller", 0), *submission(0, TREE.root(0)))


def test_proof_for_the_first_checkpoint_is_refused(court: Contract, verb: str) -> None:
    refused(court, verb, Reverted("NotConsistent"), *submission(7, TREE.root(7), 0, [TREE.root(7)]))


def test_log_that_was_rewritten_is_refused(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 7)
    for proof in (FORK.consistency_proof(7, 40), TREE.consistency_proof(7, 40), []):
        refused(court, verb, Reverted("NotConsistent"), *submission(40, FORK.root(40), 7, proof))


def test_growth_without_a_proof_is_refused(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 8)
    refused(court, verb, Reverted("NotConsistent"), *submission(40, TREE.root(40), 8))
    refused(court, verb, Reverted("NotConsistent"), *submission(40, TREE.root(8), 8))


def test_proof_of_more_hashes_than_any_tree_needs_is_refused(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 7)
    refused(court, verb, Reverted("TooLong"), *submission(40, TREE.root(40), 7, [bytes(32)] * 65))
    refused(court, verb, Reverted("NotConsistent"), *submission(40, TREE.root(40), 7, [bytes(32)] * 64))


def test_size_past_exact_json_numbers_is_refused(court: Contract, verb: str) -> None:
    refused(court, verb, Reverted("TooLarge"), *submission(SIZE_MAX + 1, TREE.root(7)))
    refused(court, verb, Reverted("TooLarge"), *submission(2**64 - 1, TREE.root(7)))
    assert len(write(court, verb, WRITER, *submission(SIZE_MAX, TREE.root(7)))) == 1


def test_too_long_or_empty_origin_is_refused(court: Contract, verb: str) -> None:
    for origin in ("x" * 256, "", "x" * 50_000):
        refused(court, verb, Reverted("TooLong"), *submission(7, TREE.root(7), origin=origin))
    assert len(write(court, verb, WRITER, *submission(7, TREE.root(7), origin="x" * 255))) == 1


def test_origins_do_not_touch_each_other(court: Contract, verb: str) -> None:
    extend(court, verb, 0, 7)
    extend(court, verb, 0, 3, FORK, origin=ORIGIN + "x")
    assert court.view(SPACES[verb][1], ORIGIN) == (7, TREE.root(7))
    assert court.view(SPACES[verb][1], ORIGIN + "x") == (3, FORK.root(3))


def test_filling_after_an_origin_in_the_call_does_not_reach_the_event(court: Contract) -> None:
    values = submission(7, TREE.root(7))
    data = court.data("submit", *values)
    at = data.index(ORIGIN.encode()) + len(ORIGIN)
    assert data[at : at + 4] == bytes(4)
    (event,) = court.send(WRITER, data[:at] + b"\xff" * 4 + data[at + 4 :])
    assert event.values[2] == ORIGIN
    assert event.data[-4:] == bytes(4)


def test_number_that_is_no_uint64_is_refused_and_not_cut_off(court: Contract) -> None:
    types = ["string", "uint256", "bytes32", "uint256", "bytes32[]", "uint256", "bytes32"]
    selector = keccak(b"submit(string,uint64,bytes32,uint64,bytes32[],uint64,bytes32)")[:4]
    for place in (1, 3, 5):
        values = list(submission(7, TREE.root(7)))
        values[place] = 2**64 + int(values[place])  # type: ignore[call-overload]
        with pytest.raises(Reverted) as found:
            court.send(WRITER, selector + encode(types, values))
        assert found.value == Reverted("")


@pytest.mark.parametrize("sender", [STRANGER, WRITER])
def test_only_the_administrator_administers(court: Contract, sender: str) -> None:
    for verb, values in (("setWriter", (STRANGER, True)), ("setWriter", (OTHER, False)), ("transferAdmin", (sender,))):
        with pytest.raises(Reverted) as found:
            court.call(sender, verb, *values)
        assert found.value == Reverted("NotAdmin", sender)
    assert court.view("admin") == (ADMIN,)
    assert court.view("writers", STRANGER) == (False,)
    assert court.view("writers", OTHER) == (True,)


def test_writers_are_named_in_events_and_only_when_something_changes(court: Contract) -> None:
    assert court.call(ADMIN, "setWriter", STRANGER, True)[0].values == (STRANGER, True)
    assert court.call(ADMIN, "setWriter", STRANGER, True) == []
    assert court.call(ADMIN, "setWriter", STRANGER, False)[0].values == (STRANGER, False)


def test_administration_that_was_handed_over_is_gone(court: Contract) -> None:
    (event,) = court.call(ADMIN, "transferAdmin", OTHER)
    assert (event.name, event.values) == ("AdminSet", (OTHER,))
    with pytest.raises(Reverted) as found:
        court.call(ADMIN, "transferAdmin", ADMIN)
    assert found.value == Reverted("NotAdmin", ADMIN)
    court.call(OTHER, "setWriter", STRANGER, True)


def test_nobody_as_administrator_is_refused(court: Contract) -> None:
    with pytest.raises(Reverted) as found:
        court.call(ADMIN, "transferAdmin", "0x" + "00" * 20)
    assert found.value == Reverted("NoAdmin")
    with pytest.raises(Reverted) as found:
        Contract(court_registry(), bytes(32))
    assert found.value == Reverted("NoAdmin")


def test_new_contract_names_its_administrator_and_has_no_writer() -> None:
    court = Contract(court_registry(), address(ADMIN))
    assert [(e.name, e.values) for e in court.created] == [("AdminSet", (ADMIN,))]
    refused(court, "submit", Reverted("NotWriter", ADMIN), *submission(7, TREE.root(7)), sender=ADMIN)
