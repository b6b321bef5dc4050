"""An authority over HTTP: bounded in size and time, no redirects, the right content, whatever is at the other end."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from relay.config.strict import Table
from relay.config.time import read_time
from relay.core.errors import Malformed, Unavailable
from relay.core.limits import TIMESTAMP_BYTES_MAX
from relay.core.timestamp import request_bytes, token_of
from relay.wire.timestamp_http import HttpTimestampAuthority
from tests.time.authority import REPLY, Authority, serving, stamping

FILE = Path("court/config.toml")
QUERY = request_bytes(b"note", "sha256", 1)


async def asked(status: int, headers: Mapping[str, str], data: bytes) -> bytes:
    with serving(lambda _query: (status, headers, data)) as url:
        return await HttpTimestampAuthority("one", url, "sha256").ask(QUERY)


async def test_real_authority_answers(one: Authority) -> None:
    with stamping(one) as url:
        assert token_of(await HttpTimestampAuthority("one", url, "sha256").ask(QUERY))


async def test_answer_of_the_largest_size_is_read() -> None:
    assert len(await asked(200, REPLY, bytes(TIMESTAMP_BYTES_MAX))) == TIMESTAMP_BYTES_MAX


@pytest.mark.parametrize(
    ("status", "headers", "data", "reason"),
    [
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, b"", "redirects to .*; redirects are not followed"),
        (307, {"Location": "/stamp"}, b"", "redirects are not followed"),
        (500, REPLY, b"", "answers with status 500"),
        (204, REPLY, b"", "answers with status 204"),
        (200, {"Content-Type": "text/html"}, b"<p>", "content of type 'text/html'"),
        (200, {}, b"x", "content of type ''"),
        (200, {**REPLY, "Content-Encoding": "gzip"}, b"x", "in a coding that was not asked for"),
        (200, REPLY, bytes(TIMESTAMP_BYTES_MAX + 1), "answers with more than 16384 bytes"),
        (200, {**REPLY, "Content-Length": "99"}, b"short", "."),
    ],
)
async def test_answer_that_is_not_taken(status: int, headers: Mapping[str, str], data: bytes, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        await asked(status, headers, data)


async def test_body_that_never_ends_is_given_up() -> None:
    released = threading.Event()

    def answer(_query: bytes) -> tuple[int, Mapping[str, str], bytes]:
        released.wait(60)
        return 200, REPLY, b"late"

    with serving(answer) as url:
        try:
            with pytest.raises(Unavailable, match=r"no whole answer within 0.2 s"):
                await HttpTimestampAuthority("one", url, "sha256", timeout_s=0.2).ask(QUERY)
        finally:
            released.set()


async def test_nobody_listens() -> None:
    with serving(lambda _query: (200, REPLY, b"")) as url:
        pass
    with pytest.raises(Unavailable):
        await HttpTimestampAuthority("one", url, "sha256").ask(QUERY)


def table(**values: object) -> Table:
    return Table({"authority": [{"name": "one", "url": "https://time.example/stamp", **values}]}, file=FILE)


def test_configuration_is_read() -> None:
    (one,) = read_time(table(hash="sha512"))
    assert (one.name, one.url, one.hash_name) == ("one", "https://time.example/stamp", "sha512")
    assert read_time(table())[0].hash_name == "sha256"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "One"),
        ("hash", "sha1"),
        ("url", "ftp://time.example/"),
        ("url", "https://"),
        ("url", "https://user:word@time.example/"),
        ("url", "https://time.example:99999/"),
        ("url", "https://time.example/ x"),
        ("url", "https://time.example/#x"),
        ("url", "https://zeit.example/" + "x" * 2048),
        ("urls", "https://time.example/"),
    ],
)
def test_configuration_that_is_refused(key: str, value: str) -> None:
    with pytest.raises(Malformed, match=rf"authority\[0\].{key}"):
        read_time(table(**{key: value}))


def test_one_authority_twice_is_refused() -> None:
    one = {"name": "one", "url": "https://time.example/stamp"}
    with pytest.raises(Malformed, match="names one authority twice"):
        read_time(Table({"authority": [dict(one), dict(one)]}, file=FILE))
