"""Signing in with a client certificate: real TLS, real revocation list, and in a browser that shows one."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from relay.core.identity import parse_identity
from relay.setup.ca import issue, make_authority, revoke
from tests.web.browser import LANGUAGES, Pages, shots_folder
from tests.web.client import Client
from tests.web.gateway import Gateway, made_home, running_gateway, with_pages

PERSON = "spiffe://courtrelay.example/person"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With TLS of its own: a certificate is asked for, not required."""

    def change(text: str) -> str:
        return with_pages(text, 'tls = "optional"').replace('url = "http://', 'url = "https://')

    with running_gateway(made_home(tmp_path_factory.mktemp("tls"), change)) as running:
        yield running


def visitor(gateway: Gateway, folder: Path | None) -> Client:
    """With the certificate of a folder, or none."""
    context = ssl.create_default_context(cafile=str(gateway.home / "ca/ca.pem"))
    if folder is not None:
        context.load_cert_chain(str(folder / "tls.pem"), str(folder / "tls.key"))
    return Client(gateway.url, tls=context)


def made(gateway: Gateway, tmp_path: Path, identity: str, days: int = 1) -> Path:
    """A folder with a certificate of the court's own authority."""
    issue(gateway.home / "ca", parse_identity(identity), tmp_path, datetime.datetime.now(datetime.UTC), days=days)
    return tmp_path


def test_a_judge_signs_in_and_the_cookie_is_bound_to_host_and_tls(gateway: Gateway) -> None:
    client = visitor(gateway, gateway.home / "court-judge")
    assert "court-judge" in client.get("/sign-in").text
    answer = client.post("/sign-in/certificate", {"next": "/sign-in"}, at="/sign-in")
    assert (answer.status, answer.to) == (303, "/sign-in")
    assert "__Host-session" in client.cookies
    assert "Secure" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert f"{PERSON}/court-judge" in client.get("/sign-in").text
    (event,) = [e for e in gateway.events("sign_in") if e["actor"] == f"{PERSON}/court-judge"]
    assert (event["outcome"], event["detail"]) == ("permitted", "certificate: judge")


def test_checking_needs_no_certificate_and_signing_in_does(gateway: Gateway) -> None:
    client = visitor(gateway, None)
    assert client.get("/").status == 200
    answer = client.post("/sign-in/certificate", at="/sign-in")
    assert (answer.status, "__Host-session" in client.cookies) == (403, False)


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (f"{PERSON}/stranger", "is not among the people of the court's pages"),
        ("spiffe://courtrelay.example/custodian/lender", "is neither a person nor an operator"),
        ("spiffe://other.example/person/court-judge", "no revocation list of this trust domain is configured"),
    ],
)
def test_a_certificate_of_somebody_else_is_refused_and_logged(
    gateway: Gateway, tmp_path: Path, identity: str, reason: str
) -> None:
    client = visitor(gateway, made(gateway, tmp_path, identity))
    answer = client.post("/sign-in/certificate", at="/sign-in")
    assert (answer.status, reason in answer.text) == (403, False)
    assert [e for e in gateway.events("sign_in") if e["outcome"] == "refused" and reason in e["detail"]]


def test_an_expired_certificate_does_not_come_through_the_handshake(gateway: Gateway, tmp_path: Path) -> None:
    client = visitor(gateway, made(gateway, tmp_path, f"{PERSON}/court-judge", days=0))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.get("/")


def test_a_certificate_of_another_authority_does_not_either(gateway: Gateway, tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    other, folder = tmp_path / "ca", tmp_path / "judge"
    other.mkdir()
    folder.mkdir()
    make_authority(other, "courtrelay.example", now)
    issue(other, parse_identity(f"{PERSON}/court-judge"), folder, now)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        visitor(gateway, folder).get("/")


def test_a_revoked_certificate_ends_the_session_that_it_began(gateway: Gateway) -> None:
    client = visitor(gateway, gateway.home / "court-clerk")
    assert client.post("/sign-in/certificate", at="/sign-in").status == 303
    assert "court-clerk" in client.get("/sign-in?next=/").to + client.get("/sign-in").text
    now = datetime.datetime.now(datetime.UTC)
    revoke(gateway.home / "ca", gateway.home / "crl.pem", gateway.home / "court-clerk/tls.pem", now)
    without = Client(gateway.url, cookies=dict(client.cookies), tls=visitor(gateway, None).tls)
    for _ in range(5000):  # the list is looked at every second; each look at the page takes some milliseconds
        if "You are signed in as" not in without.get("/sign-in").text:
            break
    else:
        raise AssertionError("the session outlived its certificate")
    assert client.post("/sign-in/certificate", at="/sign-in").status == 403
    assert [e for e in gateway.events("sign_in") if "is revoked" in e["detail"]]


def test_a_browser_shows_its_certificate(
    browser: Browser, gateway: Gateway, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pages = Pages(browser, gateway.url, gateway.home, shots_folder(request, tmp_path), {})
    for language in LANGUAGES:
        page = pages.open("/sign-in", certificate=gateway.home / "court-auditor", language=language)
        pages.shot(page, f"certificate-{language}")
    page = pages.open("/sign-in", certificate=gateway.home / "court-auditor")
    page.get_by_role("button", name="Sign in with this certificate").click()
    page.get_by_text("court-auditor", exact=True).first.wait_for()
    pages.close()
