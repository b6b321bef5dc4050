"""Writing to the contract: look first, simulate, send once, watch the nonce; a stuck transaction gets more fee, never a twin.

What a write came to is always read from the chain (`find`), never concluded from an answer: so a lost answer, a replaced
transaction and a second writer all lead back to the same question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from adapters.evm.abi import refusal
from adapters.evm.account import Account, Draft, Signed
from adapters.evm.chain import Chain
from adapters.evm.pricing import fees_now, raised
from adapters.evm.rpc import NoAnswer, RpcError
from adapters.evm.values import hexed, mapping, octets, quantity
from relay.core.errors import Denied, RelayError, Unavailable, Uncertain
from relay.telemetry.events import TRANSACTION_GIVEN_UP, TRANSACTION_SENT_AGAIN, TRANSACTION_UNANSWERED, log_event

T = TypeVar("T")
log = logging.getLogger(__name__)

ATTEMPTS_MAX: Final = 20
BUMP_S: Final = 15.0
LOST_S: Final = 20.0
"""How long all endpoints may be silent after something was sent before it is called uncertain."""
LOOK_FIRST_S: Final = 0.01
LOOK_S_MAX: Final = 0.5
ASTRAY_LOOKS: Final = 4
"""A node may count a nonce as used a moment before it shows the receipt, and have a transaction a moment before it counts it."""
GAS_SHARE: Final = 5
"""A fifth more gas than simulated: the state may have changed by then."""


@dataclass(kw_only=True)
class _Sent:
    """A nonce of ours, and every transaction that was signed for it."""

    draft: Draft
    signed: list[Signed] = field(default_factory=list)
    sure: bool = True
    """A node said that it has it."""


class Sender:
    """All writes of one account to one contract. Use from one event loop."""

    def __init__(self, chain: Chain, account: Account, *, bump_s: float = BUMP_S, lost_s: float = LOST_S) -> None:
        self._chain = chain
        self.account = account
        self._turn = asyncio.Lock()
        self._flying: set[int] = set()
        """Nonces whose fate is being watched here."""
        self._bump_s = bump_s
        self._lost_s = lost_s

    async def write(self, origin: str, find: Callable[[], Awaitable[T | None]], data: bytes) -> T:
        """What `find` shows once the call's effect is on the chain; at once when it was there before.

        Raises what the contract's refusal means (`Conflict`, `Denied`, `Unverified`, `Malformed`), `Unavailable` when nothing
        was sent, `Uncertain` when something was and the chain does not show it in time.
        """
        sent_before = False
        for attempt in range(ATTEMPTS_MAX):
            found = await _read(find, sent_before)
            if found is not None:
                return found
            if attempt:
                await asyncio.sleep(min(LOOK_S_MAX, LOOK_FIRST_S * 2**attempt))
            gas = await _read(lambda: self._simulate(origin, data), sent_before)
            sent = await self._send(data, gas)
            if sent is not None:
                sent_before = True
                try:
                    await self._included(sent)
                finally:
                    self._flying.discard(sent.draft.nonce)
        reason = (
            f"{ATTEMPTS_MAX} attempts of {hexed(self.account.address)} left no trace on {self._chain.config.ledger}"
        )
        raise Uncertain(reason) if sent_before else Unavailable(f"{reason}: others take every nonce first")

    async def _simulate(self, origin: str, data: bytes) -> int:
        """How much gas the call takes. Raises the contract's refusal."""
        call = {"from": hexed(self.account.address), "to": hexed(self._chain.config.contract), "data": hexed(data)}
        await self._chain.ready()
        try:
            gas = quantity(await self._chain.endpoints.call("eth_estimateGas", call), "an estimate of gas")
        except RpcError as error:
            raise self._meaning(origin, error) from None
        return gas + gas // GAS_SHARE

    def _meaning(self, origin: str, error: RpcError) -> RelayError:
        reason = error.message.lower()
        if isinstance(error.data, str) and len(error.data) > 2:
            return refusal(self._chain.interface, origin, octets(error.data, "a revert's data"))
        if "insufficient funds" in reason:
            return Unavailable(f"account {hexed(self.account.address)} cannot pay for gas: fund it")
        return Unavailable(str(error))

    async def _send(self, data: bytes, gas: int) -> _Sent | None:
        """Sign with the next nonce and hand over; None when another transaction took the nonce first."""
        async with self._turn:
            fees = await fees_now(self._chain)
            # asked every time: after a reorganisation, or with a second writer, what was counted here is worth nothing
            nonce = (await self._nonces())[1]
            while nonce in self._flying:
                nonce += 1
            config = self._chain.config
            draft = Draft(
                chain_id=config.chain_id, nonce=nonce, gas=gas, fees=fees, to=config.contract, data=data
            )  # fmt: skip
            sent = _Sent(draft=draft)
            if not await self._hand_over(sent):
                return None
            self._flying.add(nonce)
            return sent

    async def _hand_over(self, sent: _Sent) -> bool:
        """Give the node a transaction of this draft; False when its nonce belongs to another one. Raises `Unavailable`."""
        signed = self.account.sign(sent.draft)
        try:
            answer = await self._chain.endpoints.call("eth_sendRawTransaction", hexed(signed.raw))
        except NoAnswer as error:
            log_event(log, TRANSACTION_UNANSWERED, transaction=hexed(signed.tx_id), reason=error)
            sent.signed.append(signed)
            sent.sure = False
            return True
        except RpcError as error:
            return self._judge(sent, signed, error)
        sent.signed.append(signed)
        sent.sure = answer == hexed(signed.tx_id)  # a node that took something else may still have taken this
        return True

    def _judge(self, sent: _Sent, signed: Signed, error: RpcError) -> bool:
        reason = error.message.lower()
        if "already known" in reason or "already imported" in reason or "known transaction" in reason:
            sent.signed.append(signed)
            return True
        if "nonce too low" in reason or ("nonce" in reason and "used" in reason) or "replacement" in reason:
            return False
        if "insufficient funds" in reason:
            raise Unavailable(f"account {hexed(self.account.address)} cannot pay for gas: fund it")
        raise Unavailable(str(error))

    async def _nonces(self) -> tuple[int, int]:
        """The next nonce by the newest block, and with what the node has still to put into one."""
        address = hexed(self.account.address)
        answers = await self._chain.endpoints.batch(
            [("eth_getTransactionCount", (address, tag)) for tag in ("latest", "pending")]
        )
        for answer in answers:
            if isinstance(answer, RpcError):
                raise Unavailable(str(answer))
        latest, pending = (quantity(answer, "a nonce") for answer in answers)
        return latest, pending

    async def _included(self, sent: _Sent) -> None:
        """Return once a block holds any transaction of that nonce, or none can: then it is written anew. Raises `Uncertain`."""
        loop = asyncio.get_running_loop()
        start = silent = bumped = loop.time()
        wait, astray = LOOK_FIRST_S, 0
        while loop.time() - start < self._chain.config.confirm_s:
            try:
                if await self._has_receipt(sent):
                    return
                trouble = self._astray(sent, *await self._nonces())
                astray = astray + 1 if trouble else 0
                if astray >= ASTRAY_LOOKS:
                    log_event(
                        log,
                        TRANSACTION_GIVEN_UP,
                        nonce=sent.draft.nonce,
                        account=hexed(self.account.address),
                        reason=trouble,
                    )
                    return
                if not sent.sure or loop.time() - bumped >= self._bump_s:
                    await self._again(sent)
                    bumped = loop.time()
                silent = loop.time()
            except Unavailable as error:
                if self._chain.endpoints.closed:
                    raise Uncertain(f"sent, and then closed here before a block showed it: {error}") from None
                if loop.time() - silent >= self._lost_s:
                    raise Uncertain(f"sent, and then no endpoint answered for {self._lost_s:g} s: {error}") from None
            await asyncio.sleep(wait)
            wait = min(LOOK_S_MAX, wait * 1.5)
        raise Uncertain(
            f"no block holds transaction {hexed(sent.signed[-1].tx_id)} after {self._chain.config.confirm_s:g} s"
        )

    def _astray(self, sent: _Sent, latest: int, pending: int) -> str:
        """Why no block can hold the transaction; empty when one may. One behind a gap stays harmless: its effect is written once."""
        if latest > sent.draft.nonce:
            return "another transaction has used it"
        if pending < sent.draft.nonce == min(self._flying):
            return "one before it has left the chain, in a reorganisation"
        return ""

    async def _has_receipt(self, sent: _Sent) -> bool:
        answers = await self._chain.endpoints.batch(
            [("eth_getTransactionReceipt", (hexed(signed.tx_id),)) for signed in reversed(sent.signed)]
        )
        for answer in answers:
            if answer is not None and not isinstance(answer, RpcError):
                return mapping(answer, "a receipt").get("blockNumber") is not None
        return False

    async def _again(self, sent: _Sent) -> None:
        """The same bytes once more when it is unsure that they arrived; a higher fee when they only wait."""
        if not sent.sure:
            sent.sure = await self._resend(sent.signed[-1])
            return
        fees = raised(sent.draft.fees, self._chain.config.max_fee_wei)
        if fees is None:
            await self._resend(sent.signed[-1])
            return
        sent.draft = replace(sent.draft, fees=fees)
        signed = self.account.sign(sent.draft)
        sent.signed.append(signed)  # before it is sent: whatever the answer, it may be the one that stands
        log_event(log, TRANSACTION_SENT_AGAIN, nonce=sent.draft.nonce, fee=fees.most)
        await self._resend(signed)

    async def _resend(self, signed: Signed) -> bool:
        """Whether a node has it now, as far as it says so."""
        try:
            await self._chain.endpoints.call("eth_sendRawTransaction", hexed(signed.raw))
        except RpcError as error:
            return (
                "known" in error.message.lower()
                or "imported" in error.message.lower()
                or "nonce" in error.message.lower()
            )
        return True


async def _read(question: Callable[[], Awaitable[T]], sent_before: bool) -> T:
    """Once something was sent, not being able to look is no longer harmless."""
    try:
        return await question()
    except Unavailable as error:
        if sent_before:
            raise Uncertain(f"sent, and then not found out what became of it: {error}") from None
        raise


def reader_only(ledger: str) -> Denied:
    """The error for a write without an account."""
    return Denied(f"{ledger} is configured without ledger.account: it can be read, not written")
