"""The court's ledger is gone while the pages are asked: nothing is green, and the page says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from relay.core.deposit_number import deposit_number
from tests.web.browser import Pages, shots_folder
from tests.web.network import Network, running_network
from tests.web.test_checking import check_file


@pytest.fixture(scope="module")
def unplugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("unplugged"), apart=True) as network:
        ledger = network.processes["court-ledger"]
        ledger.terminate()
        ledger.wait(timeout=60)
        yield network


@pytest.fixture
def pages(browser: Browser, unplugged: Network, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pages]:
    opened = Pages(browser, unplugged.url, unplugged.home, shots_folder(request, tmp_path), {})
    yield opened
    opened.close()


def test_a_bundle_cannot_be_verified_now_and_the_offline_steps_stand_beside(pages: Pages, unplugged: Network) -> None:
    page = pages.open("/")
    check_file(page, unplugged.bundle)
    assert page.locator(".verdict-head .code").inner_text() == "UNVERIFIABLE"
    assert "cannot be asked now" in page.locator("main").inner_text()
    assert page.locator(".verdict.consistent").first.inner_text() == "Consistent since it was anchored"
    assert page.locator(".mark.not-run").count() == 2
    assert page.locator(".mark.ok").count() == 16
    pages.shoot("unplugged", lambda page: check_file(page, unplugged.bundle))


def test_neither_can_a_deposit_number(pages: Pages, unplugged: Network) -> None:
    number = deposit_number(unplugged.verdict["origin"], 0)
    page = pages.open(f"/deposit/{number}")
    assert page.locator(".verdict-head .code").inner_text() == "UNVERIFIABLE"
    pages.shoot("number-unplugged", f"/deposit/{number}")


def test_nor_is_a_number_called_not_found_that_the_ledger_was_not_asked_for(pages: Pages, unplugged: Network) -> None:
    page = pages.open(f"/deposit/{deposit_number(unplugged.verdict['origin'], 10_000_000)}")
    assert page.locator(".verdict-head .code").inner_text() == "UNVERIFIABLE"
