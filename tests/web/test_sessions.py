"""Sessions by a frozen clock: how long they live, what ends them, what is stored of their secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Busy, Denied, Malformed
from relay.core.identity import Identity, parse_identity
from relay.ports.sessions import Session
from relay.services.court.signing_in import IDLE_MS, LINK_MS, SESSION_MS, WAITING_MS, SignIn
from relay.store.office import SqliteOffice
from relay.store.office_sessions import WAITING_MAX, OfficeSessions
from tests.support.frozen import SeededBytes, TestClock

JUDGE = "spiffe://court.example/person/li"
OPERATOR = "spiffe://court.example/operator/desk"


class Events:
    """What the custody log was told, in order with what else happened."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.broken = False

    async def note(self, action: str, subject: dict[str, str], outcome: str, detail: str, actor: str = "") -> None:
        if self.broken:
            raise RuntimeError("the custody log cannot be written")
        assert action == "sign_in"
        self.told.append((outcome, detail, actor))


class Office:
    """A SignIn over a real database."""

    def __init__(self, office: SqliteOffice) -> None:
        self.clock = TestClock(1_800_000_000_000)
        self.events = Events()
        self.database = office.database
        self.revoked: set[bytes] = set()
        custody: Any = self.events
        self.sign_in = SignIn(
            identity="spiffe://court.example/court/gateway",
            store=OfficeSessions(office.database),
            custody=custody,
            clock=self.clock,
            random_bytes=SeededBytes("sessions"),
            people={JUDGE: frozenset({"judge"})},
            stands=self.stands,
        )

    def stands(self, certificate: bytes) -> Identity:
        if certificate in self.revoked:
            raise Denied("revoked")
        return parse_identity(certificate.decode())


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    opened = await SqliteOffice.open(tmp_path)
    yield Office(opened)
    await opened.close()


async def test_a_session_ends_after_an_hour_without_use(office: Office) -> None:
    secret = await office.sign_in.by_certificate(JUDGE.encode(), "")
    for _ in range(5):
        office.clock.ms += IDLE_MS - 1
        held = await office.sign_in.whose(secret)
        assert held is not None
        assert held.name == JUDGE
    office.clock.ms += IDLE_MS
    assert await office.sign_in.whose(secret) is None


async def test_a_session_ends_after_eight_hours_whatever_its_use(office: Office) -> None:
    secret = await office.sign_in.by_certificate(JUDGE.encode(), "")
    ends = office.clock.ms + SESSION_MS
    while office.clock.ms < ends - 600_000:
        office.clock.ms += 600_000
        assert await office.sign_in.whose(secret) is not None
    office.clock.ms = ends
    assert await office.sign_in.whose(secret) is None


async def test_the_secret_itself_is_stored_nowhere(office: Office, tmp_path: Path) -> None:
    secret = await office.sign_in.by_certificate(JUDGE.encode(), "")
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    from relay.core.base64strict import b64url_decode

    assert secret.encode() not in stored
    assert b64url_decode(secret, what="", field="") not in stored


async def test_a_session_ends_with_its_certificate(office: Office) -> None:
    secret = await office.sign_in.by_certificate(JUDGE.encode(), "")
    office.revoked.add(JUDGE.encode())
    assert await office.sign_in.whose(secret) is None
    office.revoked.clear()
    assert await office.sign_in.whose(secret) is None  # and does not come back


async def test_there_is_no_session_that_the_custody_log_does_not_hold(office: Office) -> None:
    office.events.broken = True
    with pytest.raises(RuntimeError):
        await office.sign_in.by_certificate(JUDGE.encode(), "")
    assert await office.database.read(lambda c: c.execute("SELECT count(*) FROM session").fetchone()) == (0,)


async def test_signing_in_again_ends_the_session_before(office: Office) -> None:
    first = await office.sign_in.by_certificate(JUDGE.encode(), "")
    second = await office.sign_in.by_certificate(JUDGE.encode(), first)
    assert await office.sign_in.whose(first) is None
    assert await office.sign_in.whose(second) is not None


async def test_all_sessions_of_a_person_end_at_once(office: Office) -> None:
    secrets = [await office.sign_in.by_certificate(JUDGE.encode(), "") for _ in range(3)]
    assert await office.sign_in.end_all(JUDGE) == 3
    assert [await office.sign_in.whose(secret) for secret in secrets] == [None, None, None]


async def test_a_link_works_once_and_for_ten_minutes(office: Office) -> None:
    link = await office.sign_in.make_link("wang", "clerk", OPERATOR)
    secret = await office.sign_in.by_link(link, "")
    held = await office.sign_in.whose(secret)
    assert held is not None
    assert (held.name, held.roles) == ("spiffe://court.example/person/wang", {"clerk"})
    late = await office.sign_in.make_link("wang", "clerk", OPERATOR)
    office.clock.ms += LINK_MS
    for dead in (link, late, "", "A" * 43, "x", "=" * 9):
        with pytest.raises(Denied):
            await office.sign_in.by_link(dead, "")
    assert [outcome for outcome, _, _ in office.events.told] == ["link_made", "permitted", "link_made"] + [
        "refused"
    ] * 6
    assert office.events.told[0] == ("link_made", "for spiffe://court.example/person/wang as clerk", OPERATOR)


@pytest.mark.parametrize(
    ("name", "role"), [("wang", "party"), ("wang", "boss"), ("", "judge"), ("Wang", "judge"), ("a/b", "judge")]
)
async def test_no_link_for_a_party_or_for_what_is_no_name(office: Office, name: str, role: str) -> None:
    with pytest.raises(Malformed):
        await office.sign_in.make_link(name, role, OPERATOR)


async def test_who_is_sent_to_the_provider_comes_back_once_and_in_time(office: Office) -> None:
    state = await office.sign_in.wait("verifier", "nonce", "/cases")
    held = await office.sign_in.waiting(state)
    assert held is not None
    assert (held.verifier, held.nonce, held.next) == ("verifier", "nonce", "/cases")
    assert await office.sign_in.waiting(state) is None
    late = await office.sign_in.wait("verifier", "nonce", "/")
    office.clock.ms += WAITING_MS
    assert await office.sign_in.waiting(late) is None


async def test_sign_ins_under_way_are_bounded(office: Office) -> None:
    for _ in range(WAITING_MAX):
        await office.sign_in.wait("v", "n", "/")
    with pytest.raises(Busy):
        await office.sign_in.wait("v", "n", "/")
    office.clock.ms += WAITING_MS + 1
    await office.sign_in.wait("v", "n", "/")


async def test_a_party_sees_what_it_was_invited_to(office: Office) -> None:
    session = Session(
        name="spiffe://court.example/person/party.1", roles=frozenset({"party"}), case="Case 1",
        dossiers=frozenset({"d1", "d2"}), way="invitation", begun_ms=0, seen_ms=0,
    )  # fmt: skip
    held = await office.sign_in.whose(await office.sign_in.begin(session))
    assert held is not None
    assert (held.case, held.dossiers, held.roles) == ("Case 1", {"d1", "d2"}, {"party"})
