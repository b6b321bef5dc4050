"""Nodes that lie, lag, break or fall silent: what they say is refused by name, or asked again, and never believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.evm.rpc import ANSWER_BYTES_MAX
from adapters.evm.values import hexed
from relay.core.errors import NotFound, Unavailable, Uncertain
from tests.evm.nodes.lender import Lender, open_lender, point, read
from tests.support.anvil import Anvil
from tests.support.lying import Broken, Liar, lying


@pytest.fixture
async def lender(tmp_path: Path, needs_anvil: None) -> AsyncIterator[Lender]:
    async with open_lender(tmp_path) as opened:
        yield opened


@pytest.fixture
async def liar(lender: Lender) -> AsyncIterator[Liar]:
    async with lying(lender.anvil.url) as opened:
        yield opened


def altering(method: str, change: Any) -> Any:
    """Changes the results of one method."""
    return lambda asked, params, result: change(params, result) if asked == method else result


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_node_of_another_chain_is_refused_by_name(lender: Lender, scheme: str) -> None:
    source = await lender.source([lender.anvil.url if scheme == "http" else lender.anvil.ws], chain_id=1)
    with pytest.raises(Unavailable, match="is a node of chain 31337, configured is 1"):
        await source.head()
    with pytest.raises(Unavailable, match="is a node of chain 31337, configured is 1"):
        await source.anchor(point(1))


async def test_code_of_another_contract_or_none_is_refused(lender: Lender) -> None:
    registry = await lender.anvil.deploy_court_registry([])
    for contract, reason in ((registry, "is not AnchorLog"), (b"\x11" * 20, "no contract at")):
        source = await lender.source(contract=hexed(contract))
        for asking in (source.head(), source.find("o", 1), source.anchor(point(1)), anext(source.blocks(1))):
            with pytest.raises(Unavailable, match=reason):
                await asking


@pytest.mark.parametrize("field", ["hash", "parentHash", "timestamp", "receiptsRoot", "number", "logsBloom"])
async def test_block_whose_fields_do_not_hash_to_its_hash_is_refused(lender: Lender, liar: Liar, field: str) -> None:
    anchor = await (await lender.source()).anchor(point(1))
    source = await lender.source([liar.url], account=None)
    assert await source.find(anchor.origin, 1) == anchor

    def other(value: str) -> str:
        return value[:-1] + ("0" if value[-1] != "0" else "1")

    liar.alter = altering("eth_getBlockByNumber", lambda _p, block: {**block, field: other(block[field])})
    for asking in (source.head(), source.find(anchor.origin, 1), anext(source.blocks(1))):
        with pytest.raises(Unavailable):
            await asking


async def test_another_block_than_asked_for_is_refused(lender: Lender, liar: Liar) -> None:
    """A real block, only not the one of that height."""
    await lender.anvil.mine(3)
    latest = await lender.anvil.ask("eth_getBlockByNumber", "latest", False)
    liar.alter = altering("eth_getBlockByNumber", lambda _p, _block: latest)
    with pytest.raises(Unavailable, match="where block 1 was asked for"):
        await anext((await lender.source([liar.url], account=None)).blocks(1))


async def test_receipt_that_is_null_at_first_is_waited_for(lender: Lender, liar: Liar) -> None:
    left = [3]

    def late(_params: list[Any], result: Any) -> Any:
        left[0] -= 1
        return result if left[0] < 0 else None

    liar.alter = altering("eth_getTransactionReceipt", late)
    assert (await (await lender.source([liar.url])).anchor(point(1))).size == 1
    assert left[0] < 0


async def test_logs_that_are_out_of_range_at_first_are_waited_for(lender: Lender, liar: Liar) -> None:
    """A node that takes a block in shows its state a moment before it has its logs, and refuses them by an error until then."""
    anchor = await (await lender.source()).anchor(point(1))
    source = await lender.source([liar.url], account=None)
    left = [3]

    def ahead(params: list[Any]) -> list[Any]:
        if not (params and isinstance(params[0], dict) and "fromBlock" in params[0]):
            return params
        left[0] -= 1
        return params if left[0] < 0 else [{**params[0], "fromBlock": "0xffff", "toBlock": "0xffff"}]

    liar.rewrite = ahead
    assert await source.find(anchor.origin, 1) == anchor
    left[0] = 3
    assert (await read(source, 1, anchor.height))[-1].height == anchor.height
    left[0] = 10**6
    with pytest.raises(Unavailable, match=r"logs: .+ refuses: "):
        await source.find(anchor.origin, 1)


@pytest.mark.parametrize("lie", ["emitter", "block", "topic", "removed"])
async def test_log_that_is_not_ours_never_counts(lender: Lender, liar: Liar, lie: str) -> None:
    anchor = await (await lender.source()).anchor(point(1))
    changes: dict[str, dict[str, Any]] = {
        "emitter": {"address": "0x" + "11" * 20},
        "block": {"blockHash": "0x" + "22" * 32},
        "topic": {"topics": ["0x" + "33" * 32] * 3},
        "removed": {"removed": True},
    }
    liar.alter = altering("eth_getLogs", lambda _p, logs: [{**entry, **changes[lie]} for entry in logs])
    source = await lender.source([liar.url], account=None)
    if lie == "block":
        with pytest.raises(Unavailable, match="do not fit together"):
            await read(source, 1, anchor.height)
    else:
        blocks = await read(source, 1, anchor.height)
        assert [b.anchors for b in blocks] == [()] * len(blocks)
    with pytest.raises(Unavailable):
        await source.find(anchor.origin, 1)


async def test_same_event_of_another_contract_never_counts(lender: Lender) -> None:
    """Anybody may deploy our code once more; only the configured address is ours."""
    twin = await lender.anvil.deploy_anchor_log()
    anchor = await (await lender.source(contract=hexed(twin))).anchor(point(1))
    source = await lender.source()
    assert await source.find(anchor.origin, 1) is None
    assert all(not block.anchors for block in await read(source, 1, anchor.height))
    with pytest.raises(NotFound):
        await source.prove(anchor)


@pytest.mark.parametrize("what", ["receipts", "transactions", "missing", "status", "swapped"])
async def test_block_content_that_does_not_hash_to_the_roots_makes_no_proof(
    lender: Lender, liar: Liar, what: str
) -> None:
    anchor = await (await lender.source()).anchor(point(1))

    def alter(method: str, _params: list[Any], result: Any) -> Any:
        if method == "eth_getBlockReceipts":
            if what == "receipts":
                return [{**one, "cumulativeGasUsed": "0x1"} for one in result]
            if what == "status":
                return [{**one, "status": "0x0"} for one in result]
            if what == "missing":
                return []
        if method == "eth_getBlockByHash" and what == "transactions":
            return {**result, "transactions": [{**tx, "nonce": "0x63"} for tx in result["transactions"]]}
        if method == "eth_getTransactionReceipt" and what == "swapped":
            return {**result, "transactionIndex": "0x1"}
        return result

    source = await lender.source([liar.url], account=None)
    assert (await source.prove(anchor)).ledger == "evm:lender-1"
    liar.alter = alter
    with pytest.raises(Unavailable, match=r"hash to|stand where"):
        await source.prove(anchor)


async def test_failed_transaction_proves_nothing(lender: Lender, liar: Liar) -> None:
    anchor = await (await lender.source()).anchor(point(1))
    liar.alter = altering("eth_getTransactionReceipt", lambda _p, receipt: {**receipt, "status": "0x0"})
    with pytest.raises(NotFound):
        await (await lender.source([liar.url], account=None)).prove(anchor)


async def test_node_without_batches_and_block_receipts_serves_all_the_same(lender: Lender, liar: Liar) -> None:
    liar.batches = False

    def before(method: str, _params: list[Any]) -> None:
        assert method != "eth_sendTransaction"

    liar.before = before
    liar.alter = lambda method, _p, result: None if method == "eth_getBlockReceipts" else result
    source = await lender.source([liar.url])
    anchor = await source.anchor(point(1))
    assert (await read(source, 1, anchor.height))[-1].anchors == (anchor,)
    assert await source.prove(anchor) == await (await lender.source()).prove(anchor)


BODIES = (
    b"", b"no json", b"[]", b"[1]", b"null", b"7", b"{}", b'{"id":1}', b'{"id":99,"result":"0x1"}', b'{"id":1,"error":5}',
    b'{"id":1,"result":5}', b'{"id":1,"result":"0x"}', b'{"id":1,"result":"0x01"}', b'{"id":1,"result":{}}', b"[" * 100_000,
    b'{"id":1,"result":"0x' + b"f" * 70 + b'"}', b'{"id":1,"error":{"code":"x","message":7}}', b"\xff\xfe", b"9" * 5000,
)  # fmt: skip


async def test_nonsense_is_unavailable_and_never_a_traceback(lender: Lender, liar: Liar) -> None:
    given = [b""]

    async def raw() -> web.StreamResponse:
        return web.Response(body=given[0])

    liar.raw = raw
    for given[0] in BODIES:
        source = await lender.source([liar.url])
        for asking in (source.head(), source.find("o", 1), source.anchor(point(1)), anext(source.blocks(1))):
            with pytest.raises(Unavailable):
                await asking


RESULTS: tuple[Any, ...] = (
    None,
    [],
    {},
    "0x",
    "0x0",
    1,
    True,
    "x",
    [None],
    [{}],
    {"number": None},
    "0x" + "00" * 31,
    -1,
)


METHODS = (
    "eth_getBlockByNumber", "eth_getLogs", "eth_call", "eth_getCode", "eth_getTransactionReceipt", "eth_getBlockByHash",
    "eth_getBlockReceipts", "eth_estimateGas", "eth_getTransactionCount",
)  # fmt: skip
WRITING = ("eth_estimateGas", "eth_getTransactionCount")


@pytest.mark.parametrize("method", METHODS)
async def test_wrong_results_of_every_method_are_refused(lender: Lender, liar: Liar, method: str) -> None:
    """Well-formed JSON-RPC with a result of another form, for one method after another."""
    anchor = await (await lender.source()).anchor(point(1))
    refused = 0
    for result in RESULTS:
        source = await lender.source([liar.url], confirm_s=1)
        liar.alter = altering(method, lambda _p, _r, given=result: given)
        asked = [source.head(), source.find(anchor.origin, 1), source.prove(anchor), anext(source.blocks(1))]
        for asking in (*asked, source.anchor(point(2))) if method in WRITING else asked:
            try:
                await asking
            except (Unavailable, Uncertain, NotFound):
                refused += 1
    # null for a block's receipts says that the node lacks the method, and another is asked
    assert refused >= len(RESULTS) - (method == "eth_getBlockReceipts")


async def test_answer_beyond_the_bound_is_refused(lender: Lender, liar: Liar) -> None:
    async def raw() -> web.StreamResponse:
        return web.Response(body=b" " * (ANSWER_BYTES_MAX + 1))

    liar.raw = raw
    with pytest.raises(Unavailable, match="more than"):
        await (await lender.source([liar.url])).head()


async def test_redirect_is_not_followed(lender: Lender, liar: Liar) -> None:
    async def raw() -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": lender.anvil.url})

    liar.raw = raw
    with pytest.raises(Unavailable):
        await (await lender.source([liar.url])).head()


async def test_errors_name_no_path_of_an_endpoint(lender: Lender) -> None:
    """Providers put the account's secret there."""
    source = await lender.source(["http://user:secret@127.0.0.1:9/v3/secret"])
    with pytest.raises(Unavailable) as refusal:
        await source.head()
    assert "secret" not in str(refusal.value)


async def test_next_endpoint_serves_when_the_first_is_gone(lender: Lender, liar: Liar) -> None:
    def gone(_method: str, _params: list[Any]) -> None:
        raise Broken

    source = await lender.source([liar.url, lender.anvil.url], quorum=1)
    anchor = await source.anchor(point(1))
    liar.before = gone
    assert await source.find(anchor.origin, 1) == anchor
    assert (await source.anchor(point(2))).size == 2


async def test_block_is_final_only_when_a_quorum_of_endpoints_shows_it(lender: Lender) -> None:
    """Two of three nodes must show the same final block; one that is on another chain is outvoted, two are not."""
    async with Anvil() as fork, lying(lender.anvil.url) as second:
        assert await fork.deploy_anchor_log() == lender.contract
        await fork.mine(5)
        source = await lender.source([lender.anvil.url, second.url, fork.url], account=0)
        anchor = await source.anchor(point(1))
        assert (await source.head()).final_height == anchor.height
        assert (await source.prove(anchor)).body
        assert (await read(source, 1, anchor.height))[-1].final_height == anchor.height

        def gone(_method: str, _params: list[Any]) -> None:
            raise Broken

        second.before = gone
        with pytest.raises(Unavailable, match="1 of 3 endpoints show block"):
            await source.prove(anchor)
        assert (await read(source, 1, anchor.height))[-1].final_height == 0
