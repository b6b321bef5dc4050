"""Entries from custodian over relay to court mirror, and a whole dossier retrieved: real processes, mutual TLS, durable at both ends."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.app import console, desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.core.limits import ENTRY_BYTES
from relay.setup.keys import read_secret
from relay.store.custodian import SqliteCustodianStore

APPEND_ENTRIES: Final = 65_536
POLL_S: Final = 0.02
PATIENCE_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WayResult:
    """Entries a second from the first anchored entry to the last one mirrored; peak resident memory by role in MB."""

    entries: int
    seconds: float
    rss_mb: dict[str, float]

    @property
    def rate(self) -> float:
        """Entries a second."""
        return self.entries / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierResult:
    """A dossier retrieved, verified, bundled and fetched."""

    records: int
    payload_bytes: int
    seconds: float
    verdict: str
    rss_mb: dict[str, float]

    @property
    def rate(self) -> float:
        """Payload MB a second."""
        return self.payload_bytes / 1e6 / self.seconds


async def _preload(home: Path, entries: int) -> None:
    """A log as a busy day leaves it: entries are there, nothing is anchored yet."""
    store = await SqliteCustodianStore.open(
        home / "custodian/data", read_secret(home / "custodian/keys/master.key", 32)
    )
    try:
        left = entries
        while left:
            count = min(left, APPEND_ENTRIES)
            data = os.urandom(count * (ENTRY_BYTES - 1))
            width = ENTRY_BYTES - 1
            await store.append_entries([b"\x01" + data[i * width : (i + 1) * width] for i in range(count)])
            left -= count
    finally:
        await store.close()


def peak_rss_mb(pid: int) -> float:
    """High-water mark of resident memory (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _rss(network: Network) -> dict[str, float]:
    return {name: peak_rss_mb(role.pid) for name, role in network.roles.items()}


async def entries_way(entries: int) -> WayResult:
    """Time from the anchor of all entries to the court's mirror holding all of them durably, cosigned."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as folder:
        home = initialise(Path(folder) / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        await _preload(home, entries)
        network = Network(home)
        try:
            await network.start()
            anchored = await _until(network, "custodian", "anchored", entries)
            await _until(network, "court", " mirrored", entries)
            seconds = time.perf_counter() - anchored
            return WayResult(entries=entries, seconds=seconds, rss_mb=_rss(network))
        finally:
            await network.end()


async def _until(network: Network, role: str, name: str, value: int) -> float:
    """Ask until it is so; returns when it was last not so, so that no time is given away."""
    ends = time.perf_counter() + PATIENCE_S
    before = time.perf_counter()
    while time.perf_counter() < ends:
        asked = time.perf_counter()
        answer = await console.facts_of(network.home, role)
        if any(key.endswith(name) and held == value for key, held in answer.items()):
            return before
        before = asked
        await asyncio.sleep(POLL_S)
    raise TimeoutError(f"{role} did not come to {value}{name} within {PATIENCE_S:.0f} s; last answer {answer}")


async def dossier_way(folder: Path, records: int, payload_bytes: int, repeat: int) -> list[DossierResult]:
    """Deposit a folder with one dossier, then retrieve it `repeat` times: request to bundle on the clerk's disk, verified."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as scratch:
        base = Path(scratch)
        home = initialise(base / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.2).home
        network = Network(home)
        results = []
        try:
            await network.start()
            report = await desk.deposit(home, folder, lambda _done, _total: None)
            await desk.anchor(home)
            await network.until("the court has read its ledger", lambda s: receipted(s) == records)
            wish = desk.GrantWish(
                court="", case="Bench 1", dossiers=[report.stored[0].reference], kinds=["*"], mode="retrieve",
                purpose="bench", days=1, uses=repeat,
            )  # fmt: skip
            await desk.issue_grant(home, wish, base / "grant.jwt")
            for i in range(repeat):
                ask = desk.RetrieveWish(grant=base / "grant.jwt", dossier="", officer="bench", purpose="bench")
                began = time.perf_counter()
                verdict = await desk.retrieve(home, ask, base / f"{i}.zip", lambda _d, _t: None)
                seconds = time.perf_counter() - began
                (base / f"{i}.zip").unlink()
                results.append(
                    DossierResult(
                        records=records, payload_bytes=payload_bytes, seconds=seconds, verdict=verdict["verdict"],
                        rss_mb=_rss(network),
                    )
                )  # fmt: skip
        finally:
            await network.end()
        return results


def receipted(status: dict[str, dict[str, Any]]) -> int:
    """Entries under a receipt that the court has read."""
    return next((int(value) for name, value in status["court"].items() if name.endswith(" receipted")), 0)
