"""The JavaScript example as processes: one serves a lender's ledger, one a court's."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.proof import KIND, verify_quorum
from adapters.remote.client import open_court, open_source
from relay.app.initialise import CUSTODY, IDENTITIES, LENDER, ORIGIN, WITNESS, initialise
from relay.conformance import NamedKey, Owner
from relay.core.note import VerifierKey
from relay.core.trust import LedgerRoot, Validator
from relay.setup.keys import FileSigner, load_signing_key, make_signing_key
from tests.ledgers.remote_bench import settings

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".venv/tools/node_modules"
LENDER_JS, COURT_JS = "js:lender", "js:court"
FOREVER_MS = 253_402_300_799_000


def need_node() -> None:
    """Skips without Node and its gRPC modules, unless nothing may be skipped."""
    missing = shutil.which("node") is None or not (MODULES / "@grpc/grpc-js").is_dir()
    if missing and os.environ.get("COURTRELAY_NO_SKIPS"):
        pytest.fail("Node and @grpc/grpc-js in .venv/tools/node_modules are needed")
    if missing:
        pytest.skip("needs Node and @grpc/grpc-js in .venv/tools/node_modules")


class Node:
    """One adapter process. It comes back on the port that it had."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path, self._config = path, config
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    async def start(self) -> None:
        self._config["listen"] = f"127.0.0.1:{self.port}"
        self._path.write_text(json.dumps(self._config))
        program = str(ROOT / "adapters/examples/js/adapter.js")
        env = {**os.environ, "NODE_PATH": str(MODULES)}
        self._process = await asyncio.create_subprocess_exec(
            "node", program, str(self._path), env=env, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        assert line.startswith("adapter ready at "), line
        self.port = int(line.rpartition(":")[2])

    async def end(self, *, kill: bool = False) -> None:
        if self._process is not None and self._process.returncode is None:
            (self._process.kill if kill else self._process.terminate)()
            await self._process.wait()


def config_of(home: Path, role: str, ledger: str, writers: tuple[str, ...], **more: str) -> dict[str, Any]:
    """What one process is told; its validator's key is made here."""
    key = home / role / "js.pem"
    make_signing_key(key)
    tls = {"ca": "ca.pem", "certificate": "tls.pem", "key": "tls.key"}
    return {
        **{name: str(home / role / file) for name, file in tls.items()},
        "proto": str(ROOT / "proto/adapters/remote/v1/adapter.proto"),
        "ledger": ledger,
        "validator": "node",
        "validator_key": str(key),
        "data": str(home / role / "blocks.jsonl"),
        "writers": [str(IDENTITIES[writer]) for writer in writers],
        **more,
    }


def root_of(home: Path, role: str, ledger: str) -> LedgerRoot:
    """What a verifier pins of it."""
    key = load_signing_key(home / role / "js.pem").public_key
    validator = Validator(name="node", public_key=key, valid_from_ms=0, valid_to_ms=FOREVER_MS)
    return LedgerRoot(ledger=ledger, kind=KIND, threshold=1, validators=(validator,))


def registered(keys: dict[str, FileSigner]) -> dict[str, str]:
    """What the court's ledger knows."""
    return {
        "log": VerifierKey.ed25519(ORIGIN, keys["log"].public_key).format(),
        "witness": VerifierKey.cosigner(WITNESS, keys["witness"].public_key).format(),
        "custody": VerifierKey.ed25519(CUSTODY, keys["custody"].public_key).format(),
        "grant": VerifierKey.ed25519("grant", keys["grant"].public_key).format(),
        "issuer": str(LENDER),
    }


@asynccontextmanager
async def javascript(folder: Path) -> AsyncIterator[Owner]:
    """Both processes, and what the checks need to use them through family `remote`."""
    home = initialise(folder / "home", base_port=0, validators=1, threshold=1).home
    keys = {
        name: load_signing_key(home / role / f"keys/{name}.pem")
        for name, role in (("log", "custodian"), ("grant", "custodian"), ("witness", "court"), ("custody", "court"))
    }
    lender = Node(home / "lender.json", config_of(home, "lender-ledger", LENDER_JS, ("custodian",)))
    writers = ("relay", "court")
    court = Node(home / "court.json", config_of(home, "court-ledger", COURT_JS, writers, **registered(keys)))

    async def restart() -> None:
        for node in (lender, court):
            await node.end(kill=True)
            await node.start()

    try:
        await lender.start()
        await court.start()
        yield Owner(
            open_source=lambda: open_source(settings(home, "custodian", lender.port, LENDER_JS, kind=KIND)),
            open_court=lambda: open_court(settings(home, "relay", court.port, COURT_JS, kind=KIND)),
            open_custody=lambda: open_court(settings(home, "court", court.port, COURT_JS, kind=KIND)),
            roots={
                LENDER_JS: root_of(home, "lender-ledger", LENDER_JS),
                COURT_JS: root_of(home, "court-ledger", COURT_JS),
            },
            verifiers={KIND: verify_quorum},
            log=NamedKey(name=ORIGIN, signer=keys["log"]),
            witness=NamedKey(name=WITNESS, signer=keys["witness"]),
            custody=NamedKey(name=CUSTODY, signer=keys["custody"]),
            lender=NamedKey(name=str(LENDER), signer=keys["grant"]),
            restart=restart,
            left_out=frozenset({"anchors"}),
        )
    finally:
        await lender.end()
        await court.end()
