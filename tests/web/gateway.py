"""A court gateway alone, with pages as a test wants them: for signing in, limits and refusals, where no ledger is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import courtrelay, serving
from tests.support.ports import base_port
from tests.web.network import court_url


@dataclass(frozen=True)
class Gateway:
    """`url` is where its pages are."""

    home: Path
    url: str
    pid: int

    def events(self, action: str) -> list[dict[str, Any]]:
        """What its custody log says."""
        ran = courtrelay("custody", "show", "--role", "court", "--action", action, "--home", self.home, "--json")
        events: list[dict[str, Any]] = ran.json()["events"]
        return events


def made_home(folder: Path, change: Callable[[str], str] = lambda text: text) -> Path:
    """A home whose court's configuration is changed."""
    home = folder / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    config = home / "court/config.toml"
    config.write_text(change(config.read_text()))
    return home


def with_pages(text: str, tls: str) -> str:
    """A court's configuration whose pages, and nothing else, have another line `tls`."""
    before, table, pages = text.partition("\n[web]\n")
    assert pages.count('tls = "none"') == 1, text
    return before + table + pages.replace('tls = "none"', tls)


@contextmanager
def running_gateway(home: Path) -> Iterator[Gateway]:
    """Its court, serving."""
    with serving(home, "court") as process:
        yield Gateway(home, court_url(home), process.pid)
