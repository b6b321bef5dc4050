"""What no page takes: each has an answer of its own, without a traceback, and the gateway goes on."""

from __future__ import annotations

import http.client
import io
import re
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from relay.web.security import CONTENT_SECURITY_POLICY
from tests.web.client import Client, multipart, sign_in_link, signed_in
from tests.web.gateway import Gateway, made_home, running_gateway

MIB = 1024 * 1024
SMALL = 4 * MIB


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Whose biggest upload is 4 MiB."""

    def change(text: str) -> str:
        return text.replace('court_name = "', f'upload_bytes_max = {SMALL}\ncourt_name = "')

    with running_gateway(made_home(tmp_path_factory.mktemp("bad"), change)) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Client:
    return Client(gateway.url)


def raw(gateway: Gateway, data: bytes) -> bytes:
    """Everything that comes back for these bytes."""
    place = urlsplit(gateway.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while piece := connection.recv(65_536):
            got += piece
    return got


def host(gateway: Gateway) -> str:
    return urlsplit(gateway.url).netloc


def form(client: Client, fields: dict[str, str], **headers: str) -> tuple[int, str]:
    body = "&".join(f"{name}={value}" for name, value in fields.items())
    answer = client.send("POST", "/check", body, {"Content-Type": "application/x-www-form-urlencoded", **headers})
    return answer.status, answer.text


def test_a_form_without_its_token_or_with_a_wrong_one_is_refused(client: Client, gateway: Gateway) -> None:
    right = client.token()
    stranger = Client(gateway.url).token()
    for fields in ({}, {"csrf": ""}, {"csrf": "A" * 43}, {"csrf": stranger}, {"csrf": f"{right}&csrf={right}"}):
        status, text = form(client, {"way": "number", "number": "x", **fields})
        assert (status, "This form is no longer valid" in text) == (403, True), fields
    assert form(client, {"way": "number", "number": "x", "csrf": right})[0] == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_that_another_site_sends_is_refused_even_with_its_token(client: Client, headers: dict[str, str]) -> None:
    token = client.token()
    assert form(client, {"csrf": token, "way": "number", "number": "x"}, **headers)[0] == 403


def test_a_file_without_token_is_refused_before_it_is_read(client: Client, gateway: Gateway) -> None:
    client.token()
    body, kind = multipart({}, {"file": ("a.zip", b"PK" * MIB)})
    assert client.send("POST", "/check", body, {"Content-Type": kind}).status == 403
    assert not list((gateway.home / "court/data/office/uploads").iterdir())


def test_two_gigabytes_are_refused_by_what_they_declare(client: Client, gateway: Gateway) -> None:
    cookies = "; ".join(f"{n}={v}" for n, v in client.cookies.items())
    head = (
        f"POST /check HTTP/1.1\r\nHost: {host(gateway)}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {2 * 1024**3 + 1}\r\nCookie: {cookies}\r\n\r\n"
    )
    answer = raw(gateway, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"The file is too big" in answer
    assert b"connection: close" in answer.lower()


def test_an_upload_that_declares_nothing_is_refused_where_it_grows_too_big(client: Client) -> None:
    token = client.token()
    boundary = "x" * 20
    first = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    ).encode()
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield first
        for _ in range(64):
            sent += MIB
            yield b"\0" * MIB

    connection = client.connection()
    cookies = "; ".join(f"{n}={v}" for n, v in client.cookies.items())
    kind = f"multipart/form-data; boundary={boundary}"
    try:
        connection.request(
            "POST", "/check", body(), {"Cookie": cookies, "Content-Type": kind}, encode_chunked=True
        )  # http.client sends it chunked
    except (BrokenPipeError, ConnectionResetError):
        assert sent < 64 * MIB
        return
    try:
        assert connection.getresponse().status == 413
    except (ConnectionResetError, http.client.RemoteDisconnected):
        pass
    finally:
        connection.close()


def test_a_big_upload_is_never_held_in_memory(tmp_path: Path) -> None:
    with running_gateway(made_home(tmp_path)) as gateway:
        client = Client(gateway.url)
        client.upload("/check", {"way": "file"}, {"file": ("small.zip", b"PK" + bytes(MIB))})
        before = peak_kib(gateway.pid)
        answer = client.upload("/check", {"way": "file"}, {"file": ("big.zip", b"PK" + bytes(300 * MIB))})
        assert "INCONSISTENT" in answer.text
        assert peak_kib(gateway.pid) - before < 64 * 1024
        assert not list((gateway.home / "court/data/office/uploads").iterdir())


def peak_kib(pid: int) -> int:
    """The most memory that a process ever had."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1])  # type: ignore[index]


def test_oversized_headers_are_refused(gateway: Gateway) -> None:
    for head in (
        f"GET / HTTP/1.1\r\nHost: {host(gateway)}\r\nX: {'a' * 40_000}\r\n\r\n",
        f"GET /{'a' * 40_000} HTTP/1.1\r\nHost: {host(gateway)}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {host(gateway)}\r\n" + "X: a\r\n" * 10_000 + "\r\n",
    ):
        answer = raw(gateway, head.encode())
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert Client(gateway.url).get("/").status == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "evil.example@127.0.0.1"])
def test_another_host_name_gets_no_page(gateway: Gateway, name: str) -> None:
    answer = raw(gateway, f"GET /sign-in HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 "))
    assert b"evil" not in answer


def test_two_hosts_or_none_get_no_page_either(gateway: Gateway) -> None:
    for head in ("", f"Host: {host(gateway)}\r\nHost: evil.example\r\n"):
        answer = raw(gateway, f"GET / HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 421 ")), answer[:100]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_not_allowed(client: Client, method: str) -> None:
    answer = client.send(method, "/")
    assert (answer.status, "POST" in answer.headers["allow"]) == (405, True)
    assert client.send("GET", "/sign-out").status == 405


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/%0d%0aX: y",
     "///evil.example", "/\tevil", "http:evil.example", "@evil.example", "/ok\r\nSet-Cookie: a=b", "sign-in"],
)  # fmt: skip
def test_nothing_leads_to_another_site(gateway: Gateway, target: str) -> None:
    path = sign_in_link(gateway.home, "li", "clerk")
    client = Client(gateway.url)
    client.post(path, at=path)
    answer = client.post("/language", {"language": "en", "next": target})
    assert answer.status == 303
    assert answer.to.startswith("/")
    assert not answer.to.startswith(("//", "/\\"))
    assert "evil.example" not in answer.to


@pytest.mark.parametrize("cookie", ["", "A" * 43, "A" * 5000, "../../x", "%00", "\u00ff", "A" * 42 + "B", "null"])
def test_forged_sessions_are_nobody(client: Client, cookie: str) -> None:
    client.cookies["session"] = cookie
    answer = client.get("/sign-in")
    assert (answer.status, "You are signed in as" in answer.text) == (200, False)


def test_a_session_is_rotated_at_sign_in_and_gone_after_signing_out(gateway: Gateway) -> None:
    client = signed_in(gateway.home, gateway.url, "judge", "chen")
    first = client.cookies["session"]
    path = sign_in_link(gateway.home, "chen", "judge")
    client.post(path, at=path)
    assert client.cookies["session"] != first
    old = Client(gateway.url, cookies={"session": first})
    assert "You are signed in as" not in old.get("/sign-in").text
    last = client.cookies["session"]
    assert "You are signed in as" in client.get("/sign-in").text
    client.post("/sign-out")
    assert "You are signed in as" not in Client(gateway.url, cookies={"session": last}).get("/sign-in").text


@pytest.mark.parametrize(
    "path",
    ["/static/../base.html", "/static/%2e%2e/templates/base.html", "/static/..%2f..%2fconfig.toml", "/static//page.css",
     "/static/%00", "/%ff%fe", "/static/..\\..\\x", "/./", "/static/%5c..%5cx", "/deposit/../../etc/passwd", "/static/"],
)  # fmt: skip
def test_paths_lead_to_no_file(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status in (400, 404), answer.text[:200]
    assert "{% extends" not in answer.text


def test_a_zip_bomb_is_refused_unopened(client: Client) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("manifest.json", "w") as part:
        for _ in range(512):
            part.write(bytes(MIB))
    answer = client.upload("/check", {"way": "file"}, {"file": ("bomb.zip", bomb.getvalue())})
    assert "INCONSISTENT" in answer.text
    assert "is not in the one spelling" in answer.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "a\x00b", "．．/x"])
def test_part_names_that_lead_out_are_refused(client: Client, name: str, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr(zipfile.ZipInfo("x"), b"1")
        made.filelist[0].filename = name
    answer = client.upload("/check", {"way": "file"}, {"file": ("names.zip", archive.getvalue())})
    assert answer.status == 200
    assert "INCONSISTENT" in answer.text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("invoice\u202efdp.exe", "invoice⟨U+202E⟩fdp.exe"),
        ("a\u2066b\u2069\u200bc\ufeff.zip", "a⟨U+2066⟩b⟨U+2069⟩⟨U+200B⟩c⟨U+FEFF⟩.zip"),
        ("<script>alert(1)</script>.zip", "&lt;script&gt;alert(1)&lt;/script&gt;.zip"),
        ("рaypal\u00a0.zip", "рaypal⟨U+00A0⟩.zip"),
        ("判决书.zip", "判决书.zip"),
        ("../../../etc/passwd", "../../../etc/passwd"),
    ],
)
def test_hostile_file_names_are_shown_as_they_are(client: Client, name: str, shown: str) -> None:
    answer = client.upload("/check", {"way": "file"}, {"file": (name, b"PK" + b"no bundle at all" * 4)})
    assert answer.status == 200
    assert f'<bdi dir="auto">{shown}</bdi>' in answer.text
    assert name == shown or name not in answer.text


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=" + "b" * 400, b"x"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nx'),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"not multipart at all"),
        ("application/json", b"{}"),
        ("text/plain", b"csrf=x"),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", b"a=1&" * 10_000),
        ("application/x-www-form-urlencoded", "a=\u00e9".encode()),
        ("", b"csrf=x"),
    ],
)
def test_bodies_that_are_no_forms_are_refused(client: Client, kind: str, body: bytes) -> None:
    client.token()
    answer = client.send("POST", "/check", body, {"Content-Type": kind})
    assert answer.status in (400, 403)


def test_a_field_twice_a_field_too_long_and_an_unknown_way_are_refused(client: Client) -> None:
    for fields in (
        {"way": "number", "number": "x" * 5000},
        {"way": "everything"},
        {"way": "digest", "digest": "x" * 9999},
    ):
        answer = client.post("/check", fields)
        assert answer.status == 400, fields
    token = client.token()
    assert form(client, {"csrf": token, "way": "number&way=number", "number": "x"})[0] == 400


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/no-such-page", "/static/page.css", "/check", "/deposit/x", "/static/nope"]
)
def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers
    assert answer.headers["cache-control"] in ("no-store", "public, max-age=3600")


def test_refusals_speak_the_readers_language(gateway: Gateway) -> None:
    answer = Client(gateway.url, language="zh-CN").get("/no-such-page")
    assert (answer.status, answer.headers["content-language"]) == (404, "zh-CN")
    assert "没有您可以查看的该页面" in answer.text
