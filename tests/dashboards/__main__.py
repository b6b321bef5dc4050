"""`python3 run.py dashboards`: every panel as a picture, from a network under load that loses its court's ledger for a while.

`--write` makes deploy/grafana from the table of panels and draws nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright

from tests.alerts.faults import FAULTS
from tests.alerts.prometheus import QUICK, Prometheus
from tests.alerts.scenario import suffer, traffic, watched
from tests.dashboards.make import COLUMNS, FOLDER, places, text_of
from tests.dashboards.panels import DASHBOARDS
from tests.dashboards.pictures import CELL, ROW, Span, page
from tests.support.command import courtrelay
from tests.web.browser import FLAGS, find_chromium

DEPOSIT_EVERY_S: Final = 1.0
RETRIEVALS: Final = 4
FAULT: Final = "court's ledger"
LOANS: Final = 60


def write() -> None:
    """deploy/grafana as the table says."""
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.name}.json").write_text(text_of(dashboard))


async def draw(out: Path) -> int:
    """One PNG a dashboard; prints which panels stayed empty."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="courtrelay-dashboards-") as name:
        folder = Path(name)
        (fault,) = (one for one in FAULTS if one.component == FAULT)
        async with watched(folder, QUICK, [fault], LOANS) as (scene, prometheus):
            began_s = time.time()
            with traffic(scene.home, folder / "loans", LOANS, DEPOSIT_EVERY_S):
                await asyncio.to_thread(_retrieve, scene.home, folder, "before")
                await suffer(scene, prometheus, fault)
                await asyncio.to_thread(_retrieve, scene.home, folder, "after")
            await _pictures(prometheus, Span(began_s, time.time(), "15s"), out)
    return 0


def _retrieve(home: Path, folder: Path, when: str) -> None:
    """A dossier a few times, and once more than its grant permits."""
    dossier = json.loads((folder / "loans" / "records.jsonl").open().readline())["dossier"]
    grant = folder / f"{when}.grant"
    wish = ("--case", "(2026) 1", "--dossier", dossier, "--uses", str(RETRIEVALS))
    done = courtrelay("grant", "issue", *wish, "--home", home, "--out", grant)
    assert done.code == 0, done.err
    for number in range(RETRIEVALS + 1):
        courtrelay("retrieve", "--home", home, "--grant", grant, "--out", folder / f"{when}-{number}.zip")


async def _pictures(prometheus: Prometheus, span: Span, out: Path) -> None:
    program = find_chromium()
    assert program is not None, "Chromium is not installed; on Debian: apt install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program), args=FLAGS)
        for dashboard in DASHBOARDS:
            text, empty = await page(prometheus, dashboard, span)
            rows = max(at["y"] + at["h"] for _, at in places(dashboard)) + 2
            shot = await browser.new_page(viewport={"width": COLUMNS * CELL + 8, "height": rows * ROW})
            await shot.set_content(text)
            await shot.screenshot(path=str(out / f"{dashboard.name}.png"))
            print(f"{out / dashboard.name}.png; without data: {', '.join(empty) or 'none'}")
        await browser.close()


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="run.py dashboards", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make deploy/grafana from the table of panels")
    parser.add_argument("--out", type=Path, default=Path("out/dashboards"), help="where the pictures go")
    wanted = parser.parse_args()
    if wanted.write:
        write()
        return 0
    return asyncio.run(draw(wanted.out))


if __name__ == "__main__":
    raise SystemExit(main())
