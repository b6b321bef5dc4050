"""`courtrelay adapter new`: a package with a working adapter, the keys and the file to check it, ready to be changed."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.conformance import skeleton
from relay.conformance.skeleton.ledger import Ledger
from relay.core.errors import Conflict, Malformed
from relay.core.note import VerifierKey
from relay.core.pinned import CourtRoot, KeyUse, LedgerRoot, LogRoot, TrustedKey
from relay.core.trust import TrustRoots
from relay.setup.keys import FileSigner, make_signing_key

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
TAKEN: Final = frozenset({"embedded", "remote", "evm", "evm-qbft", "skeleton"})
FILES: Final = ("adapter.py", "ledger.py", "proof.py")
DAYS: Final = 366
PARTY: Final = "spiffe://{name}.example/custodian/lender"
COURT: Final = "spiffe://{name}.example/court/court"
NAMES: Final = {
    "log": "lender.{name}.example/log",
    "witness": "court.{name}.example/witness",
    "custody": "court.{name}.example/custody",
    "lender": PARTY,
}

PYPROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "courtrelay-{name}"
version = "0.1.0"
description = "Ledger family {name} for courtrelay."
requires-python = ">=3.11"
dependencies = ["courtrelay"]

[project.entry-points."relay.adapters"]
{name} = "courtrelay_{name}:ADAPTER"

[tool.hatch.build.targets.wheel]
packages = ["courtrelay_{name}"]
"""

README: Final = """\
# courtrelay-{name}

`courtrelay_{name}/adapter.py` puts a ledger behind the two ports of `relay/ports/ledgers.py`; as written, the ledger lives in memory
(`ledger.py`) and passes every check. Put a client of your own ledger in its place, and in `proof.py` the verifier of its proofs.

    courtrelay adapter check --config check.toml

says what holds after each change. `trust.json` pins both ledgers: write your own validators' keys into it. The entry point in
`pyproject.toml` makes family `{name}` known to every role once this package is installed beside courtrelay: `pip install .`
"""

CHECK: Final = """\
adapter = "courtrelay_{name}:ADAPTER"   # not needed once the package is installed
trust = "trust.json"
deadline_s = 60

[source]
family = "{name}"
ledger = "{name}:lender"

[court]
family = "{name}"
ledger = "{name}:court"
source = "{name}:lender"
issuer = "{issuer}"
log = "{log}"
witness = "{witness}"
custody = "{custody}"
grant = "{grant}"

{keys}
[hooks]
mine = "courtrelay_{name}.adapter:mine"
reorganise = "courtrelay_{name}.adapter:reorganise"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where the package is, and how many lines its adapter and all of its Python have."""

    folder: Path
    adapter_lines: int
    lines: int


def write_skeleton(name: str, out: Path) -> Written:
    """Raises `Malformed` for a name that no family can have, `Conflict` when the folder holds something."""
    if NAME.fullmatch(name) is None or name in TAKEN:
        raise Malformed(
            "adapter", "NAME", f"must be lower case letters, digits and _, and none of {', '.join(sorted(TAKEN))}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict(f"{out} exists and is not an empty folder; nothing is ever overwritten: choose another one")
    out.mkdir(parents=True, exist_ok=True)
    sources = _sources(name)
    package = out / f"courtrelay_{name}"
    package.mkdir()
    for file, text in sources.items():
        (package / file).write_text(text)
    keys = {use: make_signing_key(out / "keys" / f"{use}.pem") for use in NAMES}
    (out / "pyproject.toml").write_text(PYPROJECT.format(name=name))
    (out / "README.md").write_text(README.format(name=name))
    (out / "check.toml").write_text(_check(name, keys))
    (out / "trust.json").write_bytes(_trust(name, keys).to_json())
    total = sum(text.count("\n") for text in sources.values())
    return Written(folder=out, adapter_lines=sources["adapter.py"].count("\n"), lines=total)


def _sources(name: str) -> dict[str, str]:
    """The skeleton's own files under the new package's name: what is written here is what is tested there."""
    folder, package = Path(skeleton.__path__[0]), skeleton.__name__
    texts = {file: (folder / file).read_text() for file in FILES}
    made = {file: text.replace(package, f"courtrelay_{name}") for file, text in texts.items()}
    made["proof.py"] = made["proof.py"].replace('FAMILY: Final = "skeleton"', f'FAMILY: Final = "{name}"')
    head = f'"""Ledger family {name} for courtrelay."""\n\nfrom courtrelay_{name}.adapter import ADAPTER\n\n'
    made["__init__.py"] = head + '__all__ = ["ADAPTER"]\n'
    return made


def _check(name: str, keys: dict[str, FileSigner]) -> str:
    names = {use: text.format(name=name) for use, text in NAMES.items()}
    tables = [f'[keys.{use}]\nname = "{names[use]}"\nkey = "keys/{use}.pem"\n' for use in NAMES]
    return CHECK.format(
        name=name,
        issuer=names["lender"],
        log=VerifierKey.ed25519(names["log"], keys["log"].public_key).format(),
        witness=VerifierKey.cosigner(names["witness"], keys["witness"].public_key).format(),
        custody=VerifierKey.ed25519(names["custody"], keys["custody"].public_key).format(),
        grant=VerifierKey.ed25519("grant", keys["lender"].public_key).format(),
        keys="\n".join(tables),
    )


def _trust(name: str, keys: dict[str, FileSigner]) -> TrustRoots:
    """Pins both ledgers in memory, and the keys, as a verifier's file would."""
    start_s = int(datetime.datetime.now(datetime.UTC).timestamp())
    lender, court = PARTY.format(name=name), COURT.format(name=name)
    uses: list[tuple[KeyUse, str, str]] = [("log", lender, "log"), ("grant", lender, "lender")]
    uses += [("witness", court, "witness"), ("custody", court, "custody")]
    pinned = tuple(
        TrustedKey(
            use=use,
            party=party,
            name="grant" if use == "grant" else NAMES[key].format(name=name),
            public_key=keys[key].public_key,
            valid_from_ms=start_s * 1000,
            valid_to_ms=(start_s + DAYS * 86_400) * 1000,
        )
        for use, party, key in uses
    )
    return TrustRoots(
        version=1,
        issued_at_s=start_s,
        expires_at_s=start_s + DAYS * 86_400,
        pinned_keys=pinned,
        logs=(LogRoot(origin=NAMES["log"].format(name=name), party=lender, ledger=f"{name}:lender"),),
        ledgers=(_root(name, "lender"), _root(name, "court")),
        courts=(CourtRoot(party=court, ledger=f"{name}:court", origin=NAMES["custody"].format(name=name)),),
        witness_quorum=1,
    )


def _root(name: str, ledger: str) -> LedgerRoot:
    root = Ledger(f"{name}:{ledger}").root()
    return LedgerRoot(ledger=root.ledger, kind=name, threshold=root.threshold, validators=root.validators)
