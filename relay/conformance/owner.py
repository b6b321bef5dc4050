"""What the owner of a ledger gives to the checks: ways to connect, keys to write with, what is pinned, and hooks."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.checkpoint import Checkpoint
from relay.core.ledgerproof import LedgerProofVerifier
from relay.core.trust import LedgerRoot
from relay.ports.common import Signer
from relay.ports.ledgers import AnchorSource, CourtRegistry

LEFT_OUT: Final = {
    "signatures": "the owner says that this ledger leaves signatures to those who read it",
    "registration": "the owner says that this ledger registers no logs and lenders",
    "anchors": "the owner says that this ledger leaves the anchor's proof to those who read it",
    "heights": "the owner says that every reader of this ledger counts heights itself, so no proof can show them",
    "names": "the owner says that what this ledger signs does not hold the ledger's id",
}
"""What a ledger may leave to its readers, and what is said of checks that need it; the last two are only parts of checks."""

RUN_BYTES: Final = 4


class StrangerKey:
    """Implements relay.ports.Signer with a key that nobody registered."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    @property
    def public_key(self) -> bytes:
        """See the port."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See the port."""
        return self._key.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A signing key and the name it speaks for: an origin, a witness name, or a lender's SPIFFE id."""

    name: str
    signer: Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """All of it is optional: checks that need what is missing are reported as not run, with the reason.

    Each opener makes a new connection to the same ledger. `log` is an evidence log that the court's ledger knows and the checks alone
    write; `custody` likewise. Hooks act on the ledgers, not on the adapter: `mine` makes the lender's ledger add at least one block,
    `reorganise(depth)` replaces its newest blocks by others of the same or a greater number that do not hold their transactions, `restart`
    ends the nodes and starts them on the same data. `publish` is for a ledger that takes no anchors from others, such as a tiled log: it
    makes that log's next checkpoint, two entries or more above the last, and returns once every open connection can have seen it.
    """

    open_source: Callable[[], Awaitable[AnchorSource]] | None = None
    open_court: Callable[[], Awaitable[CourtRegistry]] | None = None
    open_custody: Callable[[], Awaitable[CourtRegistry]] | None = None
    roots: Mapping[str, LedgerRoot] = field(default_factory=dict)
    verifiers: Mapping[str, LedgerProofVerifier] = field(default_factory=dict)
    log: NamedKey | None = None
    witness: NamedKey | None = None
    custody: NamedKey | None = None
    lender: NamedKey | None = None
    mine: Callable[[], Awaitable[None]] | None = None
    reorganise: Callable[[int], Awaitable[None]] | None = None
    restart: Callable[[], Awaitable[None]] | None = None
    publish: Callable[[], Awaitable[Checkpoint]] | None = None
    left_out: frozenset[str] = frozenset()
    origins: str = "conformance.example"
    """Anchors are written under `<origins>/<run>/<number>`."""
    run: str = field(default_factory=lambda: secrets.token_hex(RUN_BYTES))
    """Makes this run's origins and grants new on a ledger that has seen the checks before."""
