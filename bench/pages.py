"""The dossier's page as a judge waits for it: a running gateway, a dossier of many kinds of records, time to the first byte."""

from __future__ import annotations

import asyncio
import http.client
import re
import statistics
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from bench.table import Row
from bench.way import receipted
from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.sample.generate import tell, write_events

RECORDS: Final = 250
REQUESTS: Final = 200
LOANS: Final = (1, 4, 5, 7, 9, 12)
"""Sample loans that went to court: their records, one after another, make the dossier."""
FIRST_BYTE_MS: Final = 200.0
PATIENCE_S: Final = 60.0
_TOKEN: Final = re.compile(r'name="csrf" value="([A-Za-z0-9_-]+)"')


class _Visitor:
    """A judge's browser as far as it is needed: cookies, and the token of a page's forms."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url).netloc
        self._cookies: dict[str, str] = {}

    def send(self, method: str, path: str, body: str = "") -> tuple[http.client.HTTPResponse, str, float]:
        """The answer, its text, and ms to its first byte."""
        connection = http.client.HTTPConnection(self._place, timeout=PATIENCE_S)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.perf_counter()
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        first_ms = (time.perf_counter() - began) * 1000
        text = answer.read().decode()
        connection.close()
        for cookie in answer.headers.get_all("set-cookie", []):
            name, _, rest = cookie.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return answer, text, first_ms

    def post(self, path: str, fields: dict[str, str], at: str) -> str:
        """Send a form of the page `at`; where it leads."""
        found = _TOKEN.search(self.send("GET", at)[1])
        if found is None:
            raise SystemExit(f"{at} has no form")
        answer, text, _ = self.send("POST", path, urlencode({"csrf": found[1], **fields}))
        if answer.status != 303:
            raise SystemExit(f"{path}: {answer.status}: {text[-500:]}")
        return str(answer.headers["location"])


def pages_rows() -> list[Row]:
    """First byte of a dossier's page."""
    times = asyncio.run(_first_bytes())
    p95 = statistics.quantiles(times, n=20)[-1]
    return [
        Row(name=f"dossier page, {RECORDS} records: first byte, p95", values=(p95,), unit="ms", target=FIRST_BYTE_MS, below=True),
        Row(name="  median of all", values=tuple(times), unit="ms"),
    ]  # fmt: skip


async def _first_bytes() -> list[float]:
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as scratch:
        base = Path(scratch)
        events = [event for number in LOANS for event in tell(number, 7).in_order()][:RECORDS]
        write_events(base / "sample", events)
        home = initialise(base / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.2).home
        network = Network(home)
        try:
            await network.start()
            report = await desk.deposit(home, base / "sample", lambda _done, _total: None)
            await desk.anchor(home)
            await network.until("the court has read its ledger", lambda s: receipted(s) == RECORDS)
            wish = desk.GrantWish(
                court="", case="Bench 1", dossiers=[report.stored[0].reference], kinds=["*"], mode="retrieve",
                purpose="bench", days=1, uses=1,
            )  # fmt: skip
            await desk.issue_grant(home, wish, base / "grant.jwt")
            link = urlsplit(await desk.sign_in_link(home, "bench", "judge")).path
            url = tomllib.loads((home / "court/config.toml").read_text())["web"]["url"]
            return await asyncio.to_thread(_visit, url, link, (base / "grant.jwt").read_text().strip())
        finally:
            await network.end()


def _visit(url: str, link: str, grant: str) -> list[float]:
    judge = _Visitor(url)
    judge.post(link, {}, link)
    case = judge.post("/cases/grant", {"token": grant}, "/cases/grant")
    text = judge.send("GET", case)[1]
    fields = dict(re.findall(r'name="(case|grant|dossier)" value="([^"]+)"', text))
    job = judge.post("/cases/retrieve", {**fields, "purpose": "bench"}, case)
    ends = time.monotonic() + PATIENCE_S
    found = None
    while found is None and time.monotonic() < ends:
        found = re.search(r'href="(/dossiers/[0-9a-f]{32})"', judge.send("GET", job)[1])
    if found is None:
        raise SystemExit("the retrieval did not end")
    times = []
    for _ in range(REQUESTS):
        answer, text, first_ms = judge.send("GET", found[1])
        if answer.status != 200 or text.count("<article") < RECORDS:
            raise SystemExit(f"the page is not whole: {answer.status}")
        times.append(first_ms)
    return times
