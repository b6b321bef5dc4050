"""Deposit reports on the court's pages: issued by a clerk, found by whoever holds one, checked when somebody brings one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.web.browser import Pages
from tests.web.client import Client, signed_in
from tests.web.dossiers import Dossiers, retrieved
from tests.web.network import Network


@pytest.fixture(scope="module")
def bundle_id(network: Network) -> str:
    """Of the first dossier, retrieved on the pages."""
    granted = Dossiers(network, network.grant, network.grant, network.dossier, network.dossier)
    return retrieved(granted, network.case, network.grant)


def issued(page: Page, bundle: str, url: str, language: str) -> str:
    """Issue one; its number."""
    page.goto(f"{url}/dossiers/{bundle}/reports")
    page.locator("#language").select_option(language)
    page.locator("main form button").click()
    page.wait_for_url("**/reports/*-*")
    return page.url.rpartition("/")[2]


def test_a_clerk_issues_a_report_and_its_holder_checks_it(
    pages: Pages, network: Network, bundle_id: str, tmp_path: Path
) -> None:
    clerk = pages.open("/reports", role="clerk")
    number = issued(clerk, bundle_id, network.url, "zh-CN")
    with clerk.expect_download() as download:
        clerk.get_by_role("link", name="Download the sealed PDF").click()
    pdf = tmp_path / "report.pdf"
    download.value.save_as(pdf)
    address = clerk.locator('a[href^="/r/"]').get_attribute("href")
    assert address
    if shutil.which("zbarimg") and shutil.which("pdftoppm"):
        subprocess.run(["pdftoppm", "-r", "150", "-png", "-singlefile", str(pdf), str(tmp_path / "page")], check=True)
        seen = subprocess.run(
            ["zbarimg", "-q", "--raw", str(tmp_path / "page.png")], capture_output=True, text=True, check=True
        )
        assert seen.stdout.strip() == network.url + address
    holder = pages.open(address)
    holder.get_by_text("This report is unaltered since the court sealed it.").wait_for()
    holder.get_by_text(number).first.wait_for()
    holder.goto(f"{network.url}/")
    holder.set_input_files("#file", str(pdf))
    holder.get_by_role("button", name="Check the file").click()
    holder.get_by_text("This report is unaltered since the court sealed it.").wait_for()
    data = bytearray(pdf.read_bytes())
    data[len(data) // 2] ^= 1
    pdf.write_bytes(data)
    holder.goto(f"{network.url}/")
    holder.set_input_files("#file", str(pdf))
    holder.get_by_role("button", name="Check the file").click()
    holder.get_by_text("This is not the report that the court sealed, or it was changed since.").wait_for()


def test_the_pages_of_reports_in_both_languages_and_widths(pages: Pages, network: Network, bundle_id: str) -> None:
    clerk = pages.open("/reports", role="clerk")
    number = issued(clerk, bundle_id, network.url, "en")
    address = clerk.locator('a[href^="/r/"]').get_attribute("href")
    assert address
    pages.shoot("issue", f"/dossiers/{bundle_id}/reports", role="clerk")
    pages.shoot("register", "/reports", role="auditor")
    pages.shoot("one", f"/reports/{number}", role="judge")
    pages.shoot("shown", address)
    pages.shoot("unknown", "/r/00041061050R3GG28A1C60T3GF")


def test_who_may_issue_and_read(network: Network, bundle_id: str) -> None:
    nobody, auditor = Client(network.url), signed_in(network.home, network.url, "auditor")
    for path in (f"/dossiers/{bundle_id}/reports", "/reports", "/reports/NCXG93-2025-000001-88"):
        answer = nobody.get(path)
        assert (answer.status, answer.to.startswith("/sign-in")) == (303, True), path
    assert auditor.get(f"/dossiers/{bundle_id}/reports").status == 200
    refused = auditor.post(f"/dossiers/{bundle_id}/reports", {"language": "en", "profile": "full"})
    assert refused.status == 404
    clerk = signed_in(network.home, network.url, "clerk")
    assert clerk.post(f"/dossiers/{bundle_id}/reports", {"language": "xx", "profile": "full"}).status == 400
    assert clerk.get("/reports/NCXG93-2025-000001-00").status == 404
    assert clerk.get(f"/dossiers/{'0' * 32}/reports").status == 404


def test_a_code_that_nobody_was_given_finds_nothing(network: Network) -> None:
    client = Client(network.url)
    for code in ("00041061050R3GG28A1C60T3GF", "x", "0" * 500):
        answer = client.get(f"/r/{code}")
        assert answer.status == 404, code
    assert client.get("/r/00041061050R3GG28A1C60T3GF/report.pdf").status == 404
    assert client.get("/r/00041061050R3GG28A1C60T3GF/../../reports").status in (303, 400, 404)
