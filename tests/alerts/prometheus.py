"""A real Prometheus on the loopback, with the project's own configuration and rules, its targets replaced."""

from __future__ import annotations

import asyncio
import json
import shutil
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from relay.app.free_ports import free_ports
from relay.app.initialise import LENDER

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
ROLES: Final = ("custodian", "relay", "court")
READY_TRIES: Final = 300


@dataclass(frozen=True)
class Pace:
    """How often is scraped and evaluated, and how long what an alert says must stand (`for: 15s`) before it fires."""

    every_s: int
    hold_s: int


AS_DEPLOYED: Final = Pace(every_s=5, hold_s=15)
QUICK: Final = Pace(every_s=1, hold_s=5)
"""For the suite: the same rules, the same order of things."""


def instances(home: Path) -> dict[str, str]:
    """What each role's peers call it, from their configuration."""
    read = {role: tomllib.loads((home / role / "config.toml").read_text()) for role in ROLES}
    return {
        "custodian": str(LENDER),
        "relay": read["custodian"]["relay"]["address"],
        "court": read["relay"]["court"]["address"],
    }


def write_config(home: Path, folder: Path, pace: Pace) -> Path:
    """The deployed files with this network's addresses; intervals as `pace` says."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    names = instances(home)
    for job in config["scrape_configs"]:
        role = job["job_name"].removeprefix("courtrelay-")
        ops = tomllib.loads((home / role / "config.toml").read_text())["ops"]["listen"]
        job["static_configs"] = [{"targets": [ops], "labels": {"instance": names[role]}}]
    every = f"{pace.every_s}s"
    config["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    rules = (DEPLOY / "courtrelay.rules.yml").read_text()
    assert f"for: {AS_DEPLOYED.hold_s}s" in rules
    (folder / "courtrelay.rules.yml").write_text(rules.replace(f"for: {AS_DEPLOYED.hold_s}s", f"for: {pace.hold_s}s"))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


class Prometheus:
    """Asked over its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def get(self, path: str, **query: str) -> Any:
        """The `data` of an answer; a refusal (a query that is none) is an AssertionError with what was said."""
        return await asyncio.to_thread(self._get, path, query)

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {dict(query)}: {error.read().decode()}") from None

    async def firing(self) -> set[str]:
        """Every alert that fires, with its labels, as a line each."""
        alerts = (await self.get("/api/v1/alerts"))["alerts"]
        return {_line(one["labels"]) for one in alerts if one["state"] == "firing"}

    async def value(self, query: str) -> float | None:
        """A query that gives one number or nothing."""
        result = (await self.get("/api/v1/query", query=query))["result"]
        return float(result[0]["value"][1]) if result else None


def _line(labels: Mapping[str, str]) -> str:
    others = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if key != "alertname")
    return f"{labels['alertname']} {{{others}}}"


@asynccontextmanager
async def running_prometheus(config: Path, folder: Path) -> AsyncIterator[Prometheus]:
    """Started, ready, and ended with the body."""
    program = shutil.which("prometheus")
    assert program is not None, "Prometheus is not installed"
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with (folder / "prometheus.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        await _ready(url, process)
        yield Prometheus(url)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    for _ in range(READY_TRIES):
        assert process.returncode is None, "Prometheus ended; see prometheus.log"
        try:
            await asyncio.to_thread(urllib.request.urlopen, f"{url}/-/ready", timeout=5)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("Prometheus never became ready")
