"""The annotated files of deploy/config, as they stand and with every optional line taken in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.command import ROOT

FOLDER = ROOT / "deploy/config"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
OPTIONAL = re.compile(r'^#(?=[\[A-Za-z"])', re.MULTILINE)
NAMED = {"crl", "limits", "people", "roles", "validators", "attesters", "projection", "anvil", "headers"}
"""Tables whose keys are names, or belong to somebody else's reader."""
LEDGERS = {"ledger", "court_ledger", "sources", "source"}
SECRETS = {
    "database.url": "postgresql://relay@127.0.0.1/courtrelay",
    "oidc.secret": "a secret",
    "broker.password": "a password",
    "collector.token": "Bearer a",
}


def text_of(name: str, *, whole: bool) -> str:
    """`whole`: with every optional line taken in."""
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    return OPTIONAL.sub("", text) if whole else text


def written(name: str, folder: Path, *, whole: bool) -> Path:
    """The file in a folder of its own, with the secrets that its reader asks for."""
    for secret, value in SECRETS.items():
        (folder / secret).write_text(value)
        (folder / secret).chmod(0o600)
    path = folder / f"{name}.toml"
    path.write_text(text_of(name, whole=whole), "utf-8")
    return path


def keys_in(values: dict[str, Any], role: str, path: str = "") -> Iterator[str]:
    """Every key with its table, as the readers name it; of tables of ledgers and names the table alone."""
    for key, value in values.items():
        at = f"{path}.{key}" if path else key
        yield at
        inner = value if isinstance(value, list) else [value]
        if key in NAMED or is_ledger(at, role):
            continue
        for one in inner:
            if isinstance(one, dict):
                yield from keys_in(one, role, at)


def is_ledger(at: str, role: str) -> bool:
    """Whether a table is a ledger's; `court` is one in an adapter's file alone."""
    return at in LEDGERS or (role == "adapter" and at == "court")


def ledgers_in(name: str) -> Iterator[dict[str, Any]]:
    """Every ledger's table of a whole file."""
    for key, value in tomllib.loads(text_of(name, whole=True)).items():
        if is_ledger(key, name):
            yield from value if isinstance(value, list) else [value]
