"""Signing in to the pages, in a browser and by hand."""

from __future__ import annotations

from tests.web.browser import Pages
from tests.web.client import Client, sign_in_link
from tests.web.network import Network


def test_a_clerk_signs_in_with_a_one_time_link_and_out_again(pages: Pages, network: Network) -> None:
    page = pages.open(sign_in_link(network.home, "li", "clerk"))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    assert page.url == f"{network.url}/"
    page.get_by_text("li", exact=True).wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()


def test_the_sign_in_pages_in_both_languages_and_widths(pages: Pages, network: Network) -> None:
    pages.shoot("sign-in", "/sign-in")
    pages.shoot("signed-in", "/sign-in", role="judge")
    pages.shoot("link", sign_in_link(network.home, "li", "clerk"))
    pages.shoot("link-used", lambda page: (page.goto(f"{network.url}/enter/AAAA"), page.locator("main button").click()))
    pages.shoot("not-found", "/no-such-page")


def test_looking_at_a_link_does_not_use_it_up_and_using_it_does(network: Network) -> None:
    path = sign_in_link(network.home, "wang", "judge")
    for _ in range(3):
        assert Client(network.url).get(path).status == 200
    first, second = Client(network.url), Client(network.url)
    assert first.post(path, at=path).status == 303
    answer = second.post(path, at=path)
    assert (answer.status, "session" in second.cookies) == (403, False)
