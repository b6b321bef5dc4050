"""A running home with one dossier deposited, granted, retrieved: what the pages are tested on."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.app.serve import ROLES
from tests.support.command import all_confirmed, await_status, courtrelay, serving
from tests.support.ports import base_port

CASE = "(2026)民初0001号"
LOANS = 2


@dataclass(frozen=True)
class Network:
    """`bundle`: the first dossier as retrieved under `grant` (profile filing: some is withheld); `verdict` is what retrieving said."""

    home: Path
    url: str
    sample: Path
    dossier: str
    other_dossier: str
    """Deposited, never granted."""
    grant: Path
    case: str
    bundle: Path
    verdict: dict[str, Any]
    processes: dict[str, subprocess.Popen[str]]
    """By role, where each was started by itself."""


def court_url(home: Path) -> str:
    """Where the pages are."""
    return str(tomllib.loads((home / "court/config.toml").read_text())["web"]["url"])


@contextmanager
def _served(home: Path, *, apart: bool) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All roles under one command, or each under its own, so that one can be ended."""
    with ExitStack() as stack:
        roles = ROLES if apart else ("all",)
        yield {role: stack.enter_context(serving(home, role)) for role in roles}


@contextmanager
def running_network(folder: Path, *, apart: bool = False) -> Iterator[Network]:
    """Made by the commands that a user runs."""
    home = folder / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    sample = folder / "sample"
    records = courtrelay("sample", "--loans", str(LOANS), "--out", sample, "--json").json()["records"]
    with _served(home, apart=apart) as processes:
        stored = courtrelay("deposit", sample, "--home", home, "--json").json()["stored"]
        await_status(home, "everything is confirmed", all_confirmed(records))
        grant, bundle = folder / "grant.jwt", folder / "bundle.zip"
        dossiers = [str(one["dossier"]) for one in stored]
        issued = courtrelay(
            "grant", "issue", "--case", CASE, "--dossier", dossiers[0], "--out", grant, "--home", home, "--json"
        )
        assert issued.code == 0, issued.err
        got = courtrelay("retrieve", "--grant", grant, "--out", bundle, "--home", home, "--json")
        assert got.code == 0, got.err
        yield Network(
            home=home,
            url=court_url(home),
            sample=sample,
            dossier=dossiers[0],
            other_dossier=dossiers[1],
            grant=grant,
            case=CASE,
            bundle=bundle,
            verdict=got.json(),
            processes=processes,
        )
