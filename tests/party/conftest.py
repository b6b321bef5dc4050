"""A court's invitations over its real custody log and a real database; what the court holds of cases is given by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.core.custody import CustodyEvent, parse_event
from relay.core.errors import NotFound
from relay.core.invitation import ScryptCost
from relay.core.note import VerifierKey
from relay.ports.custody import CustodyFilter
from relay.ports.parties import Traces
from relay.services.court.parties import Parties
from relay.services.custody_reading import CustodyReading
from relay.setup.keys import load_signing_key
from relay.store.custody_rows import StoredCustodyRows
from relay.store.office import SqliteOffice
from relay.store.office_parties import SqliteParties
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import SeededBytes
from tests.support.way import Way, open_way

CLERK = "spiffe://court.example/person/clerk-1"
JUDGE = "spiffe://court.example/person/judge-7"
CASE, OTHER_CASE = "（2025）浙0192民初1号", "（2025）浙0192民初2号"
DOSSIER, OTHER_DOSSIER = "00" * 16, "11" * 16
NAME, NUMBER = "张三", "990101199001010019"
QUICK = ScryptCost(n=2**4, r=8, p=1)
"""The cost is of no interest to what these tests show."""


class Files:
    """Two cases share one dossier; the second has another of its own."""

    def __init__(self) -> None:
        self.held = {
            (CASE, DOSSIER): Traces(grants=frozenset({"aa" * 32}), bundles=frozenset({"01" * 16})),
            (OTHER_CASE, DOSSIER): Traces(grants=frozenset({"bb" * 32}), bundles=frozenset({"02" * 16})),
            (OTHER_CASE, OTHER_DOSSIER): Traces(grants=frozenset({"bb" * 32}), bundles=frozenset({"03" * 16})),
        }

    async def traces(self, case: str, dossier: str) -> Traces:
        if (case, dossier) not in self.held:
            raise NotFound("no grant of this case names this dossier")
        return self.held[case, dossier]


@dataclass
class Door:
    """The service under test, and what the court wrote down."""

    way: Way
    office: SqliteOffice
    parties: Parties
    rows: StoredCustodyRows

    async def invite(
        self, case: str = CASE, dossier: str = DOSSIER, number: str = NUMBER, days: int = 14
    ) -> tuple[str, str]:
        return await self.parties.invite(case, dossier, NAME, number, days, CLERK)

    async def events(self) -> list[CustodyEvent]:
        return [parse_event(e) for _, e in await self.rows.between(0, await self.rows.end(), CustodyFilter())]

    async def note(self, action: str, subject: dict[str, str], actor: str) -> None:
        await self.way.custody.note(action, subject, "permitted", "", actor=actor)  # type: ignore[arg-type]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="door") as way:
        office = await SqliteOffice.open(tmp_path / "court-office")
        log = await way.court_store.custody_log()
        signer = load_signing_key(home / "court/keys/custody.pem")
        rows = StoredCustodyRows.of(way.court_store)
        reading = CustodyReading(
            keeper=way.court,
            rows=rows,
            size=lambda: log.size,
            files=log.files,
            key=VerifierKey.ed25519("court.example/custody", signer.public_key),
            signer=signer,
            ask_ledger=way.custody.ledger_word,
        )
        parties = Parties(
            identity=way.court,
            store=SqliteParties(office.database),
            files=Files(),
            custody=way.custody,
            reading=reading,
            clock=way.clock,
            random_bytes=SeededBytes("party"),
            cost=QUICK,
        )
        yield Door(way, office, parties, rows)
        await office.close()
