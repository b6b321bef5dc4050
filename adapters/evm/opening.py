"""What a source and a court have in common: one chain read, perhaps an account that writes, perhaps attesters, perhaps trust roots."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, TypeVar

from adapters.evm.abi import Interface
from adapters.evm.account import load_account
from adapters.evm.attesters import Attesters
from adapters.evm.chain import Chain, Placed
from adapters.evm.config import EvmConfig, read_config
from adapters.evm.proof import ATTESTED, QBFT, read_parameters, verify_attested, verify_qbft
from adapters.evm.proving import Prover
from adapters.evm.sending import Sender
from relay.core.errors import Denied, Malformed, Unavailable, Uncertain, Unverified
from relay.core.fields import IDENTIFIER
from relay.core.limits import JSON_INT_MAX, TREE_SIZE_MAX
from relay.core.trust import LedgerRoot, TrustRoots, parse_trust_roots

T = TypeVar("T")
FINAL_LOOK_FIRST_S: Final = 0.02


@dataclass(slots=True, kw_only=True)
class Opened:
    """One ledger with everything that belongs to it. `close` may be called twice."""

    config: EvmConfig
    chain: Chain
    prover: Prover
    writer: Sender | None
    trust: TrustRoots | None
    attesters: Attesters | None

    @property
    def sender(self) -> Sender:
        """Raises `Denied` where no account is configured."""
        if self.writer is None:
            raise Denied(f"{self.config.ledger} is configured without ledger.account: it can be read, not written")
        return self.writer

    async def until_final(self, placed: Placed) -> bool:
        """True once the event's block is final, False when it has left the chain. Raises `Uncertain` after `confirm_s`."""
        event, wait = placed.event, FINAL_LOOK_FIRST_S
        reason = "its block is not final yet"
        try:
            async with asyncio.timeout(self.config.confirm_s):
                while True:
                    try:
                        final = (await self.chain.head()).final_height
                        if not await self.chain.stands(event.height, event.block_hash):
                            return False
                        if final >= event.height:
                            return True
                    except Unavailable as error:
                        reason = str(error)
                        if self.chain.endpoints.closed:
                            raise Uncertain(
                                f"transaction 0x{event.tx_id.hex()} is in block {event.height}; {reason}"
                            ) from None
                    await asyncio.sleep(wait)
                    wait = min(self.config.poll_s, wait * 2)
        except TimeoutError:
            raise Uncertain(f"transaction 0x{event.tx_id.hex()} is in block {event.height}, but {reason}") from None

    async def written_final(self, write: Callable[[], Awaitable[Placed]]) -> Placed:
        """Write, and again after a reorganisation, until the block with the effect is final."""
        while True:
            placed = await write()
            if await self.until_final(placed):
                return placed

    async def close(self) -> None:
        """Give up all connections."""
        await self.chain.close()
        if self.attesters is not None:
            await self.attesters.close()


def check_installed() -> None:
    """What talks to a node is an extra: verifying offline needs none of it. Raises `Malformed` that says how to get it."""
    missing = [name for name in ("aiohttp", "eth_abi") if find_spec(name) is None]
    if missing:
        raise Malformed("configuration", "family", f"evm needs {missing[0]}: install the extra courtrelay[evm]")


async def open_ledger(values: Mapping[str, object], interface: Interface, *, qbft: bool) -> Opened:
    """Read the configuration and the files it names; nodes are connected to with the first call. Raises `Malformed`."""
    check_installed()
    config = read_config(values, attested=not qbft)
    trust, root = await asyncio.to_thread(_pinned, config, QBFT if qbft else ATTESTED)
    chain = Chain(config, interface, qbft=qbft)
    writer = None
    if config.account is not None:
        writer = Sender(chain, await asyncio.to_thread(load_account, config.account))
    attesters = None
    if config.tls is not None:
        attesters = await Attesters.open(
            config.attesters,
            config.tls,
            ledger=config.ledger,
            chain_id=config.chain_id,
            needed=config.attesters_needed,
            root=root,
        )
    verify = verify_qbft if qbft else verify_attested
    prover = Prover(chain, QBFT if qbft else ATTESTED, attesters, root, verify)
    return Opened(config=config, chain=chain, prover=prover, writer=writer, trust=trust, attesters=attesters)


def _pinned(config: EvmConfig, kind: str) -> tuple[TrustRoots | None, LedgerRoot | None]:
    """The trust roots, and what they pin of this ledger; it must be what is configured."""
    if config.trust is None:
        return None, None
    try:
        trust = parse_trust_roots(config.trust.read_bytes())
    except OSError as error:
        raise Malformed("configuration", "ledger.trust", f"{config.trust} cannot be read: {error.strerror}") from None
    root = next((one for one in trust.ledgers if one.ledger == config.ledger), None)
    if root is None:
        return trust, None
    if root.kind != kind:
        raise _differs(config, "family", f"proofs of kind {kind}", f"kind {root.kind}")
    try:
        pinned = read_parameters(root)
    except Unverified as error:
        raise Malformed(str(config.trust), config.ledger, error.reason) from None
    if pinned.chain_id != config.chain_id:
        raise _differs(config, "chain_id", str(config.chain_id), str(pinned.chain_id))
    if pinned.contract != config.contract:
        raise _differs(config, "contract", f"0x{config.contract.hex()}", f"0x{pinned.contract.hex()}")
    if config.attesters and config.attesters_needed != root.threshold:
        raise _differs(config, "attesters_needed", str(config.attesters_needed), str(root.threshold))
    return trust, root


def _differs(config: EvmConfig, key: str, here: str, pinned: str) -> Malformed:
    return Malformed("configuration", f"ledger.{key}", f"is {here}, but {config.trust} pins {pinned}")


def check_name(name: str, field: str) -> str:
    """Names that the contract's events carry. Raises `Malformed`."""
    if IDENTIFIER.fullmatch(name) is None:
        raise Malformed("transaction", field, "must be 1 to 255 visible ASCII characters")
    return name


def check_size(value: int, field: str, low: int = 0) -> int:
    """Raises `Malformed` for what no tree can have."""
    if not low <= value <= TREE_SIZE_MAX:
        raise Malformed("transaction", field, f"must be {low} to {TREE_SIZE_MAX}")
    return value


def check_number(value: int, field: str) -> int:
    """Raises `Malformed` for what no fact can carry."""
    if not 0 <= value <= JSON_INT_MAX:
        raise Malformed("transaction", field, f"must be 0 to {JSON_INT_MAX}")
    return value


def check_hash(value: bytes, field: str) -> bytes:
    """Raises `Malformed`."""
    if len(value) != 32:
        raise Malformed("transaction", field, f"has {len(value)} bytes; must be 32")
    return value
