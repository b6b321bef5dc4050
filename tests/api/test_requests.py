"""What the interface refuses: other spellings, too much of anything, ranges and cursors of others; and what may safely be repeated."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from tests.api.caller import Caller
from tests.api.gateway import CASE, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"Content-Type": "application/json"}
GRANT = b'{"grant":"a.b.c"}'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"\xff", "malformed"),
        (b"[]", "malformed"),
        (b'{"grant":1}', "malformed"),
        (b'{"grant":"a.b"}', "malformed"),
        (b'{"grant":"a.b.c\\n"}', "malformed"),
        (b'{"grant":"a.b.c","more":1}', "malformed"),
        (b'{"grant":"a.b.c","grant":"d.e.f"}', "unusable"),
        (b'{"grant":"a.b.c","n":1.0}', "unusable"),
        (b'{"grant":' + b"[" * 5000 + b"]" * 5000 + b"}", "unusable"),
        (b'{"grant":"\\ud800.b.c"}', "unusable"),
        (GRANT, "unusable"),
    ],
)
async def test_body_that_is_not_strict_json_of_its_schema(caller: Caller, body: bytes, problem: str) -> None:
    answer = await caller.send("POST", "/grants", body, JSON)
    assert answer.problem == problem, answer.data
    assert set(answer.json()) >= {"type", "title", "status", "detail"}


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1", "multipart/form-data"])
async def test_body_of_another_media_type(caller: Caller, kind: str) -> None:
    answer = await caller.send("POST", "/grants", GRANT, {"Content-Type": kind} if kind else None)
    assert (answer.status, answer.problem) == (415, "media-type")


@pytest.mark.parametrize(
    "query",
    [
        "search=", "search", "=x", "search=a&search=b", "more=1", "search=%ff", "limit=0", "limit=1e1", "limit=01", "limit=+5",
        "limit=501", "state=none", "verdict=TRUE", "search=%00", "search=%E2%80%AEx", "search=%20x", "search=a%0A", "&",
    ],
)  # fmt: skip
async def test_query_in_another_spelling(caller: Caller, query: str) -> None:
    answer = await caller.send("GET", f"/cases?{query}")
    assert (answer.status, answer.problem) == (400, "malformed"), answer.data


async def test_too_long_a_query(caller: Caller) -> None:
    answer = await caller.send("GET", f"/cases?search={'x' * 9000}")
    assert (answer.status, answer.problem) == (414, "uri-too-long")


async def test_too_large_a_body_by_its_length_alone(caller: Caller) -> None:
    answer = await caller.send("POST", "/grants", b"x" * 300_000, JSON)
    assert (answer.status, answer.problem) == (413, "too-large")


async def test_announced_giant_is_refused_before_it_is_sent(gateway: Gateway) -> None:
    """Two gigabytes are never read, and the answer arrives although nothing of them was."""
    place = urlsplit(gateway.url)
    head = (
        f"POST /api/v1/checks/bundle HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {gateway.tokens['all']}\r\n"
        f"Content-Type: application/zip\r\nContent-Length: {2**31}\r\n\r\n"
    )

    def ask() -> bytes:
        with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
            connection.sendall(head.encode())
            return connection.recv(4096)

    assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 413 ")


async def test_giant_in_chunks_is_refused_when_it_has_become_one(gateway: Gateway, caller: Caller) -> None:
    def parts() -> list[bytes]:
        return [b"x" * 65_536] * 32

    answer = await caller.send("POST", "/checks/bundle", iter(parts()), {"Content-Type": "application/zip"})
    assert (answer.status, answer.problem) == (413, "too-large")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "BREW"])
async def test_unknown_method_is_told_the_known_ones(caller: Caller, method: str) -> None:
    answer = await caller.send(method, "/grants")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/cases/", "//cases", "/bundles/%2e%2e/%2e%2e", "/bundles/a%2Fb", "/../v1/cases"]
)
async def test_unknown_path(caller: Caller, path: str) -> None:
    answer = await caller.send("GET", path)
    assert (answer.status, answer.problem) == (404, "not-found")


async def test_another_host_name_is_not_answered(caller: Caller) -> None:
    answer = await caller.get("/cases", {"Host": "court.attacker.example"})
    assert (answer.status, answer.problem) == (421, "host")


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-999999999", 206, slice(0, None)),
        ("bytes=5-4", 200, slice(0, None)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
        ("lines=1-2", 200, slice(0, None)),
        ("bytes=999999999-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
async def test_ranges_of_a_bundle(
    gateway: Gateway, caller: Caller, asked: str, status: int, part: slice | None
) -> None:
    path = f"/bundles/{gateway.known['path.bundle'][0]}"
    whole = await caller.get(path)
    answer = await caller.get(path, {"Range": asked})
    assert answer.status == status
    if part is not None:
        assert answer.data == whole.data[part]
        assert answer.headers["etag"] == whole.headers["etag"]
    else:
        assert answer.headers["content-range"] == f"bytes */{len(whole.data)}"


async def test_rest_of_another_file_is_sent_whole(gateway: Gateway, caller: Caller) -> None:
    path = f"/bundles/{gateway.known['path.bundle'][0]}"
    answer = await caller.get(path, {"Range": "bytes=9-", "If-Range": '"another"'})
    assert answer.status == 200


async def test_pages_of_the_custody_log_are_all_of_it_once(caller: Caller) -> None:
    seen: list[int] = []
    query = {"limit": 3}
    while True:
        page = (await caller.get("/custody", **query)).json()
        seen += [row["index"] for row in page["events"]]
        if "next" not in page:
            break
        query["cursor"] = page["next"]
    assert seen == list(range(len(seen)))
    assert len(seen) > 10


async def test_cursor_of_another_question_is_refused(caller: Caller) -> None:
    cursor = (await caller.get("/custody", limit=1)).json()["next"]
    for query in ({"action": "view", "cursor": cursor}, {"cursor": cursor[:-1]}, {"cursor": "AAAA"}):
        answer = await caller.get("/custody", **query)
        assert (answer.status, answer.problem) == (422, "unusable"), query
    assert (await caller.get("/cases", cursor=cursor)).status == 422


async def test_retrieval_repeated_with_its_key_is_one_retrieval(gateway: Gateway, caller: Caller) -> None:
    body = {
        "grant": gateway.known["body.grant"][0],
        "dossier": gateway.known["query.dossier"][0],
        "officer": "a",
        "purpose": "b",
    }
    key = {"Idempotency-Key": "the-same-key-for-all"}
    jobs = await asyncio.gather(*(caller.send("POST", "/retrievals", body, key) for _ in range(4)))
    assert {one.status for one in jobs} == {202}
    (job,) = {one.json()["job"] for one in jobs}
    assert jobs[0].headers["location"] == f"/api/v1/jobs/{job}"
    while (state := (await caller.get(f"/jobs/{job}")).json())["phase"] == "begun":
        await asyncio.sleep(0.05)
    assert state["phase"] == "done", state
    again = await caller.send("POST", "/retrievals", body, key)
    assert again.json()["job"] == job
    requests = [e for e in await gateway.office.logged("request") if e.detail.startswith("a (all-1)")]
    assert len(requests) == 1
    answer = await caller.send("POST", "/retrievals", {**body, "purpose": "c"}, key)
    assert (answer.status, answer.problem) == (409, "conflict")


async def test_key_of_another_caller_is_another_key(gateway: Gateway, caller: Caller) -> None:
    body = {
        "grant": gateway.known["body.grant"][0],
        "dossier": gateway.known["query.dossier"][0],
        "officer": "a",
        "purpose": "b",
    }
    key = {"Idempotency-Key": "the-same-key-for-all"}
    mine = await caller.send("POST", "/retrievals", body, key)
    other = await Caller(gateway.url, gateway.tokens["judge"]).send(
        "POST", "/retrievals", {**body, "purpose": "c"}, key
    )
    assert (mine.status, other.status) == (202, 202)
    assert mine.json()["job"] != other.json()["job"]


async def test_key_whose_call_was_refused_may_be_used_again(gateway: Gateway, caller: Caller) -> None:
    body = {"grant": "0" * 64, "dossier": gateway.known["query.dossier"][0], "officer": "a", "purpose": "b"}
    key = {"Idempotency-Key": "one-key-for-a-wrong-grant"}
    for _ in range(2):
        assert (await caller.send("POST", "/retrievals", body, key)).status == 404


async def test_forged_case_number_finds_nothing(caller: Caller) -> None:
    for case in ("Case 2", "Case", "case 1", "Case  1", CASE + "\u200b"):
        answer = await caller.get("/case", number=case)
        assert answer.status in (400, 404), case
        assert answer.problem in ("malformed", "not-found")


async def test_grant_token_is_never_given_back(gateway: Gateway, caller: Caller) -> None:
    """It is the lender's authorization: what is listed is what it says."""
    token = gateway.known["body.grant"][1].encode()
    for path in ("/grants?case=Case+1", "/case?number=Case+1"):
        answer = await caller.send("GET", path)
        assert answer.status == 200
        assert token not in answer.data
