"""A network of real processes that does everything once, with its metrics asked for at every step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relay.app import desk, hands
from relay.app.initialise import ORIGIN
from relay.core.errors import RelayError
from relay.core.grants import grant_digest
from tests.authz.canary import canary, planted
from tests.support.command import PATIENCE_S, courtrelay, serving
from tests.support.ports import base_port
from tests.telemetry.pages import ROLES, Page, scrape

LOAN, OTHER_LOAN, OFFICER, CASE = (canary(name) for name in ("loan", "other loan", "officer", "case"))


@dataclass
class Scenario:
    """What was asked and answered."""

    home: Path
    pages: dict[str, list[Page]] = field(default_factory=lambda: {role: [] for role in ROLES})
    tokens: list[bytes] = field(default_factory=list)
    refusal: str = ""

    async def look(self) -> None:
        """All roles once."""
        for role in ROLES:
            await self.look_at(role)

    async def look_at(self, role: str) -> Page:
        page = await asyncio.to_thread(scrape, self.home, role)
        self.pages[role].append(page)
        return page

    async def items(self) -> dict[str, float]:
        """State → how many, by the relay's page."""
        found = (await self.look_at("relay")).of("courtrelay_outbox_items")
        return {dict(labels)["state"]: value for (_, labels), value in found.items()}

    async def relay_waits(self) -> bool:
        """Whether something final waits in the relay, by its page."""
        page = await self.look_at("relay")
        return any(page.of("courtrelay_outbox_oldest_age_seconds").values())


async def until(so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await so():
            await asyncio.sleep(0.2)


async def deposit(scenario: Scenario, folder: Path, reference: str) -> None:
    lines = []
    folder.mkdir()
    for number, (line, (payload,)) in enumerate(planted(reference)):
        (folder / f"{number}.txt").write_bytes(payload)
        line["payloads"][0]["file"] = f"{number}.txt"
        lines.append(json.dumps({"dossier": reference, **line}))
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")
    await desk.deposit(scenario.home, folder, lambda _done, _total: None)
    await desk.anchor(scenario.home)


async def confirmed(scenario: Scenario, checkpoints: int) -> None:
    """By the relay's page: so many at least are at their end, and none is on its way."""

    async def so() -> bool:
        items = await scenario.items()
        done = items.pop("confirmed", 0) + items.pop("covered", 0)
        return done >= checkpoints and not any(items.values())

    await until(so)


async def play(scenario: Scenario, folder: Path) -> None:
    """Deposit, anchor, grant, retrieve, revoke, ask again, halt, deposit, resume, rescan."""
    home, grant = scenario.home, folder / "grant.jwt"
    await scenario.look()
    await deposit(scenario, folder / "first", LOAN)
    await confirmed(scenario, 1)
    granting = desk.GrantWish(
        court="", case=CASE, dossiers=[LOAN], kinds=["*"], mode="retrieve", purpose="filing", days=1, uses=3
    )
    await desk.issue_grant(home, granting, grant)
    token = grant.read_bytes().strip()
    scenario.tokens.append(token)
    await scenario.look()
    asking = desk.RetrieveWish(grant=grant, dossier="", officer=OFFICER, purpose="filing")
    await desk.retrieve(home, asking, folder / "bundle.zip", lambda _done, _total: None)
    await desk.revoke_grant(home, grant_digest(token).hex(), "the case is over")
    try:
        await desk.retrieve(home, asking, folder / "again.zip", lambda _done, _total: None)
    except RelayError as error:
        scenario.refusal = str(error)
    await scenario.look()
    await hands.halt(home, ORIGIN, "a pause", resume=False)
    await deposit(scenario, folder / "second", OTHER_LOAN)
    await until(scenario.relay_waits)
    await hands.halt(home, ORIGIN, "go on", resume=True)
    await confirmed(scenario, 2)
    await hands.rescan(home, "", from_start=True)
    await scenario.look()


@contextmanager
def played(folder: Path) -> Iterator[Scenario]:
    """The scenario, played; the network still runs in the body."""
    home = folder / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    with serving(home):
        scenario = Scenario(home)
        asyncio.run(play(scenario, folder))
        yield scenario
