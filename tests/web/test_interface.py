"""The HTTP/JSON interface of a real gateway: by client certificate over real TLS; sessions of the pages are no credentials there."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from relay.setup.ca import revoke
from tests.web.client import Client, signed_in
from tests.web.gateway import Gateway
from tests.web.network import Network
from tests.web.test_certificates import PERSON, made, visitor
from tests.web.test_certificates import gateway as gateway


def test_listed_identity_calls_with_its_certificate(gateway: Gateway) -> None:
    answer = visitor(gateway, gateway.home / "court-clerk").get("/api/v1/cases")
    assert (answer.status, json.loads(answer.text)) == (200, {"cases": []})


def test_role_of_the_certificate_decides(gateway: Gateway) -> None:
    answer = visitor(gateway, gateway.home / "court-clerk").get("/api/v1/custody")
    assert (answer.status, json.loads(answer.text)["type"].rpartition("/")[2]) == (403, "role")
    assert visitor(gateway, gateway.home / "court-auditor").get("/api/v1/custody").status == 200


def test_stranger_is_refused_and_logged(gateway: Gateway, tmp_path: Path) -> None:
    stranger = made(gateway, tmp_path, f"{PERSON}/nobody-listed")
    answer = visitor(gateway, stranger).get("/api/v1/cases")
    assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")
    refused = [e for e in gateway.events("sign_in") if e["outcome"] == "refused"]
    assert any("nobody-listed" in e["detail"] for e in refused)


def test_nobody_and_a_token_without_a_provider_are_nobody(gateway: Gateway) -> None:
    client = visitor(gateway, None)
    assert client.get("/api/v1/cases").status == 401
    assert client.get("/api/v1/cases", {"Authorization": "Bearer a.b.c"}).status == 401


def test_token_decides_alone_whatever_certificate_came(gateway: Gateway) -> None:
    client = visitor(gateway, gateway.home / "court-clerk")
    assert client.get("/api/v1/cases", {"Authorization": "Bearer a.b.c"}).status == 401


def test_session_of_the_pages_is_no_credential(network: Network) -> None:
    judge = signed_in(network.home, network.url, "judge")
    assert judge.get("/cases").status == 200
    assert judge.get("/api/v1/cases").status == 401


def test_another_sites_page_gains_nothing(network: Network) -> None:
    """There is nothing to forge: a browser holds no credential that is sent by itself."""
    judge = signed_in(network.home, network.url, "judge")
    forged = {"Origin": "https://attacker.example", "Content-Type": "application/json"}
    answer = judge.send("POST", "/api/v1/grants", b'{"grant":"a.b.c"}', forged)
    assert answer.status == 401
    assert "access-control-allow-origin" not in answer.headers


def test_document_is_open_to_everybody(network: Network) -> None:
    answer = Client(network.url).get("/api/v1/openapi.json")
    assert json.loads(answer.text)["openapi"] == "3.1.0"


def test_revoked_certificate_calls_no_more(gateway: Gateway, tmp_path: Path) -> None:
    folder = made(gateway, tmp_path, f"{PERSON}/court-judge")
    client = visitor(gateway, folder)
    assert client.get("/api/v1/cases").status == 200
    revoke(gateway.home / "ca", gateway.home / "crl.pem", folder / "tls.pem", datetime.datetime.now(datetime.UTC))
    for _ in range(5000):  # the list is looked at every second; each call takes some milliseconds
        if client.get("/api/v1/cases").status == 401:
            return
    raise AssertionError("a revoked certificate still calls")
