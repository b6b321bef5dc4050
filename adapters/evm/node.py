"""The node program of an EVM ledger: an attester over mutual TLS, and for development the chain itself as a child process.

One process that holds several attesters' keys is a development arrangement: it shows the protocol, not independence.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.evm.abi import anchor_log_interface
from adapters.evm.attestation import attester_key
from adapters.evm.attester import ALLOW, AttesterKey, AttesterServicer
from adapters.evm.chain import Chain
from adapters.evm.config import EvmConfig, read_config
from adapters.evm.devchain import DevChain, read_dev_chain, running
from adapters.evm.opening import check_installed
from adapters.evm.v1 import attester_pb2_grpc
from relay.core.errors import Malformed
from relay.core.identity import TRUST_DOMAIN
from relay.core.note import check_name
from relay.setup.signers import KeyReference, open_signer, parse_key_reference
from relay.transport.credentials import TlsFiles
from relay.transport.limits import Limits, parse_limits
from relay.transport.servers import serving

STATE: Final = "anvil.json"
_CHAIN_KEYS: Final = ("ledger", "endpoints", "quorum", "chain_id", "finality")
_NO_CONTRACT: Final = "0x" + 20 * "00"
"""An attester signs blocks, whatever stands in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Paths are absolute or relative to the configuration file's folder. `dev`: the chain to run for development."""

    address: str
    chain: EvmConfig
    data: Path
    tls: TlsFiles
    limits: Limits
    attesters: Mapping[str, KeyReference]
    dev: DevChain | None


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

    def table(name: str) -> dict[str, object]:
        value = values.pop(name, {})
        if not isinstance(value, dict):
            raise Malformed(what, name, "must be a table")
        return value

    values.pop("family", None)
    crl = table("crl")
    if not all(TRUST_DOMAIN.fullmatch(d) and isinstance(v, str) for d, v in crl.items()):
        raise Malformed(what, "crl", "must be a table of trust domains and revocation lists")
    tls = TlsFiles(
        ca=path.parent / text("ca"),
        certificate=path.parent / text("certificate"),
        key=path.parent / text("key"),
        crl={domain: path.parent / str(name) for domain, name in crl.items()},
    )
    dev = read_dev_chain(values.pop("anvil"), what, path.parent) if "anvil" in values else None
    config = NodeConfig(
        address=text("address"),
        data=path.parent / text("data"),
        tls=tls,
        limits=parse_limits(table("limits")),
        attesters=_attesters(table("attesters"), what, path.parent),
        dev=dev,
        chain=_chain({name: values.pop(name) for name in _CHAIN_KEYS if name in values}, what, dev),
    )
    if values:
        raise Malformed(what, min(values), "is not a known key")
    return config


def _attesters(keys: Mapping[str, object], what: str, folder: Path) -> dict[str, KeyReference]:
    if not keys or not all(isinstance(key, str) for key in keys.values()):
        raise Malformed(what, "attesters", "must be a table of attester names and keys: files or pkcs11: URIs")
    return {check_name(name, what): parse_key_reference(str(key), folder) for name, key in keys.items()}


def _chain(values: dict[str, object], what: str, dev: DevChain | None) -> EvmConfig:
    if dev is not None:
        values.setdefault("endpoints", [dev.url])
    try:
        return read_config({**values, "contract": _NO_CONTRACT}, attested=True, where="node")
    except Malformed as error:
        raise Malformed(what, error.field.removeprefix("node."), error.reason) from None


def _keys(config: NodeConfig) -> list[AttesterKey]:
    made = []
    for name, reference in config.attesters.items():
        signer = open_signer(reference)
        attester_key(config.chain.ledger, name, signer.public_key)  # refuses a name that no note can carry
        made.append(AttesterKey(name=name, public_key=signer.public_key, sign=signer.sign))
    return made


async def run_node(
    config: NodeConfig, *, now_ms: Callable[[], int], stopped: asyncio.Event, ready: Callable[[str, str], None]
) -> None:
    """Serve until `stopped` is set. Calls `ready(ledger, address)` once it answers. `now_ms` is not needed: blocks have their own time.

    Raises `Malformed` for files that cannot be used, `Unavailable` when the development chain ends by itself.
    """
    del now_ms
    check_installed()
    async with AsyncExitStack() as stack:
        ended = None
        if config.dev is not None:
            ended = await stack.enter_async_context(running(config.dev, config.chain.chain_id, config.data / STATE))
        chain = Chain(config.chain, anchor_log_interface())
        stack.push_async_callback(chain.close)
        servicer = AttesterServicer(chain, _keys(config))
        port = await stack.enter_async_context(
            serving(
                [lambda server: attester_pb2_grpc.add_AttesterServicer_to_server(servicer, server)],
                address=config.address,
                tls=config.tls,
                limits=config.limits,
                allow=ALLOW,
            )
        )
        ready(config.chain.ledger, f"{config.address.rpartition(':')[0]}:{port}")
        await _until(stopped, ended)


async def _until(stopped: asyncio.Event, ended: asyncio.Task[None] | None) -> None:
    """Until it shall stop, or the chain has ended: then its reason is raised."""
    waiting = asyncio.create_task(stopped.wait(), name="stopped")
    try:
        await asyncio.wait({waiting} if ended is None else {waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended is not None and ended.done():
            await ended
    finally:
        waiting.cancel()
