"""The origins a relay serves, and what its services share about each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from relay.core.checkpoint import Checkpoint, verify_checkpoint
from relay.core.checks import signed_when_valid
from relay.core.errors import Denied, NotFound, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.note import VerifierKey
from relay.core.package import Package
from relay.core.trust import TrustedKey
from relay.services.forwarding.asking import Offer
from relay.services.forwarding.beside import Begun


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginConfig:
    """One lender's evidence log: who may push it, who signs it, on which ledger it is anchored."""

    origin: str
    custodian: str
    """SPIFFE identity of the only custodian that may push this origin."""
    log_keys: tuple[TrustedKey, ...]
    """All that are pinned, of every period."""
    ledger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """All new entries of an anchored checkpoint, checked against its root and about to be stored: the court may have them meanwhile."""

    size: int
    root: bytes
    offer: Offer
    """From the size that was held before them."""
    packages: Sequence[Package]


@dataclass(slots=True)
class OriginRoom:
    """What concerns one origin in memory: two wake-ups and the lock of its mirror log."""

    config: OriginConfig
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Something may have become possible for the origin's items."""
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    """The feed has brought anchors of the origin's ledger."""
    pushing: asyncio.Lock = field(default_factory=asyncio.Lock)
    trace: tuple[int, str] = (0, "")
    """Size and trace of what was pushed last: the item that waits for it may have been read before."""
    proving: Begun[LedgerProof] = field(default_factory=Begun)
    """The ledger's proof of an anchor that has just come with a final block, asked for while it is being recorded."""
    whole: Whole | None = None
    """What is being stored now, or was stored last, where it came in one group."""

    def verify_checkpoint(self, note: bytes) -> Checkpoint:
        """The checkpoint if a key of the log signed it, of whatever period. Raises `Malformed`, `Unverified`."""
        for key in self.config.log_keys:
            try:
                return verify_checkpoint(note, VerifierKey.ed25519(key.name, key.public_key))
            except Unverified:
                continue
        raise Unverified("log signature", f"no pinned log key of {self.config.origin} signed this checkpoint")

    def check_period(self, note: bytes, anchored_ms: int) -> None:
        """A key that was valid when the checkpoint was anchored signed it. Raises `Unverified` that names the others' periods."""
        signed_when_valid(note, self.config.log_keys, anchored_ms)


class Origins:
    """All origins of this relay. Unknown ones are refused."""

    def __init__(self, configs: Mapping[str, OriginConfig]) -> None:
        self._rooms = {name: OriginRoom(config) for name, config in configs.items()}

    def __iter__(self) -> Iterator[OriginRoom]:
        return iter(self._rooms.values())

    def serves(self, origin: str, ledger: str) -> bool:
        """Whether an anchor of this origin on this ledger is for this relay; others belong to other relays or to nobody."""
        room = self._rooms.get(origin)
        return room is not None and room.config.ledger == ledger

    def room(self, origin: str) -> OriginRoom:
        """Raises `NotFound` for an origin that is not configured."""
        try:
            return self._rooms[origin]
        except KeyError:
            raise NotFound(f"origin {origin} is not served by this relay") from None

    def owned(self, origin: str, identity: str) -> OriginRoom:
        """The room of an origin that the caller owns. Raises `Denied`, alike for somebody else's origin and for none."""
        room = self._rooms.get(origin)
        if room is None or room.config.custodian != identity:
            raise Denied(f"{identity} owns no origin {origin} here")
        return room

    def of_custodian(self, identity: str) -> list[OriginRoom]:
        """The origins a custodian owns."""
        return [room for room in self if room.config.custodian == identity]
