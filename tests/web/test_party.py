"""A party's pages in a browser and by hand: the door, the own dossier, objections, who has seen it; and nothing of anybody else's."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Page

from relay.sample.people import id_number
from tests.support.command import courtrelay
from tests.web.browser import Pages
from tests.web.client import Answer, Client, signed_in
from tests.web.network import Network

NAME = "张三"
NUMBER, WRONG = id_number("19900101", 1), id_number("19900101", 2)
LINK = re.compile(r"/party/enter/[A-Za-z0-9_-]{43}")
DOSSIER_PAGE = re.compile(r"/dossiers/[0-9a-f]{32}")


@dataclass(frozen=True)
class Invited:
    """One person with a living session, and the bundle that the court retrieved."""

    link: str
    session: dict[str, str]
    bundle: str


def clerk(network: Network) -> Client:
    return signed_in(network.home, network.url, "clerk")


def retrieved(network: Network, client: Client) -> str:
    """The path of the dossier's page, after a retrieval through the pages."""
    client.post("/cases/grant", {"token": network.grant.read_text()}, at="/cases/grant")
    case = client.get(f"/cases/of?case={quote(network.case)}")
    grant = re.search(r'name="grant" value="([0-9a-f]{64})"', case.text)
    assert grant
    fields = {"grant": grant[1], "dossier": network.dossier, "case": network.case, "purpose": "hearing"}
    job = client.post("/cases/retrieve", fields, at="/cases/grant").to
    while not (found := DOSSIER_PAGE.search((shown := client.get(job)).text)):
        assert "begun" in shown.text or "refresh" in shown.text, shown.text
    return found[0]


def invite(client: Client, network: Network, number: str = NUMBER, days: str = "14", dossier: str = "") -> Answer:
    fields = {
        "case": network.case,
        "dossier": dossier or network.dossier,
        "name": NAME,
        "id_number": number,
        "days": days,
    }
    return client.post("/party/invitations", fields, at="/party/invitations")


def link_of(answer: Answer) -> str:
    found = LINK.search(answer.text)
    assert found, answer.text
    return found[0]


def enter(network: Network, link: str, number: str = NUMBER, name: str = NAME) -> tuple[Client, Answer]:
    visitor = Client(network.url)
    answer = visitor.post("/party/enter", {"link": link.rpartition("/")[2], "name": name, "id_number": number}, at=link)
    return visitor, answer


@pytest.fixture(scope="module")
def invited(network: Network) -> Invited:
    client = clerk(network)
    page = retrieved(network, client)
    link = link_of(invite(client, network))
    visitor, answer = enter(network, link)
    assert (answer.status, answer.to) == (303, "/party")
    return Invited(link, visitor.cookies, page.rpartition("/")[2])


def test_a_party_comes_in_by_the_link_reads_takes_the_proof_and_objects(
    pages: Pages, network: Network, invited: Invited, tmp_path: Path
) -> None:
    page = pages.open(invited.link)
    page.get_by_label("Full name").fill(NAME)
    page.get_by_label("Identity number").fill(NUMBER)
    page.get_by_role("button", name="Open my dossier").click()
    assert page.url == f"{network.url}/party"
    assert page.locator(".verdict-head .code").inner_text() == "CONSISTENT"
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download the proof").click()
    proof = tmp_path / "proof.zip"
    taken.value.save_as(proof)
    alone = courtrelay("verify", proof, "--trust", network.home / "trust.json", "--json")
    assert (alone.code, alone.json()["verdict"]) == (0, "CONSISTENT")
    page.get_by_role("link", name="Raise an objection").click()
    page.get_by_label("art. 18").check()
    page.get_by_label("Numbers of the records").fill("0, 2")
    page.get_by_label("Reasons").fill("I never signed this.\n<b>Not</b> mine.")
    page.get_by_role("button", name="Send the objection").click()
    page.get_by_text("<b>Not</b> mine.").wait_for()
    page.get_by_role("link", name="Who has seen it").click()
    told = page.locator("tbody").inner_text()
    for words in (
        "invited you",
        "signed in by the invitation",
        "looked at the dossier",
        "downloaded the proof",
        "raised an objection",
    ):
        assert words in told


def test_a_party_sees_the_courts_answer(network: Network, invited: Invited) -> None:
    party = Client(network.url, dict(invited.session))
    party.post(
        "/party/objections", {"ground": "platform", "seqs": "1", "text": "why that platform"}, at="/party/objections"
    )
    judge = signed_in(network.home, network.url, "judge")
    found = re.search(r"/objections/([0-9a-f]{32})", judge.get(f"/dossiers/{invited.bundle}").text)
    assert found
    at = f"/dossiers/{invited.bundle}"
    judge.post(f"{at}/objections/{found[1]}", {"outcome": "overruled", "answer": "It is registered."}, at=at)
    assert "It is registered." in party.get("/party/objections").text


def test_every_page_in_both_languages_and_widths(pages: Pages, network: Network, invited: Invited) -> None:
    pages.shoot("enter", invited.link)
    pages.shoot("dossier", "/party", cookies=invited.session)
    pages.shoot("objections", "/party/objections", cookies=invited.session)
    pages.shoot("seen", "/party/seen", cookies=invited.session)
    pages.shoot("help", "/party/help", cookies=invited.session)
    pages.shoot("invitations", "/party/invitations", role="clerk")


def test_the_door_says_the_same_whatever_is_wrong(pages: Pages, network: Network) -> None:
    link = link_of(invite(clerk(network), network))

    def refused(page: Page) -> None:
        page.goto(network.url + link)
        page.locator("#name").fill("李四")
        page.locator("#id_number").fill(WRONG)
        page.locator("main button").click()
        page.locator("[role=alert]").wait_for()

    pages.shoot("refused", refused)
    answers = {
        enter(network, one, number)[1].text.replace(one.rpartition("/")[2], "")
        for one, number in (
            (link, WRONG),
            (f"/party/enter/{'A' * 43}", NUMBER),
            (f"/party/enter/{'B' * 43}", WRONG),
        )
    }
    assert len({re.sub(r'value="[^"]*"', "", text) for text in answers}) == 1


def test_making_an_invitation_shows_the_link_once_and_the_list_never(
    pages: Pages, network: Network, invited: Invited
) -> None:
    def made(page: Page) -> None:
        page.goto(f"{network.url}/party/invitations?case={quote(network.case)}&dossier={network.dossier}")
        page.locator("#name").fill(NAME)
        page.locator("#id_number").fill(NUMBER)
        page.get_by_role("button", name=re.compile("Make the link|生成链接")).click()
        page.locator("#made").wait_for()

    pages.shoot("made", made, role="clerk")
    assert not LINK.search(clerk(network).get("/party/invitations").text)


def test_forwarded_link_opens_nothing_and_locks(network: Network) -> None:
    link = link_of(invite(clerk(network), network))
    for _ in range(5):
        assert enter(network, link, WRONG)[1].status == 403
    visitor, answer = enter(network, link)
    assert (answer.status, "session" in visitor.cookies) == (403, False)


def test_revoked_invitation_ends_the_open_session_on_every_page(network: Network) -> None:
    client = clerk(network)
    link = link_of(invite(client, network))
    party, _ = enter(network, link)
    assert party.get("/party").status == 200
    for found in re.findall(r'name="invitation" value="([0-9a-f]{32})"', client.get("/party/invitations").text):
        client.post("/party/invitations/revoke", {"invitation": found}, at="/party/invitations")
    for path in ("/party", "/party/proof", "/party/objections", "/party/seen", "/party/payloads/0/a.pdf"):
        answer = party.get(path)
        assert (answer.status, answer.to.startswith("/sign-in")) == (303, True), path


@pytest.fixture(scope="module")
def other(network: Network) -> dict[str, str]:
    """A session of another party, invited after all others were ended."""
    visitor, _ = enter(network, link_of(invite(clerk(network), network)))
    return visitor.cookies


def test_party_session_opens_no_page_of_the_court(network: Network, invited: Invited, other: dict[str, str]) -> None:
    party = Client(network.url, dict(other))
    assert party.get("/party").status == 200
    own = f"/dossiers/{invited.bundle}"
    for path in (
        "/cases", f"/cases/of?case={quote(network.case)}", "/cases/grant", "/cases/export.csv", "/cases/export.jsonl",
        own, f"{own}/bundle.zip", f"{own}/payloads/0/application.pdf", "/jobs/" + "0" * 32, "/party/invitations",
    ):  # fmt: skip
        answer = party.get(path)
        assert answer.status == 404, path
        assert network.case not in answer.text
        assert network.other_dossier not in answer.text
    for path in (
        f"{own}/again",
        f"{own}/objections",
        "/cases/retrieve",
        "/party/invitations",
        "/party/invitations/revoke",
    ):
        assert party.post(path, {"case": network.case, "invitation": "0" * 32}).status == 404, path


def test_party_session_is_no_credential_of_the_interface(
    network: Network, other: dict[str, str], invited: Invited
) -> None:
    party = Client(network.url, dict(other))
    for path in ("cases", f"bundles/{invited.bundle}", f"bundles/{invited.bundle}/view", "custody", "invitations"):
        assert party.get(f"/api/v1/{path}").status == 401, path


@pytest.mark.parametrize("case", ["", "(2026)民初0002号"])
def test_guessed_dossier_of_another_case_cannot_be_invited_to(network: Network, invited: Invited, case: str) -> None:
    client = clerk(network)
    answer = invite(client, network, dossier=network.other_dossier)
    assert (answer.status, bool(LINK.search(answer.text))) == (400, False)
    fields = {"case": case, "dossier": network.dossier, "name": NAME, "id_number": NUMBER, "days": "1"}
    answer = client.post("/party/invitations", fields, at="/party/invitations")
    assert (answer.status, bool(LINK.search(answer.text))) == (400, False)


@pytest.mark.parametrize("seqs", ["9999", "-1", "0x1", "1;2", "a"])
def test_objection_to_what_the_dossier_does_not_have(network: Network, other: dict[str, str], seqs: str) -> None:
    party = Client(network.url, dict(other))
    fields = {"ground": "other", "seqs": seqs, "text": "why"}
    assert party.post("/party/objections", fields, at="/party/objections").status == 400


def test_another_partys_objections_and_entries_are_not_shown(
    network: Network, invited: Invited, other: dict[str, str]
) -> None:
    party = Client(network.url, dict(other))
    assert "I never signed this." not in party.get("/party/objections").text
    seen = party.get("/party/seen").text
    assert seen.count("signed in by the invitation") == 1
    assert seen.count("invited you") == 1


def test_proof_is_the_bundle_whole(network: Network, other: dict[str, str], tmp_path: Path) -> None:
    connection = Client(network.url).connection()
    connection.request("GET", "/party/proof", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in other.items())})
    path = tmp_path / "proof.zip"
    path.write_bytes(connection.getresponse().read())
    connection.close()
    assert zipfile.ZipFile(path).testzip() is None
    assert urlsplit(network.url).scheme == "http"
