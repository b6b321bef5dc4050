"""The server and its guard in this very process, with short times: slow senders, crashes of a page, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.core.errors import Denied, Malformed, NotFound, Unavailable
from relay.durable.errors import StorageFailed
from relay.web.app import make_app
from relay.web.guard import Policy
from relay.web.security import csrf_token
from relay.web.serving import PageProtocol, Serving, serving_pages
from relay.web.site import Site, form_of, make_templates, need

SECRET = "s" * 43
ERRORS = {
    "crash": RuntimeError("the secret of the house"),
    "malformed": Malformed("row", "name", "is <too> long"),
    "missing": NotFound("the secret of the house"),
    "denied": Denied("the secret of the house"),
    "away": Unavailable("the court's ledger cannot be asked"),
    "disk": StorageFailed("disk"),
}


class Hasty(PageProtocol):
    """Waits for a head a fifth of a second."""

    head_within_s = 0.2


async def fail(request: Request) -> Response:
    raise ERRORS[request.path_params["how"]]


async def echo(request: Request) -> Response:
    return PlainTextResponse(form_of(request).text("word"))


async def members_only(request: Request) -> Response:
    need(request, "judge")
    return PlainTextResponse("in")


async def nobody(_secret: str) -> None:
    return None


@asynccontextmanager
async def pages(folder: Path) -> AsyncIterator[Serving]:
    site = Site(url="http://127.0.0.1:1", court="A court", templates=make_templates())
    routes = [
        Route("/fail/{how}", fail),
        Route("/echo", echo, methods=["POST"]),
        Route("/members", members_only),
        Route("/members/act", members_only, methods=["POST"]),
    ]
    app = make_app(site, routes, Policy(spool=folder, piece_within_s=0.2), nobody)
    async with serving_pages(app, listen="127.0.0.1:0", tls=None, protocol=Hasty) as serving:
        yield serving


async def said(port: int, *pieces: str) -> str:
    """Everything that comes back before the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece.encode())
        await writer.drain()
    got = await reader.read(-1)
    writer.close()
    return got.decode()


def get(path: str, language: str = "en") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept-Language: {language}\r\nConnection: close\r\n\r\n"


def post(path: str, body: str, declared: int | None = None) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\nCookie: session={SECRET}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {declared or len(body)}\r\n\r\n{body}"
    )


async def test_a_connection_that_never_ends_its_head_is_closed(tmp_path: Path) -> None:
    async with pages(tmp_path) as serving:
        assert await said(serving.port) == ""
        assert await said(serving.port, "GET / HTTP/1.1\r\n", "X: a\r\n", "X: b\r\n") == ""
        # and so is one that asked once and then only began to ask
        again = get("/members").replace("Connection: close\r\n", "")
        assert (await said(serving.port, again, "GET / HT")).count("HTTP/1.1 ") == 1


async def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    async with pages(tmp_path) as serving:
        answer = await said(serving.port, post("/echo", "csrf=x", declared=100))
        assert answer.startswith("HTTP/1.1 408 ")
        assert "took too long" in answer


@pytest.mark.parametrize(
    ("how", "status", "told"),
    [
        ("crash", 500, "Something went wrong here"),
        ("malformed", 400, "row: name: is &lt;too&gt; long"),
        ("missing", 404, "There is no such page for you"),
        ("away", 503, "the court&#39;s ledger cannot be asked"),
    ],
)
async def test_an_error_is_told_without_what_is_inside(tmp_path: Path, how: str, status: int, told: str) -> None:
    async with pages(tmp_path) as serving:
        answer = await said(serving.port, get(f"/fail/{how}"))
        assert answer.startswith(f"HTTP/1.1 {status} ")
        assert told in answer
        assert "secret of the house" not in answer
        assert "Traceback" not in answer
        chinese = await said(serving.port, get(f"/fail/{how}", "zh-CN"))
        assert 'lang="zh-CN"' in chinese
        assert "secret of the house" not in chinese


async def test_who_is_signed_out_is_led_to_sign_in_and_back(tmp_path: Path) -> None:
    async with pages(tmp_path) as serving:
        assert "\r\nlocation: /sign-in?next=/members%3Fpage%3D2\r\n" in await said(serving.port, get("/members?page=2"))
        # a form of a session that has ended: its token still fits its cookie, and the page above it is where one goes on
        body = f"csrf={csrf_token(SECRET)}"
        assert "\r\nlocation: /sign-in?next=/members\r\n" in await said(serving.port, post("/members/act", body))


async def test_a_form_comes_with_its_token(tmp_path: Path) -> None:
    async with pages(tmp_path) as serving:
        body = f"csrf={csrf_token(SECRET)}&word=%E5%AD%98%E8%AF%81"
        assert (await said(serving.port, post("/echo", body))).endswith("存证")


async def test_storage_that_failed_ends_the_process(tmp_path: Path) -> None:
    async with pages(tmp_path) as serving:
        await said(serving.port, get("/fail/disk"))
        with pytest.raises(StorageFailed):
            await serving.watch()


async def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    async with pages(tmp_path) as serving:
        with pytest.raises(Malformed, match="listen"):
            async with serving_pages(nobody_app, listen=f"127.0.0.1:{serving.port}", tls=None):
                pass


async def nobody_app(*_: object) -> None:
    raise AssertionError("nobody asks")
