"""Signing in by a real OpenID provider, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.web.browser import Pages, shots_folder
from tests.web.client import Client
from tests.web.gateway import Gateway, made_home, running_gateway
from tests.web.network import court_url
from tests.web.provider import CLIENT, SECRET, oidc_table, running_provider


@pytest.fixture(scope="module")
def issuer_and_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Gateway]]:
    home = made_home(tmp_path_factory.mktemp("oidc"))
    with running_provider(f"{court_url(home)}/sign-in/provider/back") as issuer:
        (home / "court/oidc.secret").write_text(SECRET + "\n")
        (home / "court/oidc.secret").chmod(0o600)
        config = home / "court/config.toml"
        config.write_text(config.read_text() + oidc_table(issuer, "oidc.secret"))
        with running_gateway(home) as gateway:
            yield issuer, gateway


@pytest.fixture
def pages(
    browser: Browser, issuer_and_gateway: tuple[str, Gateway], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Pages]:
    issuer, gateway = issuer_and_gateway
    opened = Pages(browser, gateway.url, gateway.home, shots_folder(request, tmp_path), {}, other_sites=(issuer,))
    yield opened
    opened.close()


def go_through(page: Page, name: str) -> None:
    """The provider's own pages: who, and that it may tell."""
    page.get_by_role("button", name=re.compile("Go on to the court's sign-in service|前往法院统一登录")).click()
    page.wait_for_url("**/interaction/**")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.wait_for_selector("text=Authorize")
    page.locator("button[type=submit]").click()


def test_a_judge_signs_in_and_lands_where_they_were_going(
    pages: Pages, issuer_and_gateway: tuple[str, Gateway]
) -> None:
    _, gateway = issuer_and_gateway
    page = pages.open("/sign-in?next=/sign-in%3Fagain")
    go_through(page, "li")
    page.wait_for_url(f"{gateway.url}/sign-in?again")
    assert "person/oidc.li" in page.locator("main").inner_text()
    (event,) = [e for e in gateway.events("sign_in") if e["actor"].endswith("/person/oidc.li")]
    assert (event["outcome"], event["detail"]) == ("permitted", "oidc: judge")


def test_who_has_no_role_here_is_refused_and_logged(pages: Pages, issuer_and_gateway: tuple[str, Gateway]) -> None:
    _, gateway = issuer_and_gateway

    def refused(page: Page) -> None:
        page.goto(f"{gateway.url}/sign-in")
        go_through(page, "nobody")
        page.get_by_role("alert").wait_for()

    page = pages.open("/sign-in")
    refused(page)
    assert "did not let you in" in page.get_by_role("alert").inner_text()
    pages.shoot("refused", refused)
    refusals = [e["detail"] for e in gateway.events("sign_in") if e["outcome"] == "refused"]
    assert "oidc: no value of groups gives nobody a role here" in refusals


def test_the_sign_in_page_offers_the_provider(pages: Pages) -> None:
    pages.shoot("provider", "/sign-in")


def begun(client: Client) -> str:
    """The state of a sign-in that this client has begun."""
    answer = client.post("/sign-in/provider", at="/sign-in")
    address = answer.text.split('content="0; url=')[1].split('"')[0].replace("&amp;", "&")
    query = parse_qs(urlsplit(address).query)
    assert query["code_challenge_method"] == ["S256"]
    return query["state"][0]


def test_an_answer_that_another_browser_began_is_refused(issuer_and_gateway: tuple[str, Gateway]) -> None:
    _, gateway = issuer_and_gateway
    state = begun(Client(gateway.url))
    victim = Client(gateway.url)
    answer = victim.get(f"/sign-in/provider/back?code=stolen&state={state}")
    assert (answer.status, "session" in victim.cookies) == (403, False)


def test_a_code_that_the_provider_never_gave_is_refused(issuer_and_gateway: tuple[str, Gateway]) -> None:
    issuer, gateway = issuer_and_gateway
    client = Client(gateway.url)
    path = f"/sign-in/provider/back?code=made-up&state={begun(client)}&iss={issuer}"
    assert client.get(path).status == 403
    assert client.get(path).status == 403  # and its state is used up
    details = [e["detail"] for e in gateway.events("sign_in") if e["outcome"] == "refused"]
    assert "oidc: the provider refused the code with status 400" in details
    assert "oidc: the answer fits no sign-in that this browser began" in details
    assert CLIENT not in "".join(details)
