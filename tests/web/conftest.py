"""One running network and one browser for the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.web.browser import Pages, running_chromium, shots_folder
from tests.web.client import Client
from tests.web.dossiers import CASE, HOSTILE_CASE, Dossiers, make_dossiers, retrieved
from tests.web.network import Network, running_network


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """For tests that do no harm to it."""
    with running_network(tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture(scope="session")
def sessions() -> dict[tuple[str, str], dict[str, str]]:
    """Who signed in already."""
    return {}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its module: the loop that drives it must not be there when asynchronous tests run."""
    with running_chromium() as opened:
        yield opened


@pytest.fixture
def pages(
    browser: Browser,
    network: Network,
    sessions: dict[tuple[str, str], dict[str, str]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Pages]:
    """The browser at the network's pages, for one test; fails it for whatever no page may do."""
    opened = Pages(browser, network.url, network.home, shots_folder(request, tmp_path), sessions)
    yield opened
    opened.close()


@pytest.fixture
def client(network: Network) -> Client:
    """A visitor without a browser."""
    return Client(network.url)


@pytest.fixture(scope="session")
def dossiers(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Dossiers:
    """Two more cases' worth of evidence, granted and not yet retrieved."""
    return make_dossiers(network, tmp_path_factory.mktemp("dossiers"))


@pytest.fixture(scope="session")
def opened(dossiers: Dossiers) -> str:
    """The bundle of the second case, retrieved once by a clerk without a browser."""
    return retrieved(dossiers, CASE, dossiers.grant)


@pytest.fixture(scope="session")
def hostile(dossiers: Dossiers) -> str:
    """The bundle of the hostile dossier."""
    return retrieved(dossiers, HOSTILE_CASE, dossiers.hostile_grant)
