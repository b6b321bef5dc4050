"""Attesters and the node program: who signs what, and what becomes of a proof when they do not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.evm.attester import AttesterKey, AttesterServicer
from adapters.evm.attesters import Attesters
from adapters.evm.chain import Chain
from adapters.evm.court import open_court
from adapters.evm.devchain import CONTRACT
from adapters.evm.node import read_node_config, run_node
from adapters.evm.source import open_source
from adapters.evm.v1 import attester_pb2
from adapters.evm.values import hexed
from relay.app.free_ports import free_port
from relay.app.initialise import initialise
from relay.core.errors import Malformed, NotFound, Unavailable, Unverified
from relay.setup.keys import make_signing_key
from tests.evm.nodes.bench import EvmBench, open_evm_bench
from tests.evm.nodes.lender import point
from tests.support.anvil import ROOT, find_anvil, write_key
from tests.support.frozen import settle


@pytest.fixture
async def bench(tmp_path: Path, needs_anvil: None) -> AsyncIterator[EvmBench]:
    async with open_evm_bench(tmp_path) as opened:
        yield opened


def servicer(bench: EvmBench, finality: int = 0) -> tuple[AttesterServicer, Chain]:
    opened = bench.source._opened
    chain = Chain(opened.config.__class__(**{**_fields(opened.config), "finality": finality}), opened.chain.interface)
    key = bench.lender_side.attesters["attester-1"]
    return AttesterServicer(chain, [AttesterKey(name="attester-1", public_key=key.public_key, sign=key.sign)]), chain


def _fields(config: Any) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def asked(**change: Any) -> attester_pb2.AttestRequest:
    return attester_pb2.AttestRequest(**{"ledger": "evm:lender-1", **change})


async def test_attester_signs_only_final_blocks_of_its_own_node(bench: EvmBench) -> None:
    anchor = await bench.source.anchor(bench.checkpoint(3))
    signing, chain = servicer(bench)
    context: Any = None
    good = asked(height=anchor.height, block_hash=anchor.block_hash)
    (line,) = (await signing.Attest(good, context)).signatures
    assert line.startswith("— evm:lender-1/attester-1 ")
    refused: list[tuple[attester_pb2.AttestRequest, type[Exception]]] = [
        (asked(height=anchor.height, block_hash=bytes(32)), Unverified),
        (asked(height=anchor.height + 1, block_hash=anchor.block_hash), NotFound),
        (asked(height=2**60, block_hash=anchor.block_hash), Malformed),
        (asked(height=0, block_hash=anchor.block_hash), Malformed),
        (asked(height=anchor.height, block_hash=b""), Malformed),
        (asked(height=anchor.height, block_hash=anchor.block_hash, ledger="evm:other"), NotFound),
    ]
    for request, error in refused:
        with pytest.raises(error):
            await signing.Attest(request, context)
    await chain.close()
    deeper, chain = servicer(bench, finality=1)
    with pytest.raises(NotFound, match="not final"):
        await deeper.Attest(good, context)
    await chain.close()


async def test_proof_needs_as_many_attesters_as_pinned(bench: EvmBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that do not verify, of strangers, doubled, or none: they never make a proof, and never spoil one."""
    anchor = await bench.source.anchor(bench.checkpoint(3))
    good = await bench.source.prove(anchor)
    ask = Attesters._ask
    lines: list[str] = []

    async def first(self: Attesters, place: int, height: int, block_hash: bytes) -> Any:
        return lines

    real = await ask(bench.source._opened.attesters, 0, anchor.height, anchor.block_hash)
    assert isinstance(real, list)
    monkeypatch.setattr(Attesters, "_ask", first)
    stranger = real[0].replace("attester-1", "attester-9")
    broken = real[1][:-6] + "AAAAA="
    for wrong in (
        [],
        real[:1],
        [real[0], real[0]],
        [real[0], stranger],
        [real[0], broken],
        ["x"],
        ["—"],
        ["\n\n"],
        ["— a b"],
    ):
        lines[:] = wrong
        with pytest.raises(Unavailable, match="2 are needed"):
            await bench.source.prove(anchor)
    lines[:] = [stranger, real[2], real[0]]
    proof = await bench.source.prove(anchor)
    assert proof != good
    assert bench.proven(proof, bench.lender_root).tx_id == anchor.tx_id


async def test_attesters_that_are_not_that_far_make_the_caller_wait(bench: EvmBench) -> None:
    anchor = await bench.source.anchor(bench.checkpoint(3))
    await bench.lender_side.stop_node()
    bench.lender_side.finality = 2
    bench.lender_side.write_node()
    await bench.lender_side.start_node()
    with pytest.raises(NotFound, match="not final here"):
        await bench.source.prove(anchor)
    await bench.lender_side.anvil.mine(2)
    assert bench.proven(await bench.source.prove(anchor), bench.lender_root).height == anchor.height


async def test_attesters_that_are_gone_make_no_proof(bench: EvmBench) -> None:
    anchor = await bench.source.anchor(bench.checkpoint(3))
    await bench.lender_side.stop_node()
    with pytest.raises(Unavailable, match="0 attestations"):
        await bench.source.prove(anchor)


async def test_configuration_that_differs_from_the_trust_roots_is_refused(bench: EvmBench) -> None:
    side = bench.lender_side
    for change, reason in (
        ({"chain_id": 5}, "chain_id: is 5"),
        ({"contract": "0x" + "11" * 20}, "contract: is 0x1111"),
        ({"attesters_needed": 1}, "attesters_needed: is 1"),
    ):
        with pytest.raises(Malformed, match=reason):
            await open_source(side.settings("custodian", 0, **change))
    sealed = {k: v for k, v in side.settings("custodian", 0).items() if k not in ("attesters", "attesters_needed")}
    with pytest.raises(Malformed, match="family"):
        await open_source(sealed, qbft=True)


async def test_receipt_of_the_court_waits_for_finality(bench: EvmBench) -> None:
    """`submit` returns only with a final block; a chain that stands still is uncertain, and asking again finds the receipt."""
    deep = await open_court(bench.court_side.settings("relay", 1, finality=3))
    submission = await bench.submission(3)
    waiting = asyncio.create_task(deep.submit(submission))
    while await bench.court_side.anvil.height() == 0 or (await deep.latest(bench.origin)) is None:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await bench.court_side.anvil.mine(3)
    receipt = await waiting
    assert (await deep.find(bench.origin, 3, bench.checkpoint(3).root)) == receipt
    assert bench.proven(await deep.prove(receipt.tx_id), bench.court_root).height == receipt.height
    await deep.close()


async def test_receipt_whose_block_leaves_the_chain_is_written_again(bench: EvmBench) -> None:
    deep = await open_court(bench.court_side.settings("relay", 1, finality=2))
    waiting = asyncio.create_task(deep.submit(await bench.submission(3)))
    while (first := await deep.latest(bench.origin)) is None:
        await asyncio.sleep(0.02)
    await bench.court_side.anvil.ask("anvil_reorg", 1, [])
    while (second := await deep.latest(bench.origin)) is None:
        await asyncio.sleep(0.02)
    await bench.court_side.anvil.mine(2)
    assert (await waiting) == second != first
    await deep.close()


async def test_account_that_is_no_writer_is_told_who_can_change_that(bench: EvmBench) -> None:
    from relay.core.errors import Denied

    outsider = await open_court(bench.court_side.settings("court", 0))
    with pytest.raises(Denied, match="may not write"):
        await outsider.append_custody_head(bench.custody_note(2), 0, ())
    await outsider.close()


@pytest.mark.parametrize("contract", ["AnchorLog", "CourtRegistry"])
async def test_development_node_keeps_its_chain_over_a_restart(
    tmp_path: Path, needs_anvil: None, contract: str
) -> None:
    """The node program alone: anvil as its child, the contract at its one address, an attester that answers."""
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    folder = home / "lender-ledger"
    make_signing_key(folder / "attester.pem")
    port, rpc_port = free_port(), free_port()
    path, account = write_key(home / "custodian", 0)
    address = hexed(account.address)
    (folder / "evm.toml").write_text(
        f'address = "127.0.0.1:{port}"\nledger = "evm:dev"\nchain_id = 7777\nfinality = 0\ndata = "data"\n'
        'ca = "ca.pem"\ncertificate = "tls.pem"\nkey = "tls.key"\n'
        '[attesters]\none = "attester.pem"\n'
        f'[anvil]\nbinary = "{find_anvil()}"\nport = {rpc_port}\nblock_time_s = 0\ncontract = "{contract}"\n'
        f'writers = ["{address}"]\nfunded = ["{address}"]\n'
    )
    settings = {
        **{k: str(home / "custodian" / v) for k, v in (("ca", "ca.pem"), ("certificate", "tls.pem"), ("key", "tls.key"))},
        "ledger": "evm:dev", "chain_id": 7777, "finality": 0, "endpoints": [f"http://127.0.0.1:{rpc_port}"],
        "contract": CONTRACT, "account": str(path), "attesters": [f"127.0.0.1:{port}"], "attesters_needed": 1,
    }  # fmt: skip
    seen: list[Any] = []
    for size in (1, 2):
        stopped, ready = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(
            run_node(
                read_node_config(folder / "evm.toml"),
                now_ms=lambda: 0,
                stopped=stopped,
                ready=lambda _l, _a: ready.set(),
            )
        )
        await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set(), task.exception()
        if contract == "AnchorLog":
            source = await open_source(settings)
            anchor = await source.anchor(point(size))
            assert (await source.prove(anchor)).body
            seen.append(anchor)
            assert [await source.find(a.origin, a.size) for a in seen] == seen
            await source.close()
        else:
            court = await open_court(settings)
            assert await court.latest("o") is None
            await court.close()
        stopped.set()
        await task
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", rpc_port)


@pytest.mark.parametrize(
    "line",
    ['chain_id = "1"', "unknown = 1", 'anvil = true', '[anvil]\nbinary = "x"', "limits = 3", "[attesters]\nx = 3", '[crl]\n"" = ""'],
)  # fmt: skip
async def test_node_file_that_cannot_be_used_names_file_and_key(tmp_path: Path, line: str) -> None:
    base = 'address = "x"\nledger = "l"\nca = "a"\ncertificate = "b"\nkey = "c"\ndata = "d"\nendpoints = ["http://x"]\n'
    (tmp_path / "evm.toml").write_text(base + line + "\n")
    with pytest.raises(Malformed, match=r"evm\.toml"):
        read_node_config(tmp_path / "evm.toml")


async def test_node_whose_chain_program_is_missing_or_ends_says_so(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    folder = home / "lender-ledger"
    make_signing_key(folder / "attester.pem")
    for program, error in (("/nowhere/anvil", Malformed), ("/bin/true", Unavailable)):
        (folder / "evm.toml").write_text(
            'address = "127.0.0.1:0"\nledger = "evm:dev"\nchain_id = 7777\ndata = "data"\nca = "ca.pem"\n'
            'certificate = "tls.pem"\nkey = "tls.key"\n[attesters]\none = "attester.pem"\n'
            f'[anvil]\nbinary = "{program}"\nport = {free_port()}\ncontract = "AnchorLog"\n'
        )
        config = read_node_config(folder / "evm.toml")
        with pytest.raises(error):
            await run_node(config, now_ms=lambda: 0, stopped=asyncio.Event(), ready=lambda _l, _a: None)


async def test_development_chain_ends_with_its_node_however_that_ends(tmp_path: Path, needs_anvil: None) -> None:
    """A node that is killed leaves no chain behind that would keep the port."""
    port = free_port()
    code = (
        "import asyncio, pathlib\nfrom adapters.evm.devchain import DevChain, running\nasync def main():\n"
        f"  dev = DevChain(binary=pathlib.Path({str(find_anvil())!r}), port={port}, contract='AnchorLog', block_time_s=0,"
        "    slots_in_an_epoch=1, writers=(), funded=())\n"
        f"  async with running(dev, 5, pathlib.Path({str(tmp_path / 'state.json')!r})):\n"
        "    print('up', flush=True)\n    await asyncio.Event().wait()\nasyncio.run(main())\n"
    )
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert node.stdout is not None
    assert await node.stdout.readline() == b"up\n"
    node.kill()
    await node.wait()

    async def closed() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await settle(closed, "the chain has ended")
