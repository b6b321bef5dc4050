"""A ledger family for courtrelay: the two ports of relay/ports/ledgers.py over `ledger.Ledger`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from relay.conformance.skeleton.ledger import LEDGERS, Block, Ledger, signed
from relay.conformance.skeleton.proof import FAMILY, verify_proof
from relay.core.checkpoint import Checkpoint, parse_origin
from relay.core.errors import Malformed, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import TREE_SIZE_MAX
from relay.ports.ledgers import AdapterFamily, Anchor, AnchorBlock, GrantState, LedgerHead, Receipt, Submission

POLL_S: Final = 0.005


class Connection:
    """`settings` are this family's own keys of a configuration: `ledger`, and for a court's ledger what is registered there."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = {name: str(value) for name, value in settings.items()}
        self.ledger = self._settings["ledger"]
        self._open: Ledger | None = LEDGERS.setdefault(self.ledger, Ledger(self.ledger))

    @property
    def _node(self) -> Ledger:
        if self._open is None:
            raise Unavailable("the connection was closed")
        return self._open

    async def close(self) -> None:
        self._open = None


class Source(Connection):
    """Implements relay.ports.AnchorSource."""

    async def head(self) -> LedgerHead:
        chain = self._node.chain
        block_hash = chain[-1]["hash"] if chain else b""
        return LedgerHead(height=len(chain), block_hash=block_hash, final_height=self._node.final_height)

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        given: dict[int, bytes] = {}
        height = max(1, start)
        while True:
            chain = self._node.chain
            while height - 1 in given and (height - 1 > len(chain) or chain[height - 2]["hash"] != given[height - 1]):
                height -= 1  # the chain was reorganised: what was given is given again as it is now
            if height > len(chain):
                await asyncio.sleep(POLL_S)
                continue
            block = chain[height - 1]
            given[height], height = block["hash"], height + 1
            yield AnchorBlock(
                height=block["height"],
                block_hash=block["hash"],
                parent_hash=block["parent"],
                time_ms=block["time"],
                anchors=(self._anchor(block),) if block["fact"] else (),
                final_height=self._node.final_height,
            )

    async def find(self, origin: str, size: int) -> Anchor | None:
        return next(map(self._anchor, self._node.having(type="anchor", origin=origin, size=size)), None)

    async def prove(self, anchor: Anchor) -> LedgerProof:
        return self._node.prove(anchor.tx_id)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        if not 0 < checkpoint.size <= TREE_SIZE_MAX or len(checkpoint.root) != 32:
            raise Malformed("anchor", "size", f"must be 1 to {TREE_SIZE_MAX}, with a root of 32 bytes")
        parse_origin(checkpoint.origin)
        return self._anchor(self._node.extend("anchor", checkpoint))

    def _anchor(self, block: Block) -> Anchor:
        return Anchor(**_placed(self.ledger, block), block_hash=block["hash"])


class Court(Connection):
    """Implements relay.ports.CourtRegistry."""

    async def latest(self, origin: str) -> Receipt | None:
        found = self._node.having(origin=origin)
        return self._receipt(found[-1]) if found else None

    async def submit(self, submission: Submission) -> Receipt:
        return self._receipt(self._node.submit(submission, self._settings))

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        found = self._node.having(type="checkpoint", origin=origin, size=size, root=root.hex())
        return self._receipt(found[0]) if found else None

    async def prove(self, tx_id: bytes) -> LedgerProof:
        return self._node.prove(tx_id)

    async def record_grant(self, statement: bytes) -> bytes:
        return bytes(self._node.record(statement, self._settings)["hash"])

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        said = {b["fact"]["action"]: b for b in self._node.having(type="grant", issuer=issuer, grant=digest.hex())}
        return GrantState(
            registered_ms=said["register"]["time"] if "register" in said else 0,
            revoked_ms=said["revoke"]["time"] if "revoke" in said else 0,
            registration=said["register"]["hash"] if "register" in said else b"",
        )

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        head = signed(checkpoint, self._settings["custody"])
        return bytes(self._node.extend("custody", head, old_size, consistency)["hash"])

    def _receipt(self, block: Block) -> Receipt:
        return Receipt(**_placed(self.ledger, block))


def _placed(ledger: str, block: Block) -> dict[str, Any]:
    fact = block["fact"]
    facts = {"origin": fact["origin"], "size": fact["size"], "root": bytes.fromhex(fact["root"])}
    return {"ledger": ledger, **facts, "height": block["height"], "tx_id": block["hash"], "time_ms": block["time"]}


async def open_source(settings: Mapping[str, object]) -> Source:
    return Source(settings)


async def open_court(settings: Mapping[str, object]) -> Court:
    return Court(settings)


async def mine(ledger: str) -> None:
    """For the checks: one block more."""
    LEDGERS[ledger].append(None)


async def reorganise(ledger: str, depth: int) -> None:
    """For the checks: the newest blocks are replaced."""
    LEDGERS[ledger].reorganise(depth)


ADAPTER: Final = AdapterFamily(
    name=FAMILY, proof_kind=FAMILY, verify_proof=verify_proof, open_source=open_source, open_court=open_court
)
