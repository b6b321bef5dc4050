"""The node program: one process, one SQLite file, the validator keys it was given.

One process that holds every validator's key is a development arrangement: it shows the protocol, not independence.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.embedded.genesis import read_genesis
from adapters.embedded.ledger import Ledger, Sign, open_database
from adapters.embedded.server import ALLOW, LONG_LIVED, LedgerServicer
from adapters.embedded.v1 import ledger_pb2_grpc
from relay.core.errors import Malformed
from relay.transport.credentials import TlsFiles
from relay.transport.servers import serving

FINAL_DEPTH_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Paths are absolute or relative to the configuration file's folder."""

    address: str
    genesis: Path
    data: Path
    tls: TlsFiles
    validators: Mapping[str, Path]
    final_depth: int = 0


def read_node_config(path: Path) -> NodeConfig:
    """One TOML file; unknown keys are refused. Raises `Malformed` naming file and key."""
    what = str(path)
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise Malformed(what, "", f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(what, "", f"is not TOML: {error}") from None

    def text(name: str) -> str:
        value = values.pop(name, None)
        if not isinstance(value, str) or not value:
            raise Malformed(what, name, "must be given as a string")
        return value

    def file(name: str) -> Path:
        return path.parent / text(name)

    validators = values.pop("validators", None)
    if not isinstance(validators, dict) or not all(isinstance(v, str) for v in validators.values()):
        raise Malformed(what, "validators", "must be a table of validator names and key files")
    depth = values.pop("final_depth", 0)
    if not isinstance(depth, int) or isinstance(depth, bool) or not 0 <= depth <= FINAL_DEPTH_MAX:
        raise Malformed(what, "final_depth", f"must be a number from 0 to {FINAL_DEPTH_MAX}")
    config = NodeConfig(
        address=text("address"),
        genesis=file("genesis"),
        data=file("data"),
        tls=TlsFiles(ca=file("ca"), certificate=file("certificate"), key=file("key")),
        validators={name: path.parent / key for name, key in validators.items()},
        final_depth=depth,
    )
    if values:
        raise Malformed(what, min(values), "is not a known key")
    return config


def _load_signer(path: Path) -> Sign:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise Malformed(str(path), "", "is not an unencrypted PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed(str(path), "", "must be an Ed25519 key")
    return key.sign


async def run_node(
    config: NodeConfig, *, now_ms: Callable[[], int], stopped: asyncio.Event, ready: Callable[[str, str], None]
) -> None:
    """Serve until `stopped` is set. Calls `ready(ledger, address)` once it answers."""
    genesis = read_genesis(config.genesis)
    signers = {name: _load_signer(path) for name, path in config.validators.items()}
    async with AsyncExitStack() as stack:
        database = await open_database(config.data / "ledger.sqlite")
        stack.push_async_callback(database.close)
        ledger = await Ledger.open(genesis, database, signers, now_ms, final_depth=config.final_depth)
        servicer = LedgerServicer(ledger)
        async with asyncio.TaskGroup() as group:
            maker = group.create_task(ledger.run(), name=f"blocks of {genesis.ledger}")
            try:
                port = await stack.enter_async_context(
                    serving(
                        [lambda server: ledger_pb2_grpc.add_LedgerServicer_to_server(servicer, server)],
                        address=config.address,
                        tls=config.tls,
                        allow=ALLOW,
                        long_lived=LONG_LIVED,
                    )
                )
                ready(genesis.ledger, f"{config.address.rpartition(':')[0]}:{port}")
                await stopped.wait()
            finally:
                maker.cancel()
