"""A big dossier under way while the line breaks, or a role is killed: real processes, real wire; nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.core.custody import parse_event
from relay.core.limits import CHUNK_PLAINTEXT_BYTES
from relay.sample import heavy_dossier
from tests.support.bundles import take_apart
from tests.support.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDS = 250
PAYLOAD_BYTES = 60_000_000
CUT = 0.6
EARLY, LATE = 0.4, 0.8
SLACK_BYTES = 30 * 1024 * 1024
"""What may be under way in the relay's window and in the buffers of two connections when something ends."""


class Big:
    """A network with a dossier of 250 records, and a proxy between the custodian and the relay."""

    def __init__(self, home: Path, network: Network, proxy: Proxy, reference: str, payload_bytes: int) -> None:
        self.home, self.network, self.proxy = home, network, proxy
        self.reference, self.payload_bytes = reference, payload_bytes
        self._number = 0

    async def grant(self) -> desk.RetrieveWish:
        """Good for one use."""
        self._number += 1
        path = self.home / f"{self._number}.grant"
        wish = desk.GrantWish(
            court="", case="Resume 1", dossiers=[self.reference], kinds=["*"], mode="retrieve", purpose="test", days=1,
            uses=1,
        )  # fmt: skip
        await desk.issue_grant(self.home, wish, path)
        return desk.RetrieveWish(grant=path, dossier="", officer="judge", purpose="test")

    async def retrieve(
        self, wish: desk.RetrieveWish, at_cut: Any = None, share: float = LATE
    ) -> tuple[dict[str, Any], list[Any]]:
        """Verdict and the custody events of the bundle; `at_cut` is called once, when this share has come."""
        called = False

        def advance(done: int, total: int) -> None:
            nonlocal called
            if at_cut is not None and not called and done >= share * total:
                called = True
                at_cut()

        out = self.home / "out.zip"
        verdict = await desk.retrieve(self.home, wish, out, advance)
        assert called or at_cut is None
        lines = take_apart(out.read_bytes())["custody/events.jsonl"].splitlines()
        return verdict, [parse_event(line) for line in lines]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def big(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Big]:
    folder = tmp_path_factory.mktemp("resume")
    made = heavy_dossier(folder / "heavy", RECORDS, PAYLOAD_BYTES, 3)
    home = initialise(folder / "home", base_port=0, validators=2, threshold=1, anchor_interval_s=0.1).home
    config = home / "custodian/config.toml"
    text = config.read_text()
    port = int(re.findall(r'\[relay\]\naddress = "127\.0\.0\.1:(\d+)"', text)[0])
    proxy = Proxy(port)
    await proxy.start()
    config.write_text(
        text.replace(f'[relay]\naddress = "127.0.0.1:{port}"', f'[relay]\naddress = "127.0.0.1:{proxy.port}"')
    )
    network = Network(home)
    try:
        await network.start()
        report = await desk.deposit(home, folder / "heavy", lambda _d, _t: None)
        await desk.anchor(home)
        await network.until("the court has read its ledger", lambda s: RECORDS in s["court"].values())
        yield Big(home, network, proxy, report.stored[0].reference, made["payload_bytes"])
    finally:
        await network.end()
        await proxy.end()


def check(verdict: dict[str, Any], events: list[Any], *, least: float = 0.5) -> int:
    """CONSISTENT, resumed once, at or near the cut; returns the chunk it was resumed at."""
    assert verdict["verdict"] == "CONSISTENT"
    assert len(verdict["records"]) == RECORDS
    resumed = [int(event.detail.rpartition(" ")[2]) for event in events if event.action == "resume"]
    assert resumed
    assert max(resumed) >= least * PAYLOAD_BYTES / CHUNK_PLAINTEXT_BYTES
    return resumed[0]


async def used_once(big: Big) -> bool:
    rows = await desk.list_grants(big.home)
    return bool(rows[0]["uses"] == "1 of 1")


async def test_line_that_breaks_at_sixty_percent_is_taken_up_without_sending_finished_chunks_again(big: Big) -> None:
    wish = await big.grant()
    before = big.proxy.sent
    big.proxy.cut_after = before + int(CUT * big.payload_bytes)
    verdict, events = await big.retrieve(wish)
    first = check(verdict, events, least=0.2)
    assert big.proxy.cuts == 1
    cut_at, sent = int(CUT * big.payload_bytes), big.proxy.sent - before
    # sent before the cut, and then only what the court did not have
    rest = big.payload_bytes - first * CHUNK_PLAINTEXT_BYTES
    assert sent <= cut_at + rest + CHUNK_PLAINTEXT_BYTES * 2
    assert await used_once(big)


@pytest.mark.parametrize("role", ["relay", "custodian"])
async def test_role_killed_in_the_middle_comes_back_and_the_rest_follows(big: Big, role: str) -> None:
    wish = await big.grant()
    restarted: list[asyncio.Task[None]] = []

    async def again() -> None:
        await big.network.roles[role].wait()
        await big.network.roles[role].start()

    def kill() -> None:
        big.network.roles[role].kill()
        restarted.append(asyncio.create_task(again()))

    verdict, events = await big.retrieve(wish, kill, EARLY)
    await asyncio.gather(*restarted)
    check(verdict, events, least=0.3)
    assert await used_once(big)


async def test_court_gateway_killed_in_the_middle_goes_on_from_its_disk(big: Big) -> None:
    wish = await big.grant()
    before = big.proxy.sent
    restarted: list[asyncio.Task[None]] = []

    async def again() -> None:
        await big.network.roles["court"].wait()
        await big.network.roles["court"].start()

    def kill() -> None:
        big.network.roles["court"].kill()
        restarted.append(asyncio.create_task(again()))

    verdict, events = await big.retrieve(wish, kill)
    await asyncio.gather(*restarted)
    check(verdict, events)
    assert big.proxy.sent - before < big.payload_bytes + SLACK_BYTES
    assert await used_once(big)
    assert list((big.home / "court/data/staging").iterdir()) == []


async def test_command_that_was_interrupted_goes_on_when_it_is_run_again(big: Big) -> None:
    wish = await big.grant()
    before = big.proxy.sent
    reached = asyncio.Event()

    def advance(done: int, total: int) -> None:
        if done >= LATE * total:
            reached.set()

    running = asyncio.create_task(desk.retrieve(big.home, wish, big.home / "cut.zip", advance))
    await reached.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    verdict, events = await big.retrieve(wish)
    check(verdict, events)
    assert big.proxy.sent - before < big.payload_bytes + SLACK_BYTES
    assert await used_once(big)
    assert json.dumps(verdict)
