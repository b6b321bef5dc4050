"""What the two contracts promise, written again in Python: dictionaries, and the relay's own verifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.core.errors import Unverified
from relay.core.merkle import verify_consistency
from tests.evm.contracts.chain import Reverted, name_hash

SIZE_MAX = 2**53 - 1
Facts = tuple[object, ...]
"""Name and values of the event that a call emits."""


@dataclass
class Growing:
    """The entries of one origin: size → (root, block)."""

    entries: dict[int, tuple[bytes, int]] = field(default_factory=dict)

    @property
    def last(self) -> tuple[int, bytes]:
        size = max(self.entries, default=0)
        return size, self.entries[size][0] if size else bytes(32)

    def at(self, size: int) -> tuple[bytes, int, bool]:
        root, number = self.entries.get(size, (bytes(32), 0))
        return root, number, size in self.entries

    def repeated(self, size: int, root: bytes) -> bool:
        """The same stands here; raises for anything that can never stand here."""
        if size in self.entries:
            if self.entries[size][0] != root:
                raise Reverted("OtherRoot", self.entries[size][0])
            return True
        if size <= self.last[0]:
            raise Reverted("Smaller", self.last[0])
        return False


def check_name(name: str) -> None:
    if not 1 <= len(name.encode()) <= 255:
        raise Reverted("TooLong")


class AnchorLogModel:
    """A lender's contract."""

    def __init__(self) -> None:
        self.logs: dict[str, Growing] = {}
        self.owners: dict[str, str] = {}

    def anchor(self, sender: str, number: int, origin: str, size: int, root: bytes) -> Facts | None:
        check_name(origin)
        if size > SIZE_MAX:
            raise Reverted("TooLarge")
        if self.owners.get(origin, sender) != sender:
            raise Reverted("NotOwner", self.owners[origin])
        log = self.logs.get(origin, Growing())
        if log.repeated(size, root):
            return None
        self.owners[origin] = sender
        self.logs[origin] = log
        log.entries[size] = (root, number)
        return ("Anchored", name_hash(origin), sender, origin, size, root)


class CourtModel:
    """A court's contract."""

    def __init__(self, admin: str) -> None:
        self.admin = admin
        self.writers: set[str] = set()
        self.spaces: dict[str, dict[str, Growing]] = {"submit": {}, "custody": {}}
        self.grants: dict[tuple[str, bytes], list[int]] = {}

    def transfer_admin(self, sender: str, following: str) -> Facts | None:
        self._administers(sender)
        if int(following, 16) == 0:
            raise Reverted("NoAdmin")
        self.admin = following
        return ("AdminSet", following)

    def set_writer(self, sender: str, writer: str, allowed: bool) -> Facts | None:
        self._administers(sender)
        if (writer in self.writers) == allowed:
            return None
        (self.writers.add if allowed else self.writers.discard)(writer)
        return ("WriterSet", writer, allowed)

    def submit(self, sender: str, number: int, values: Sequence[object]) -> Facts | None:
        origin, size, root, old_size, proof, attempt, source = values
        done = self._extend("submit", sender, number, origin, size, root, old_size, proof)  # type: ignore[arg-type]
        facts = ("CheckpointAccepted", name_hash(str(origin)), sender, origin, size, root, old_size, attempt, source)
        return facts if done else None

    def custody(self, sender: str, number: int, values: Sequence[object]) -> Facts | None:
        origin, size, root, old_size, proof = values
        done = self._extend("custody", sender, number, origin, size, root, old_size, proof)  # type: ignore[arg-type]
        return ("CustodyHead", name_hash(str(origin)), sender, origin, size, root) if done else None

    def record_grant(self, sender: str, number: int, values: Sequence[object]) -> Facts | None:
        issuer, digest, revoke, statement = values
        assert isinstance(issuer, str)
        assert isinstance(digest, bytes)
        assert isinstance(statement, bytes)
        self._writes(sender)
        check_name(issuer)
        if len(statement) > 8192:
            raise Reverted("TooLong")
        state = self.grants.get((issuer, digest), [0, 0])
        if revoke and not state[0]:
            raise Reverted("NotRegistered")
        if state[bool(revoke)]:
            return None
        state[bool(revoke)] = number
        self.grants[issuer, digest] = state
        return ("GrantRecorded", name_hash(issuer), digest, sender, issuer, revoke, statement)

    def _extend(
        self,
        space: str,
        sender: str,
        number: int,
        origin: str,
        size: int,
        root: bytes,
        old_size: int,
        proof: list[bytes],
    ) -> bool:
        self._writes(sender)
        check_name(origin)
        if size > SIZE_MAX:
            raise Reverted("TooLarge")
        if len(proof) > 64:
            raise Reverted("TooLong")
        log = self.spaces[space].get(origin, Growing())
        if log.repeated(size, root):
            return False
        if old_size != log.last[0]:
            raise Reverted("NotLast", log.last[0])
        try:
            if old_size:
                verify_consistency(old_size, size, proof, log.last[1], root)
            elif proof:
                raise Reverted("NotConsistent")
        except Unverified:
            raise Reverted("NotConsistent") from None
        self.spaces[space][origin] = log
        log.entries[size] = (root, number)
        return True

    def _administers(self, sender: str) -> None:
        if sender != self.admin:
            raise Reverted("NotAdmin", sender)

    def _writes(self, sender: str) -> None:
        if sender not in self.writers:
            raise Reverted("NotWriter", sender)
