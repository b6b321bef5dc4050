"""A file or digest is compared with a dossier only for who may read it: another case, another dossier, another role get one answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.core.deposit_number import deposit_number
from relay.core.errors import NotFound
from relay.services.court.checking import Checking, Digests
from relay.services.court.ledger_now import LedgerNow
from relay.web.site import Person, PersonRole
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import open_way

GUESS = Digests(sha256="ab" * 32)
CASE = "Case 1"
"""The case of every grant that `Way.grant` issues."""


@dataclass(frozen=True)
class Bench:
    checking: Checking
    place: str
    dossier: str


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="comparing") as way:
        stored = await way.deposit("R-1", small_dossier())
        await way.forward()
        _, done, _ = await way.retrieve(await way.grant(stored.dossier))
        assert json.loads(done.verdict)["case"] == CASE
        trust = read_trust(home / "trust.json")
        checking = Checking(
            store=way.court_store,
            trust=trust,
            verifiers=verifiers(),
            ledger=LedgerNow(way.court, way.court_store, way.registry, trust, verifiers()),
            custody=way.custody,
            clock=way.clock,
            identity=way.court,
        )
        yield Bench(checking, str(deposit_number(way.origin, stored.indices[0])), stored.dossier)


def person(role: PersonRole, case: str = "", *dossiers: str) -> Person:
    return Person(
        name="spiffe://courtrelay.example/person/somebody",
        roles=frozenset({role}),
        case=case,
        dossiers=frozenset(dossiers),
    )


@pytest.mark.parametrize("role", ["judge", "clerk"])
async def test_who_reads_dossiers_may_compare(bench: Bench, role: PersonRole) -> None:
    assert (await bench.checking.digests(GUESS, bench.place, person(role))).offline == "INCONSISTENT"


async def test_a_party_of_this_case_and_dossier_may_compare(bench: Bench) -> None:
    asker = person("party", CASE, bench.dossier)
    assert (await bench.checking.digests(GUESS, bench.place, asker)).offline == "INCONSISTENT"


async def test_party_of_another_case_learns_nothing_from_its_bundles(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.checking.digests(GUESS, bench.place, person("party", "Case 2", bench.dossier))


async def test_party_of_another_dossier_learns_nothing(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.checking.digests(GUESS, bench.place, person("party", CASE, "0" * len(bench.dossier)))


async def test_auditor_guesses_nothing_of_what_is_in_a_dossier(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.checking.digests(GUESS, bench.place, person("auditor"))


async def test_nobody_learns_nothing(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.checking.digests(GUESS, bench.place, None)
