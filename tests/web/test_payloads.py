"""Payloads are looked at safely: nothing that somebody else wrote is run, whatever it calls itself."""

from __future__ import annotations

import hashlib

import pytest

from tests.web.browser import Pages
from tests.web.client import Client, signed_in
from tests.web.dossiers import PAYLOADS
from tests.web.network import Network

SANDBOX = "sandbox; default-src 'none'"
CONTENT = {name: data for name, _, data in PAYLOADS}


@pytest.fixture(scope="module")
def clerk(network: Network) -> Client:
    return signed_in(network.home, network.url, "clerk")


def place(bundle: str, name: str) -> str:
    return f"/dossiers/{bundle}/payloads/0/{name}"


@pytest.mark.parametrize("name", [name for name, _, _ in PAYLOADS])
def test_nothing_hostile_is_run_and_every_page_says_what_it_shows(pages: Pages, hostile: str, name: str) -> None:
    """Scripts would change the title or ask another page; either would be seen."""
    page = pages.open(place(hostile, name), role="judge")
    page.wait_for_load_state("networkidle")
    assert "PWNED" not in page.title()
    assert page.locator("main script, main iframe, main object, main embed, main svg").count() == 0
    assert page.get_by_role("link", name="Download the original bytes").count() == 1
    if name == "paper.pdf":
        picture = page.locator(".viewer img").first
        assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") == 1100
    elif name in ("photo.png", "broken.pdf", "picture.svg", "page.html", "blob.bin"):
        assert page.locator("p.notice").count() == 1
        assert page.locator("main img").count() == 0
    else:
        assert page.locator("pre.text").count() == 1


def test_a_dossier_with_hostile_words_shows_them_as_words(pages: Pages, hostile: str) -> None:
    page = pages.open(f"/dossiers/{hostile}", role="judge")
    page.locator("#seq-0 details").evaluate("d => { d.open = true }")
    shown = page.locator("#seq-0").inner_text()
    assert "⟨U+202E⟩" in shown
    assert "\u202e" not in page.content()
    assert "<script>" in shown
    assert "PWNED" not in page.title()


def test_invisible_characters_of_a_text_are_written_out(pages: Pages, hostile: str) -> None:
    page = pages.open(place(hostile, "note.txt"), role="judge")
    assert page.locator("pre.text").inner_text() == "a⟨U+202E⟩b <b>bold</b> ⟨U+E0041⟩"


@pytest.mark.parametrize("name", [name for name, _, _ in PAYLOADS])
def test_original_bytes_come_as_a_file_to_keep(clerk: Client, hostile: str, name: str) -> None:
    connection = clerk.connection()
    cookies = "; ".join(f"{n}={v}" for n, v in clerk.cookies.items())
    connection.request("GET", place(hostile, name) + "/download", headers={"Cookie": cookies})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert data == CONTENT[name]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["content-security-policy"] == SANDBOX
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'


@pytest.mark.parametrize("name", [name for name, _, _ in PAYLOADS])
def test_none_of_these_is_given_to_a_browser_to_interpret(clerk: Client, hostile: str, name: str) -> None:
    assert clerk.get(place(hostile, name) + "/bytes").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("pages/0", 404), ("pages/01", 404), ("pages/-1", 404), ("pages/51", 404), ("pages/x", 404), ("pages/9", 400),
        ("pages/1", 200),
    ],
)  # fmt: skip
def test_pages_of_a_pdf_are_pictures_and_only_those_it_has(clerk: Client, hostile: str, path: str, status: int) -> None:
    answer = clerk.get(f"{place(hostile, 'paper.pdf')}/{path}")
    assert answer.status == status
    if status == 200:
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-security-policy"] == SANDBOX


def test_a_file_that_is_no_pdf_has_no_pages(clerk: Client, hostile: str) -> None:
    assert clerk.get(f"{place(hostile, 'photo.png')}/pages/1").status == 404
    assert clerk.get(f"{place(hostile, 'broken.pdf')}/pages/1").status == 400


@pytest.mark.parametrize(
    "name", ["..%2f..%2fmanifest.json", "manifest.json", "PAPER.PDF", "paper.pdf%00", "paper.pdf/"]
)
def test_names_that_no_record_has_are_not_found(clerk: Client, hostile: str, name: str) -> None:
    assert clerk.get(f"/dossiers/{hostile}/payloads/0/{name}").status in (400, 404)


def test_the_viewers_in_both_languages_and_widths(pages: Pages, hostile: str) -> None:
    pages.shoot("pdf", place(hostile, "paper.pdf"), role="judge")
    pages.shoot("svg", place(hostile, "picture.svg"), role="judge")
    pages.shoot("wrong-magic", place(hostile, "photo.png"), role="judge")
    pages.shoot("hex", place(hostile, "blob.bin"), role="judge")
    pages.shoot("hostile-dossier", f"/dossiers/{hostile}", role="judge")
