"""What a unit of gas is offered: EIP-1559 where blocks have a base fee, else the node's gas price; never above the limit."""

from __future__ import annotations

from typing import Final

from adapters.evm.account import Fees
from adapters.evm.chain import Chain
from adapters.evm.rpc import RpcError
from adapters.evm.values import mapping, quantity
from relay.core.errors import Unavailable

TIP_WEI: Final = 10**9
"""Where a node does not suggest one."""
RAISE_PERCENT: Final = 25
"""Nodes take a replacement only for at least 10 % more, of both numbers."""


async def fees_now(chain: Chain) -> Fees:
    """Twice the base fee and the node's tip: room for the base fee to rise for six full blocks. Raises `Unavailable` above the limit."""
    most_wei = chain.config.max_fee_wei
    block, tip, price = await chain.endpoints.batch(
        [("eth_getBlockByNumber", ("latest", False)), ("eth_maxPriorityFeePerGas", ()), ("eth_gasPrice", ())]
    )
    if isinstance(block, RpcError):
        raise Unavailable(str(block))
    base = mapping(block, "the newest block").get("baseFeePerGas")
    if base is None:
        if isinstance(price, RpcError):
            raise Unavailable(str(price))
        return Fees(most=_allowed(quantity(price, "the gas price"), most_wei), priority=None)
    base_wei = _allowed(quantity(base, "the base fee"), most_wei)
    tip_wei = TIP_WEI if isinstance(tip, RpcError) else quantity(tip, "the priority fee")
    most = min(most_wei, 2 * base_wei + tip_wei)
    return Fees(most=most, priority=min(tip_wei, most))


def _allowed(price_wei: int, most_wei: int) -> int:
    if price_wei > most_wei:
        raise Unavailable(
            f"gas costs {price_wei / 10**9:g} gwei, ledger.max_fee_gwei allows {most_wei // 10**9}: wait or raise it"
        )
    return price_wei


def raised(fees: Fees, most_wei: int) -> Fees | None:
    """Fees that a node takes as a replacement; None when the limit forbids them."""

    def more(value: int) -> int:
        return value + value * RAISE_PERCENT // 100 + 1

    most = more(fees.most)
    if most > most_wei:
        return None
    return Fees(most=most, priority=None if fees.priority is None else more(fees.priority))
