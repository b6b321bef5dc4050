"""Before a grant: nothing outside the lender's house ties a record to a person, or two records to each other.

The controls run the same program against lenders that salt lazily, and must find their customers.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.attacker import program
from tests.attacker.program import Loot, Person, tags_from
from tests.attacker.world import crowd, day_of_work, loot_of, portfolio, tap_traffic
from tests.support.bundles import make_home, noon_of
from tests.support.way import open_way

LOANS, RECORDS_EACH, SEED = 6, 24, 20_261_125
CANDIDATES = 1_000_000


@dataclass(frozen=True)
class Taken:
    """What the attacker holds, who the customers are, and the truth for scoring."""

    loot: Loot
    people: list[Person]
    truth: list[int]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """A lender's day, and everything that others hold after it."""
    return asyncio.run(_take(tmp_path_factory.mktemp("attacker")))


async def _take(folder: Path) -> Taken:
    home = make_home(folder / "home")
    loans = portfolio(folder / "loans", LOANS, SEED)
    async with open_way(home, now_ms=noon_of(home), seed="attacker") as way:
        tap = tap_traffic(way)
        truth = await day_of_work(way, loans, RECORDS_EACH, SEED)
        await way.forward()
        await way.custody.publish()
        loot = loot_of(way, tap)
    assert len(loot.entries) == len(truth) == LOANS * RECORDS_EACH
    assert all(entry in loot.blobs["traffic"] for entry in loot.entries), "the tap heard what was mirrored"
    return Taken(loot, loans.people, truth)


def careless(taken: Taken, entry: bytes) -> Loot:
    """The same loot with one entry of a lender that takes no care."""
    return replace(taken.loot, blobs={**taken.loot.blobs, "careless": entry}, entries=[*taken.loot.entries, entry])


def test_no_identity_stands_anywhere_in_any_spelling(taken: Taken) -> None:
    assert program.said_in_clear(taken.loot, taken.people) == []


@pytest.mark.parametrize("number", range(9))
def test_search_finds_an_identity_in_each_spelling(taken: Taken, number: int) -> None:
    spelling = list(program.spellings(taken.people[0].id_number))[number % 9]
    assert program.said_in_clear(careless(taken, b"x" + spelling + b"y"), taken.people[:1])


def test_no_record_is_tied_to_one_of_a_million_candidates(taken: Taken) -> None:
    assert program.tied_to_persons(taken.loot, crowd(taken.people, CANDIDATES, SEED)) == []


@pytest.mark.parametrize("salt", program.PUBLIC_SALTS)
def test_a_hash_without_a_secret_salt_is_tied_to_its_person(taken: Taken, salt: bytes) -> None:
    entry = b"\x01" + bytes(32) + hashlib.sha256(salt + taken.people[2].id_number.encode()).digest()
    found = program.tied_to_persons(careless(taken, entry), crowd(taken.people, 5_000, SEED))
    assert found == [f"{taken.people[2].id_number} in careless"]


def test_no_key_outside_the_lenders_house_links_a_dossier(taken: Taken) -> None:
    assert program.linked_by_guessed_keys(taken.loot, program.keys_lying_about(taken.loot)) == []


def test_a_dossier_key_that_lies_about_is_found(taken: Taken) -> None:
    key = hashlib.sha256(b"a dossier key").digest()
    loot = careless(taken, b"\x01" + next(tags_from(key, 1)) + bytes(32))
    loot = replace(loot, blobs={"log": b"key=" + key + b";"})
    assert program.linked_by_guessed_keys(loot, program.keys_lying_about(loot)) == [key.hex()]


def test_no_key_made_from_who_the_customer_is_links_a_dossier(taken: Taken) -> None:
    keys = program.keys_from_people(crowd(taken.people, CANDIDATES, SEED))
    assert program.linked_by_guessed_keys(taken.loot, keys) == []


def test_a_key_made_from_who_the_customer_is_links_its_dossier(taken: Taken) -> None:
    key = hashlib.sha256(taken.people[1].id_number.encode()).digest()
    loot = careless(taken, b"\x01" + list(tags_from(key, 2))[1] + bytes(32))
    keys = program.keys_from_people(crowd(taken.people, 5_000, SEED))
    assert program.linked_by_guessed_keys(loot, keys) == [key.hex()]


def test_entries_repeat_nothing_and_stand_in_no_relation(taken: Taken) -> None:
    assert program.linked_by_repetition(taken.loot) == []
    assert program.linked_by_relation(taken.loot) == []


def test_entries_that_share_or_relate_are_seen(taken: Taken) -> None:
    first = taken.loot.entries[0]
    shared = careless(taken, first[:20] + bytes(45))
    assert program.linked_by_repetition(shared)
    chained = careless(taken, b"\x01" + hashlib.sha256(first[1:33]).digest() + bytes(range(32)))
    assert program.linked_by_relation(chained)


def test_entries_of_one_dossier_are_no_nearer_to_each_other(taken: Taken) -> None:
    assert program.distance_score(taken.loot, taken.truth) < 5.0


def test_nearness_is_seen_where_there_is_some(taken: Taken) -> None:
    near = [bytes([1, truth]) * 16 + entry[32:] for entry, truth in zip(taken.loot.entries, taken.truth, strict=True)]
    assert program.distance_score(replace(taken.loot, entries=near), taken.truth) > 5.0
