"""Several nodes of one chain: reads go to the first that answers, what counts as final needs a quorum."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from adapters.evm.rpc import CALL_S, Call, NoAnswer, Rpc, RpcError, open_rpc
from adapters.evm.sockets import WsRpc
from adapters.evm.values import hash32, mapping, quantity
from relay.core.errors import Unavailable

AGREE_S: Final = 10.0
NO_SUCH_BLOCK: Final = -39001
"""What nodes answer for a tag that no block has yet (execution-apis, engine API errors)."""


class Endpoints:
    """The nodes of one ledger. `close` may be called twice."""

    def __init__(self, urls: Sequence[str], chain_id: int, quorum: int) -> None:
        self._rpcs = [open_rpc(url, chain_id) for url in urls]
        self._quorum = quorum
        self._first = 0
        self.closed = False
        self.waiting: set[asyncio.Event] = set()
        """Set by `close`: whoever waits for the chain need not wait any longer."""

    @property
    def sockets(self) -> list[WsRpc]:
        """Those that announce heads."""
        return [rpc for rpc in self._rpcs if isinstance(rpc, WsRpc)]

    @property
    def several(self) -> bool:
        """Whether there is more than one node to ask."""
        return len(self._rpcs) > 1

    async def call(self, method: str, *params: object, deadline_s: float = CALL_S) -> object:
        """One call to the first node that answers. Raises `RpcError`, `Unavailable` (`NoAnswer` if any may have seen the call)."""
        (result,) = await self.batch([(method, params)], deadline_s=deadline_s)
        if isinstance(result, RpcError):
            raise result
        return result

    async def batch(self, calls: Sequence[Call], *, deadline_s: float = CALL_S) -> list[object]:
        """All calls to one node: the first that answers them."""
        reasons: list[str] = []
        lost = False
        for step in range(len(self._rpcs)):
            place = (self._first + step) % len(self._rpcs)
            try:
                results = await self._rpcs[place].batch(calls, deadline_s=deadline_s)
            except Unavailable as error:
                reasons.append(str(error))
                lost = lost or isinstance(error, NoAnswer)
            else:
                self._first = place
                return results
        reason = "; ".join(reasons)
        raise NoAnswer(reason) if lost else Unavailable(reason)

    async def each(self, method: str, *params: object) -> dict[str, object]:
        """The same call to every node; endpoint → its result, or the `RpcError` or `Unavailable` that it gave."""

        async def ask(rpc: Rpc) -> object:
            try:
                return await rpc.call(method, *params, deadline_s=AGREE_S)
            except (RpcError, Unavailable) as error:
                return error

        results = await asyncio.gather(*(ask(rpc) for rpc in self._rpcs))
        return {
            f"{rpc.endpoint} ({i + 1})": result for i, (rpc, result) in enumerate(zip(self._rpcs, results, strict=True))
        }

    async def tagged_height(self, tag: str) -> int:
        """The highest block that at least a quorum of nodes has under a tag such as `finalized`; 0 when there is none yet."""
        heights, reasons = [], []
        for endpoint, answer in (await self.each("eth_getBlockByNumber", tag, False)).items():
            if answer is None or (isinstance(answer, RpcError) and answer.code == NO_SUCH_BLOCK):
                heights.append(0)  # nothing is final yet
            elif isinstance(answer, RpcError):
                reasons.append(f"{endpoint} does not know {tag} ({answer.message}): set ledger.finality to a depth")
            elif isinstance(answer, Unavailable):
                reasons.append(str(answer))
            else:
                heights.append(quantity(mapping(answer, f"the {tag} block").get("number"), "a block's number"))
        if len(heights) < self._quorum:
            raise Unavailable(f"{len(heights)} endpoints say what is {tag}, {self._quorum} must: {'; '.join(reasons)}")
        return sorted(heights, reverse=True)[self._quorum - 1]

    async def agree(self, height: int, block_hash: bytes) -> None:
        """A quorum of nodes shows this block at this height. Raises `Unavailable` that names those that do not."""
        answers = await self.each("eth_getBlockByNumber", hex(height), False)
        votes: Counter[bytes] = Counter()
        others = []
        for endpoint, answer in answers.items():
            if isinstance(answer, RpcError | Unavailable):
                others.append(f"{endpoint} gives no answer")
            elif answer is None:
                others.append(f"{endpoint} has no such block")
            else:
                found = hash32(mapping(answer, "a block").get("hash"), "a block's hash")
                votes[found] += 1
                if found != block_hash:
                    others.append(f"{endpoint} shows {found.hex()[:16]}…")
        if votes[block_hash] < self._quorum:
            raise Unavailable(
                f"{votes[block_hash]} of {len(self._rpcs)} endpoints show block {height} as {block_hash.hex()[:16]}…, "
                f"{self._quorum} must: {'; '.join(others)}"
            )

    async def close(self) -> None:
        """Give up all connections."""
        self.closed = True
        for rpc in self._rpcs:
            await rpc.close()
        self.ring()

    def ring(self) -> None:
        """Whoever waits for something new looks at once."""
        for event in self.waiting:
            event.set()
