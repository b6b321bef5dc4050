"""The public verification page, in a browser and over plain HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from relay.core.deposit_number import deposit_number
from tests.web.browser import Pages
from tests.web.client import Client, signed_in
from tests.web.network import Network


def a_record(network: Network) -> dict[str, int]:
    """A record of the bundle that was disclosed."""
    found: dict[str, int] = next(row for row in network.verdict["records"] if row["status"] == "disclosed")
    return found


def number_of(network: Network, index: int) -> str:
    return str(deposit_number(network.verdict["origin"], index))


def tampered(network: Network, folder: Path) -> Path:
    """One byte of one payload changed."""
    data = bytearray(network.bundle.read_bytes())
    place = data.index(b"%PDF-") + 40
    data[place] ^= 1
    path = folder / "changed.zip"
    path.write_bytes(data)
    return path


def check_file(page: Page, path: Path) -> None:
    page.locator("#file").set_input_files(path)
    page.locator("section").filter(has=page.locator("#file")).locator("button").click()
    page.locator(".verdict-head").wait_for()


def test_the_first_page_in_both_languages(pages: Pages) -> None:
    pages.shoot("check", "/")


def test_a_whole_bundle_is_consistent(pages: Pages, network: Network) -> None:
    page = pages.open("/")
    check_file(page, network.bundle)
    assert page.locator(".verdict-head .code").inner_text() == "CONSISTENT"
    assert page.locator(".mark.ok").count() == 18
    assert page.locator(".mark.failed, .mark.not-run").count() == 0
    assert page.get_by_text("does not prove").count() > 0
    pages.shoot("bundle", lambda page: check_file(page, network.bundle))


def test_a_tampered_bundle_is_refused_and_the_step_is_named(pages: Pages, network: Network, tmp_path: Path) -> None:
    changed = tampered(network, tmp_path)
    page = pages.open("/")
    check_file(page, changed)
    assert page.locator(".verdict-head .code").inner_text() == "INCONSISTENT"
    failed = page.locator("ol.steps li").filter(has=page.locator(".mark.failed")).first
    assert "1. Container" in failed.inner_text()
    assert "was changed" in failed.inner_text()
    pages.shoot("tampered", lambda page: check_file(page, changed))


def test_the_page_works_without_script(pages: Pages, network: Network) -> None:
    page = pages.open("/", script=False)
    check_file(page, network.bundle)
    assert page.locator(".verdict-head .code").inner_text() == "CONSISTENT"


def test_a_deposit_number_tells_what_the_ledgers_hold_and_nothing_personal(pages: Pages, network: Network) -> None:
    number = number_of(network, a_record(network)["log_index"])
    page = pages.open("/")
    page.locator("#number").fill(number.lower())
    page.get_by_role("button", name="Look up the number").click()
    page.locator(".verdict-head").wait_for()
    assert page.url == f"{network.url}/deposit/{number}"
    assert page.locator(".verdict-head .code").inner_text() == "CONSISTENT"
    text = page.content()
    assert not [secret for secret in (network.dossier, network.case) if secret in text]
    pages.shoot("number", f"/deposit/{number}")


def test_a_number_that_nobody_gave_out_is_not_found(pages: Pages, network: Network) -> None:
    number = number_of(network, 10_000_000)
    page = pages.open(f"/deposit/{number}")
    assert page.locator(".verdict-head .code").inner_text() == "NOT_FOUND"
    pages.shoot("number-not-found", f"/deposit/{number}")


def test_a_slip_in_a_number_is_named(pages: Pages, network: Network) -> None:
    number = number_of(network, a_record(network)["log_index"])
    slip = number[:-1] + str((int(number[-1]) + 1) % 10)
    page = pages.open("/")
    page.locator("#number").fill(slip)
    page.get_by_role("button", name="Look up the number").click()
    page.locator("#wrong-number").wait_for()
    assert "last two digits" in page.locator("#wrong-number").inner_text()
    pages.shoot("number-slip", f"/deposit/{slip}")


def payload(network: Network) -> tuple[str, bytes, int]:
    """Name in the bundle, content, log index of a disclosed payload."""
    import zipfile

    with zipfile.ZipFile(network.bundle) as bundle:
        names = [name for name in bundle.namelist() if re.match(r"payloads?/|records/.*/payload", name)]
        name = names[0]
        seq = int(re.search(r"\d+", name)[0])  # type: ignore[index]
        index = next(row["log_index"] for row in network.verdict["records"] if row["seq"] == seq)
        return name, bundle.read(name), index


def test_a_judge_compares_an_original_file_with_its_record(network: Network) -> None:
    _, data, index = payload(network)
    judge = signed_in(network.home, network.url, "judge")
    fields = {"way": "file", "place": number_of(network, index)}
    same = judge.upload("/check", fields, {"file": ("scan.pdf", data)})
    assert "CONSISTENT" in same.text
    assert "byte for byte the one that the record names" in same.text
    other = judge.upload("/check", fields, {"file": ("scan.pdf", data + b" ")})
    assert "The file is not one that the record names" in other.text
    digest = {"way": "digest", "algorithm": "sha256", "digest": hashlib.sha256(data).hexdigest(), **fields}
    assert "byte for byte" in judge.post("/check", {**digest, "way": "digest"}).text


@pytest.mark.parametrize("known", [True, False])
def test_digests_are_no_oracle_for_who_is_not_signed_in(client: Client, network: Network, known: bool) -> None:
    _, data, index = payload(network)
    value = hashlib.sha256(data if known else b"a guess").hexdigest()
    fields = {"way": "digest", "algorithm": "sha256", "digest": value, "place": number_of(network, index)}
    answer = client.post("/check", fields)
    assert answer.status == 400
    assert "Nothing is found under this number or code" in answer.text
    assert "CONSISTENT" not in re.sub(r"(?s)<table>.*</table>", "", answer.text)


def test_every_comparison_stands_in_the_custody_log(network: Network) -> None:
    from tests.support.command import courtrelay

    _, data, index = payload(network)
    clerk = signed_in(network.home, network.url, "clerk", "zhao")
    clerk.upload("/check", {"way": "file", "place": number_of(network, index)}, {"file": ("a", data)})
    ran = courtrelay("custody", "show", "--role", "court", "--action", "check", "--home", network.home, "--json")
    events = [event for event in ran.json()["events"] if event["actor"].endswith("/person/zhao")]
    assert [(event["outcome"], event["subject"]["dossier"]) for event in events] == [("permitted", network.dossier)]
    json.dumps(events)
