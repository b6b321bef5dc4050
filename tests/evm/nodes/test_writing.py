"""Writes when things go wrong: stuck, replaced, lost on the way, refused, two writers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.evm.account import Draft, Fees
from adapters.evm.source import EvmSource
from adapters.evm.values import hexed
from relay.core.errors import Conflict, Denied, Malformed, Unavailable, Uncertain
from tests.evm.nodes.lender import Lender, open_lender, point, read
from tests.support.anvil import write_key
from tests.support.lying import Broken, lying


@pytest.fixture
async def lender(tmp_path: Path, needs_anvil: None) -> AsyncIterator[Lender]:
    async with open_lender(tmp_path) as opened:
        yield opened


def hasty(source: EvmSource, *, bump_s: float = 0.1, lost_s: float = 0.3) -> EvmSource:
    """Seconds instead of minutes."""
    sender = source._opened.sender
    sender._bump_s, sender._lost_s = bump_s, lost_s
    return source


async def anchors(lender: Lender) -> list[tuple[str, int]]:
    source = await lender.source(account=None)
    return [(a.origin, a.size) for b in await read(source, 1, await lender.anvil.height()) for a in b.anchors]


async def pool(lender: Lender) -> dict[str, Any]:
    """Waiting transactions of the first account, by nonce."""
    content = await lender.anvil.ask("txpool_content")
    address = write_key(lender.folder, 0)[1].address
    return next((dict(v) for k, v in content["pending"].items() if k.lower() == hexed(address)), {})


async def until(condition: Any) -> Any:
    async with asyncio.timeout(60):
        while not (value := await condition()):
            await asyncio.sleep(0.02)
        return value


async def test_stuck_transaction_gets_more_fee_and_no_twin(lender: Lender) -> None:
    source = hasty(await lender.source())
    await lender.anvil.ask("evm_setAutomine", False)
    writing = asyncio.create_task(source.anchor(point(1)))
    first = await until(lambda: pool(lender))
    (nonce,) = first
    paid = int(first[nonce]["maxFeePerGas"], 16)

    async def raised() -> bool:
        waiting = await pool(lender)
        assert list(waiting) == [nonce]
        return int(waiting[nonce]["maxFeePerGas"], 16) >= paid * 5 // 4

    await until(raised)
    assert not writing.done()
    await lender.anvil.mine()
    assert (await writing).size == 1
    assert await anchors(lender) == [("lender.example/log", 1)]


async def test_fee_is_never_raised_above_the_limit(lender: Lender) -> None:
    source = hasty(await lender.source(max_fee_gwei=3, confirm_s=1.5), bump_s=0.05)
    await lender.anvil.ask("evm_setAutomine", False)
    with pytest.raises(Uncertain, match="no block holds"):
        await source.anchor(point(1))
    (waiting,) = (await pool(lender)).values()
    assert int(waiting["maxFeePerGas"], 16) <= 3 * 10**9
    await lender.anvil.mine()
    assert (await source.anchor(point(1))).size == 1
    assert len(await anchors(lender)) == 1


async def test_gas_that_costs_more_than_allowed_is_not_bought(lender: Lender) -> None:
    source = await lender.source(max_fee_gwei=0)
    with pytest.raises(Unavailable, match="max_fee_gwei"):
        await source.anchor(point(1))


async def test_transaction_replaced_by_another_of_its_nonce_is_sent_again(lender: Lender) -> None:
    source = hasty(await lender.source(), bump_s=60)
    _, account = write_key(lender.folder, 0)
    await lender.anvil.ask("evm_setAutomine", False)
    writing = asyncio.create_task(source.anchor(point(1)))
    (nonce,) = await until(lambda: pool(lender))
    other = Draft(
        chain_id=lender.anvil.chain_id, nonce=int(nonce), gas=21_000, fees=Fees(most=10**11, priority=10**10),
        to=account.address, data=b"",
    )  # fmt: skip
    await lender.anvil.ask("eth_sendRawTransaction", hexed(account.sign(other).raw))
    await lender.anvil.mine()

    async def next_nonce() -> bool:
        return list(await pool(lender)) == [str(int(nonce) + 1)]

    await until(next_nonce)
    await lender.anvil.mine()
    assert (await writing).size == 1


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_answer_lost_around_sending_leads_to_one_anchor(lender: Lender, lost: str) -> None:
    """The node took it or it did not: the caller gets the anchor either way, and there is one."""
    async with lying(lender.anvil.url) as liar:
        left = [2]

        def before(method: str, _params: list[Any]) -> None:
            if method == "eth_sendRawTransaction" and lost == "before" and left[0]:
                left[0] -= 1
                raise Broken

        def alter(method: str, _params: list[Any], result: Any) -> Any:
            if method == "eth_sendRawTransaction" and lost == "after" and left[0]:
                left[0] -= 1
                raise Broken
            return result

        liar.before, liar.alter = before, alter
        source = hasty(await lender.source([liar.url]))
        assert (await source.anchor(point(1))).size == 1
        assert left[0] < 2
    assert len(await anchors(lender)) == 1


async def test_node_that_is_gone_after_sending_is_uncertain_and_find_tells(lender: Lender) -> None:
    async with lying(lender.anvil.url) as liar:
        gone = [False]

        def alter(method: str, _params: list[Any], result: Any) -> Any:
            gone[0] = gone[0] or method == "eth_sendRawTransaction"
            if gone[0]:
                raise Broken
            return result

        liar.alter = alter
        source = hasty(await lender.source([liar.url]))
        with pytest.raises(Uncertain):
            await source.anchor(point(1))
        liar.alter = lambda _m, _p, result: result
        found = await source.find("lender.example/log", 1)
        assert found is not None
        assert await source.anchor(point(1)) == found


async def test_node_that_is_not_there_is_unavailable_and_nothing_was_sent(lender: Lender) -> None:
    source = await lender.source()
    await lender.anvil.stop()
    with pytest.raises(Unavailable):
        await source.anchor(point(1))
    with pytest.raises(Unavailable):
        await source.head()


async def test_two_writers_with_one_account_come_to_no_harm(lender: Lender) -> None:
    """Two processes share a key: they race for nonces, and every anchor is there once."""
    one, two = await lender.source(), await lender.source()
    wanted = [point(1, origin=f"o{n}.example/log") for n in range(24)]
    made = await asyncio.gather(*((one, two)[n % 2].anchor(c) for n, c in enumerate(wanted)))
    assert [a.origin for a in made] == [c.origin for c in wanted]
    assert sorted(await anchors(lender)) == sorted((c.origin, 1) for c in wanted)


async def test_many_writers_of_one_anchor_make_one_event(lender: Lender) -> None:
    source = await lender.source()
    made = await asyncio.gather(*(source.anchor(point(3)) for _ in range(12)))
    assert set(made) == {made[0]}
    assert await anchors(lender) == [("lender.example/log", 3)]


async def test_rivals_at_one_size_leave_exactly_one(lender: Lender) -> None:
    """The loser's transaction fails on the chain, or is refused before: a conflict in both cases."""
    one, two = await lender.source(account=0), await lender.source(account=0)
    await lender.anvil.ask("evm_setAutomine", False)
    both = asyncio.gather(one.anchor(point(1, mark=1)), two.anchor(point(1, mark=2)), return_exceptions=True)
    while not both.done():
        await lender.anvil.mine()
        await asyncio.sleep(0.05)
    outcomes = await both
    assert sum(isinstance(o, Conflict) for o in outcomes) == 1
    assert len(await anchors(lender)) == 1


async def test_what_the_contract_refuses_has_its_meaning(lender: Lender) -> None:
    source, stranger = await lender.source(account=0), await lender.source(account=1)
    await source.anchor(point(5))
    with pytest.raises(Conflict, match=r"the last size of .* here is 5"):
        await source.anchor(point(4))
    with pytest.raises(Conflict, match="another root"):
        await source.anchor(point(5, mark=1))
    with pytest.raises(Denied, match="belongs to account"):
        await stranger.anchor(point(6))
    reader = await lender.source(account=None)
    with pytest.raises(Denied, match=r"ledger\.account"):
        await reader.anchor(point(6))


CHANGES: tuple[dict[str, Any], ...] = (
    {"size": 0}, {"size": -1}, {"size": 2**53}, {"size": 2**64}, {"root": bytes(31)}, {"origin": ""}, {"origin": "x" * 256},
    {"origin": "法院"}, {"origin": "a b"},
)  # fmt: skip


async def test_what_no_event_can_carry_is_malformed_before_it_is_sent(lender: Lender) -> None:
    source = await lender.source()
    for change in CHANGES:
        with pytest.raises(Malformed):
            await source.anchor(replace(point(1), **change))
        assert await source.find(str(change.get("origin", "o")), int(change.get("size", 1))) is None


async def test_account_without_means_is_told_so(lender: Lender) -> None:
    source = await lender.source()
    await lender.anvil.ask("anvil_setBalance", hexed(write_key(lender.folder, 0)[1].address), "0x0")
    with pytest.raises(Unavailable, match="fund it"):
        await source.anchor(point(1))


async def test_chain_without_a_base_fee_gets_legacy_transactions(tmp_path: Path, needs_anvil: None) -> None:
    async with open_lender(tmp_path, "--hardfork", "berlin") as lender:
        source = await lender.source()
        anchor = await source.anchor(point(1))
        tx = await lender.anvil.ask("eth_getTransactionByHash", hexed(anchor.tx_id))
        assert tx.get("type", "0x0") == "0x0"
        assert await anchors(lender) == [("lender.example/log", 1)]
