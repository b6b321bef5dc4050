"""The `courtrelay` command as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


def environment() -> dict[str, str]:
    """The project first on the path, a terminal that is none, English whatever the machine speaks."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "200", "LC_ALL": "C.UTF-8"}


def courtrelay(
    *arguments: str | Path,
    cwd: Path | None = None,
    patience_s: float = PATIENCE_S,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run it to its end, with `env` beside or instead of what it has. A traceback in its output fails the test that called."""
    command = [sys.executable, "-m", "relay.cli", *map(str, arguments)]
    around = {**environment(), **(env or {})}
    done = subprocess.run(
        command, cwd=cwd or ROOT, env=around, capture_output=True, text=True, check=False, timeout=patience_s
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@contextmanager
def serving(home: Path, role: str = "all") -> Iterator[subprocess.Popen[str]]:
    """`courtrelay serve` in the background until the body ends."""
    command = [sys.executable, "-m", "relay.cli", "serve", role, "--home", str(home)]
    log = (home / f"{role}.log").open("a")
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        _await_line(process, "all roles are ready" if role == "all" else " ready at ", home / f"{role}.log")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        log.close()


def _await_line(process: subprocess.Popen[str], wanted: str, log: Path) -> None:
    assert process.stdout is not None
    # a role that never says it is ready ends here with what it logged, instead of holding up everything behind it
    killer = threading.Timer(PATIENCE_S, process.kill)
    killer.start()
    try:
        for line in process.stdout:
            if wanted in line:
                return
    finally:
        killer.cancel()
    raise AssertionError(f"not ready within {PATIENCE_S} s, or ended before: {log.read_text()[-2000:]}")


def await_status(home: Path, what: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the status until it is so."""
    ends = time.monotonic() + PATIENCE_S
    status: dict[str, Any] = {}
    while time.monotonic() < ends:
        status = courtrelay("status", "--home", home, "--json").json()
        if done(status):
            return status
    raise AssertionError(f"never came to be: {what}; last {status}")


def all_confirmed(entries: int) -> Callable[[dict[str, Any]], bool]:
    """Every entry is confirmed and the court has read its ledger."""

    def done(status: dict[str, Any]) -> bool:
        receipted = [value for name, value in status["court"].items() if name.endswith(" receipted")]
        return status["custodian"].get("confirmed") == entries and receipted == [entries]

    return done


def write_folder(folder: Path, lines: list[dict[str, Any]], files: dict[str, bytes] | None = None) -> Path:
    """A deposit folder."""
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    for name, data in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
