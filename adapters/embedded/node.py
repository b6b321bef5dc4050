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

from adapters.embedded.genesis import check_kinds, read_genesis
from adapters.embedded.ledger import Ledger, Sign, open_database
from adapters.embedded.server import ALLOW, LONG_LIVED, LedgerServicer
from adapters.embedded.v1 import ledger_pb2_grpc
from relay.core.checks import Verifiers
from relay.core.errors import Malformed
from relay.core.identity import TRUST_DOMAIN
from relay.setup.signers import KeyReference, open_signer, parse_key_reference
from relay.transport.credentials import TlsFiles
from relay.transport.limits import Limits, parse_limits
from relay.transport.servers import serving

FINAL_DEPTH_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Paths are absolute or relative to the configuration file's folder."""

    address: str
    genesis: Path
    data: Path
    tls: TlsFiles
    limits: Limits
    validators: Mapping[str, KeyReference]
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
        raise Malformed(what, "validators", "must be a table of validator names and keys: files or pkcs11: URIs")
    crl = values.pop("crl", {})
    if not isinstance(crl, dict) or not all(TRUST_DOMAIN.fullmatch(d) and isinstance(v, str) for d, v in crl.items()):
        raise Malformed(what, "crl", "must be a table of trust domains and revocation lists")
    limits = values.pop("limits", {})
    if not isinstance(limits, dict):
        raise Malformed(what, "limits", "must be a table")
    depth = values.pop("final_depth", 0)
    if not isinstance(depth, int) or isinstance(depth, bool) or not 0 <= depth <= FINAL_DEPTH_MAX:
        raise Malformed(what, "final_depth", f"must be a number from 0 to {FINAL_DEPTH_MAX}")
    config = NodeConfig(
        address=text("address"),
        genesis=file("genesis"),
        data=file("data"),
        tls=TlsFiles(
            ca=file("ca"),
            certificate=file("certificate"),
            key=file("key"),
            crl={domain: path.parent / name for domain, name in crl.items()},
        ),
        limits=parse_limits(limits),
        validators={name: parse_key_reference(key, path.parent) for name, key in validators.items()},
        final_depth=depth,
    )
    if values:
        raise Malformed(what, min(values), "is not a known key")
    return config


async def run_node(
    config: NodeConfig,
    *,
    verifiers: Verifiers,
    now_ms: Callable[[], int],
    stopped: asyncio.Event,
    ready: Callable[[str, str], None],
) -> None:
    """Serve until `stopped` is set. Calls `ready(ledger, address)` once it answers.

    `verifiers`: for the proofs of lenders' ledgers, which may be of any family. Raises `Malformed` when one is missing.
    """
    genesis = read_genesis(config.genesis)
    check_kinds(genesis, verifiers, str(config.genesis))
    signers: dict[str, Sign] = {name: open_signer(key).sign for name, key in config.validators.items()}
    async with AsyncExitStack() as stack:
        database = await open_database(config.data / "ledger.sqlite")
        stack.push_async_callback(database.close)
        ledger = await Ledger.open(genesis, database, signers, now_ms, final_depth=config.final_depth)
        servicer = LedgerServicer(ledger, verifiers)
        async with asyncio.TaskGroup() as group:
            maker = group.create_task(ledger.run(), name=f"blocks of {genesis.ledger}")
            try:
                port = await stack.enter_async_context(
                    serving(
                        [lambda server: ledger_pb2_grpc.add_LedgerServicer_to_server(servicer, server)],
                        address=config.address,
                        tls=config.tls,
                        limits=config.limits,
                        allow=ALLOW,
                        long_lived=LONG_LIVED,
                    )
                )
                ready(genesis.ledger, f"{config.address.rpartition(':')[0]}:{port}")
                await stopped.wait()
            finally:
                maker.cancel()
