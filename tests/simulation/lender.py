"""A lender: its evidence log and book of checkpoints, the agent that anchors, and the line to the relay. Some lie."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.errors import RelayError, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.merkle import MemoryTree, leaf_hash, subtree_consistency_proof
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.package import Package
from relay.durable.errors import StorageFailed
from relay.ports.custodian import CustodianCounts, LogCheckpoint, PackageMaker, ReceiptOffer
from relay.services.custodian.anchoring import Anchored, Newest
from tests.simulation.chain import LenderChain
from tests.simulation.network import Net
from tests.simulation.process import Crash, Machine

HONEST, FORKS, WRONG_ENTRIES, WITHHOLDS = "honest", "anchors another tree", "sends wrong entries", "withholds entries"


def private_key(name: str) -> Ed25519PrivateKey:
    """A key that depends on its name alone."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def _altered(data: bytes) -> bytes:
    """Other bytes, whichever these are: a fixed last byte would be the right one for every 256th entry."""
    return data[:-1] + bytes([data[-1] ^ 1])


class TreeFiles:
    """relay.ports.LogFiles of a log in memory."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.tree = MemoryTree([])

    def append(self, entries: Sequence[bytes]) -> None:
        self.held += entries
        self.tree = MemoryTree([leaf_hash(entry) for entry in self.held])

    def entries(self, start: int, end: int) -> list[bytes]:
        return self.held[start:end]

    def subtree_proof(self, start: int, end: int, size: int) -> list[bytes]:
        return subtree_consistency_proof(start, end, size, self.tree)


@dataclass
class Lender:
    """One origin. What it has anchored is in `checkpoints`; a checkpoint with a receipt leaves `waiting`."""

    origin: str
    custodian: str
    chain: LenderChain
    character: str = HONEST

    def __post_init__(self) -> None:
        self.files = TreeFiles()
        self.fork = TreeFiles()
        self.key = private_key(f"log of {self.origin}")
        self.verifier = VerifierKey.ed25519(self.origin, self.key.public_key().public_bytes_raw())
        self.checkpoints: list[Checkpoint] = []
        self.waiting: dict[int, LogCheckpoint] = {}
        self.receipts: dict[int, LedgerProof] = {}
        self.anchored = Anchored()
        self.durable_at_relay = 0

    def grow(self, count: int) -> None:
        """New entries, a checkpoint over all, and its anchor on the way into a block."""
        start = len(self.files.held)
        new = [b"\x01" + hashlib.sha512(f"{self.origin} {n}".encode()).digest() for n in range(start, start + count)]
        self.files.append(new)
        self.fork.append([_altered(entry) for entry in new])
        tree = (self.fork if self.character == FORKS else self.files).tree
        size = len(self.files.held)
        checkpoint = Checkpoint(origin=self.origin, size=size, root=tree.root(size))
        text = checkpoint_text(Checkpoint(origin=self.origin, size=size, root=self.files.tree.root(size)))
        note = format_note(Note(text=text, signatures=(sign_note(text, self.verifier, self.key.sign),)))
        self.checkpoints.append(checkpoint)
        self.chain.waiting.append(checkpoint)
        if self.character != WITHHOLDS:
            made = LogCheckpoint(size=size, root=checkpoint.root, note=note, anchored_height=1)
            self.waiting[size] = made
            self.anchored.newest = Newest(before=start, checkpoint=made)
        self.anchored.set()

    async def unconfirmed(self) -> list[LogCheckpoint]:
        """See relay.ports.custodian.CustodianStore."""
        covered = max(self.receipts, default=0)
        return [self.waiting[size] for size in sorted(self.waiting) if size > covered]

    async def counts(self) -> CustodianCounts:
        """See relay.ports.custodian.CustodianStore."""
        newest = max(self.waiting, default=0)
        confirmed = max(self.receipts, default=0)
        return CustodianCounts(dossiers=0, anchored_size=max(newest, confirmed), confirmed_size=confirmed)

    async def save_receipt(self, size: int, proof: LedgerProof, cosigned: bytes) -> None:
        """See relay.ports.custodian.CustodianStore."""
        self.receipts[size] = proof
        self.waiting.pop(size, None)


class RelayLine:
    """relay.ports.custodian.RelayLink to whatever relay process is up now."""

    def __init__(self, lender: Lender, relay: Machine, net: Net) -> None:
        self._lender = lender
        self._relay = relay
        self._net = net

    def _part(self, name: str) -> Any:
        process = self._relay.up()
        if process is None:
            raise Unavailable("the relay is down")
        return process.parts[name]

    async def push(self, checkpoint: bytes, packages: PackageMaker, expected: int | None = None) -> AsyncIterator[int]:
        start: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def groups() -> AsyncIterator[list[Package]]:
            first = expected if expected is not None else await start
            async for group in self._net.stream("push.send", packages(first)):
                yield [self._altered(package) for package in group]

        self._net.check("push.open")
        try:
            async for next_index in self._part("intake").push(self._lender.custodian, checkpoint, groups()):
                self._lender.durable_at_relay = max(self._lender.durable_at_relay, next_index)
                if not start.done():
                    start.set_result(next_index)
                yield next_index
        except (Crash, StorageFailed):
            raise Unavailable("the relay went away") from None

    def _altered(self, package: Package) -> Package:
        if self._lender.character != WRONG_ENTRIES:
            return package
        return Package(start=package.start, entries=_altered(package.entries), proof=package.proof)

    async def receipts(self, origin: str, above_size: int) -> list[ReceiptOffer]:
        async def ask() -> list[ReceiptOffer]:
            rows = await self._part("receipts").above(self._lender.custodian, origin, above_size)
            return [
                ReceiptOffer(size=r.receipt.size, root=r.receipt.root, proof=r.proof, cosigned=r.cosigned) for r in rows
            ]

        return await self._net.read("receipts", ask)

    async def record_grant(self, statement: str) -> LedgerProof:
        raise RelayError("no grants here")
