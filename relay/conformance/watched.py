"""The adapter under test as the checks see it: only domain errors may come out of it, in the middle of a feed too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from relay.conformance.check import Fault
from relay.core.checkpoint import Checkpoint
from relay.core.errors import RelayError
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import (
    Anchor,
    AnchorBlock,
    AnchorSource,
    CourtRegistry,
    GrantState,
    LedgerHead,
    Receipt,
    Submission,
)

T = TypeVar("T")


def leak(method: str, error: Exception) -> Fault:
    """What is said of an error that is not in relay/core/errors.py."""
    return Fault(f"{type(error).__name__} left {method}(): {error}; only the errors of relay/core/errors.py may")


async def watch(method: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Await one method of the adapter. Domain errors pass; any other becomes a `Fault`."""
    try:
        return await ask()
    except (RelayError, Fault):
        raise
    except Exception as error:
        raise leak(method, error) from error


class WatchedSource:
    """Implements relay.ports.AnchorSource around another one."""

    def __init__(self, inner: AnchorSource) -> None:
        self._inner = inner

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._inner.ledger

    async def head(self) -> LedgerHead:
        """See the port."""
        return await watch("head", self._inner.head)

    async def blocks(self, start: int) -> AsyncGenerator[AnchorBlock, None]:
        """See the port."""
        feed = None
        try:
            feed = self._inner.blocks(start)
            async for block in feed:
                yield block
        except (RelayError, Fault):
            raise
        except Exception as error:
            raise leak("blocks", error) from error
        finally:
            if isinstance(feed, AsyncGenerator):
                await feed.aclose()

    async def find(self, origin: str, size: int) -> Anchor | None:
        """See the port."""
        return await watch("find", lambda: self._inner.find(origin, size))

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """See the port."""
        return await watch("prove", lambda: self._inner.prove(anchor))

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """See the port."""
        return await watch("anchor", lambda: self._inner.anchor(checkpoint))

    async def close(self) -> None:
        """See the port."""
        await watch("close", self._inner.close)


class WatchedCourt:
    """Implements relay.ports.CourtRegistry around another one."""

    def __init__(self, inner: CourtRegistry) -> None:
        self._inner = inner

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._inner.ledger

    async def latest(self, origin: str) -> Receipt | None:
        """See the port."""
        return await watch("latest", lambda: self._inner.latest(origin))

    async def submit(self, submission: Submission) -> Receipt:
        """See the port."""
        return await watch("submit", lambda: self._inner.submit(submission))

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        """See the port."""
        return await watch("find", lambda: self._inner.find(origin, size, root))

    async def prove(self, tx_id: bytes) -> LedgerProof:
        """See the port."""
        return await watch("prove", lambda: self._inner.prove(tx_id))

    async def record_grant(self, statement: bytes) -> bytes:
        """See the port."""
        return await watch("record_grant", lambda: self._inner.record_grant(statement))

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        """See the port."""
        return await watch("grant_state", lambda: self._inner.grant_state(issuer, digest))

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        """See the port."""
        return await watch(
            "append_custody_head", lambda: self._inner.append_custody_head(checkpoint, old_size, consistency)
        )

    async def close(self) -> None:
        """See the port."""
        await watch("close", self._inner.close)
