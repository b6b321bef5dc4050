"""Who comes in by an invitation, and who does not, whatever they try; each entry and refusal is in the custody log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from relay.core.errors import Busy, Conflict, Denied, Malformed, NotFound
from relay.core.invitation import format_secret
from relay.durable.errors import StorageFailed
from relay.ports.parties import TRIES_MAX
from relay.services.court.parties import DAY_MS, DAYS_MAX, OPEN_MAX, WAITING_MAX, Admission
from tests.party.conftest import CASE, CLERK, DOSSIER, JUDGE, NAME, NUMBER, OTHER_CASE, OTHER_DOSSIER, Door

WRONG = "990101199001010027"


async def denied(door: Door, link: str, name: str = NAME, number: str = NUMBER) -> str:
    with pytest.raises(Denied) as refusal:
        await door.parties.enter(link, name, number)
    return refusal.value.reason


async def let_in(door: Door) -> tuple[str, Admission]:
    invited, link = await door.invite()
    return invited, await door.parties.enter(link, NAME, NUMBER)


async def test_person_comes_in_and_both_are_logged(door: Door) -> None:
    invited, link = await door.invite()
    admission = await door.parties.enter(link, NAME, NUMBER)
    assert (admission.case, admission.dossier) == (CASE, DOSSIER)
    assert admission.name == f"{door.way.court.split('/court/')[0]}/person/{invited}"
    events = [(e.action, e.outcome, e.actor, dict(e.subject)) for e in await door.events()]
    subject = {"dossier": DOSSIER, "invitation": invited}
    assert events == [
        ("invite", "issued", CLERK, subject),
        ("sign_in", "permitted", admission.name, subject),
    ]


@pytest.mark.parametrize(
    ("name", "number"),
    [(" 张 三 ", NUMBER), (NAME, "９９０１０１１９９００１０１００１９"), (NAME, "(990101) 19900101-0019")],
)
async def test_keyboard_does_not_matter(door: Door, name: str, number: str) -> None:
    _, link = await door.invite()
    await door.parties.enter(link, name, number)


async def test_forwarded_link_is_useless_without_name_and_number(door: Door) -> None:
    _, link = await door.invite()
    await denied(door, link, number=WRONG)
    await denied(door, link, name="李四")
    await denied(door, link, name="", number="")
    await denied(door, link, name="x" * 10_000, number="1" * 10_000)


async def test_five_wrong_tries_lock_it_for_the_right_person_too(door: Door) -> None:
    _, link = await door.invite()
    for _ in range(TRIES_MAX):
        assert "do not fit" in await denied(door, link, number=WRONG)
    assert "locked" in await denied(door, link)


async def test_right_try_starts_the_count_anew(door: Door) -> None:
    _, link = await door.invite()
    for _ in range(3):
        for _ in range(TRIES_MAX - 1):
            await denied(door, link, number=WRONG)
        await door.parties.enter(link, NAME, NUMBER)


async def test_many_tries_at_one_moment_do_not_pass_the_limit_together(door: Door) -> None:
    _, link = await door.invite()
    tries = [door.parties.enter(link, NAME, WRONG) for _ in range(WAITING_MAX)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum("do not fit" in str(one) for one in ended) == TRIES_MAX
    assert sum("locked" in str(one) for one in ended) == WAITING_MAX - TRIES_MAX


async def test_crowd_at_the_door_is_told_to_wait_and_costs_no_memory(door: Door) -> None:
    _, link = await door.invite()
    tries = [door.parties.enter(format_secret(bytes(32)), NAME, NUMBER) for _ in range(WAITING_MAX + 8)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in ended) == 8
    await door.parties.enter(link, NAME, NUMBER)


@pytest.mark.parametrize("link", ["", "x", "A" * 43, "=" * 43, "\ud800", "A" * 100_000, format_secret(bytes(32))])
async def test_guessed_link_is_refused_like_every_other(door: Door, link: str) -> None:
    await door.invite()
    assert "no invitation" in await denied(door, link)
    assert [(e.action, e.outcome) for e in await door.events()][-1] == ("refuse", "refused")


async def test_expired_link_lets_nobody_in_and_ends_who_is_in(door: Door) -> None:
    _, link = await door.invite(days=1)
    admission = await door.parties.enter(link, NAME, NUMBER)
    door.way.clock.ms += DAY_MS - 1
    await door.parties.admitted(admission.name)
    door.way.clock.ms += 1
    assert "expired" in await denied(door, link)
    with pytest.raises(Denied):
        await door.parties.admitted(admission.name)
    assert [e.action for e in await door.events()][-2:] == ["refuse", "refuse"]


async def test_revoked_link_lets_nobody_in_and_ends_who_is_in(door: Door) -> None:
    invited, link = await door.invite()
    admission = await door.parties.enter(link, NAME, NUMBER)
    for _ in range(2):
        await door.parties.revoke(invited, CLERK)
    assert "revoked" in await denied(door, link)
    with pytest.raises(Denied):
        await door.parties.admitted(admission.name)
    with pytest.raises(Denied):
        await door.parties.seen(admission.name)
    assert [e.outcome for e in await door.events()].count("revoked") == 1


async def test_revoked_while_it_is_compared(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    invited, link = await door.invite()
    store = door.parties._store
    let_in = store.let_in

    async def revoke_first(invitation_id: str, now_ms: int) -> bool:
        await store.revoke(invited, now_ms)
        return await let_in(invitation_id, now_ms)

    monkeypatch.setattr(store, "let_in", revoke_first)
    await denied(door, link)


@pytest.mark.parametrize("name", ["{}/person/" + "0" * 32, "{}/operator/court-desk", "{}/person/judge-7"])
async def test_nobody_is_admitted_without_an_invitation(door: Door, name: str) -> None:
    await door.invite()
    with pytest.raises(Denied):
        await door.parties.admitted(name.format("spiffe://courtrelay.example"))


async def test_unlogged_entry_is_no_entry(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    _, link = await door.invite()

    async def full(_events: Sequence[bytes]) -> list[int]:
        raise StorageFailed("no space left")

    monkeypatch.setattr(door.way.court_store, "append_custody", full)
    with pytest.raises(StorageFailed):
        await door.parties.enter(link, NAME, NUMBER)
    with pytest.raises(StorageFailed):
        await door.invite()
    assert len(await door.parties.invitations()) == 1


@pytest.mark.parametrize(
    ("case", "dossier"),
    [(CASE, OTHER_DOSSIER), ("no such", DOSSIER), ("", DOSSIER), (CASE, "../x"), ("x" * 5000, DOSSIER)],
)
async def test_invitation_to_what_the_case_does_not_hold(door: Door, case: str, dossier: str) -> None:
    with pytest.raises(NotFound):
        await door.invite(case, dossier)
    assert await door.parties.invitations(case, dossier) == []


@pytest.mark.parametrize("days", [0, -1, DAYS_MAX + 1])
async def test_days_have_bounds(door: Door, days: int) -> None:
    with pytest.raises(Malformed):
        await door.invite(days=days)


@pytest.mark.parametrize("number", ["", "1", "x" * 41, "99010119900101001X", "<script>", "借款"])
async def test_slip_of_the_pen_is_told_to_the_clerk(door: Door, number: str) -> None:
    with pytest.raises(Malformed):
        await door.invite(number=number)


async def test_open_invitations_have_a_limit(door: Door) -> None:
    made = [await door.invite() for _ in range(OPEN_MAX)]
    with pytest.raises(Conflict):
        await door.invite()
    await door.parties.revoke(made[0][0], CLERK)
    await door.invite()


async def test_unknown_invitation_cannot_be_revoked(door: Door) -> None:
    with pytest.raises(NotFound):
        await door.parties.revoke("00" * 16, CLERK)


async def test_court_keeps_neither_name_nor_number_nor_link(door: Door, tmp_path: Path) -> None:
    """Nowhere in the files of the office, whatever the encoding; and equal people look different."""
    _, link = await door.invite()
    _, second = await door.invite()
    await door.office.close()
    folder = tmp_path / "court-office" / "office"
    data = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    for secret in (NAME.encode(), NAME.encode("utf-16-le"), NUMBER.encode(), link.encode(), second.encode()):
        assert secret not in data
    rows = sqlite3.connect(folder / "office.sqlite").execute("SELECT kept, salt FROM invitation").fetchall()
    assert len(set(rows)) == 2


async def test_party_sees_who_looked_at_the_own_dossier_in_the_own_case_alone(door: Door) -> None:
    invited, admission = await let_in(door)
    other, link = await door.invite(OTHER_CASE)
    await door.parties.enter(link, NAME, NUMBER)
    guarantor, link = await door.invite(number=WRONG)
    second = await door.parties.enter(link, NAME, WRONG)
    await door.note("request", {"dossier": DOSSIER, "grant": "aa" * 32}, "")
    await door.note("request", {"dossier": DOSSIER, "grant": "bb" * 32}, "")
    await door.note("view", {"dossier": DOSSIER, "bundle": "01" * 16}, JUDGE)
    await door.note("view", {"dossier": DOSSIER, "bundle": "01" * 16}, second.name)
    await door.note("view", {"dossier": DOSSIER, "bundle": "02" * 16}, JUDGE)
    await door.note("view", {"dossier": OTHER_DOSSIER, "bundle": "03" * 16}, JUDGE)
    page = await door.parties.seen(admission.name)
    rows = [(one.event.action, one.who, one.name) for one in page.events]
    assert rows == [
        ("invite", "person", "clerk-1"),
        ("sign_in", "self", ""),
        ("request", "court", ""),
        ("view", "person", "judge-7"),
        ("view", "party", ""),
    ]
    told = repr(rows)
    assert other not in told
    assert guarantor not in told
    assert invited not in told
    assert page.next == 0
