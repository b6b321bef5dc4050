"""What each way of failing means to a caller of a remote adapter, above all after a write; and callers that may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from adapters.remote.client import open_source
from adapters.remote.v1 import adapter_pb2 as pb
from relay.app.adapters import load_adapter, verifiers
from relay.app.initialise import LENDER_LEDGER, ORIGIN
from relay.app.trust import read_trust
from relay.core.checkpoint import Checkpoint
from relay.core.errors import (
    Busy,
    Conflict,
    Denied,
    Malformed,
    NotFound,
    RelayError,
    Unavailable,
    Uncertain,
    Unverified,
)
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock
from tests.ledgers.remote_bench import adapted, offer, settings
from tests.ledgers.scripted import (
    ANCHOR,
    CHECKPOINT,
    GOOD,
    PATIENCE,
    RECEIPT,
    ROOT,
    STREAM,
    Script,
    changed,
    client,
    court_of,
    first_block,
    make_home,
    scripted,
    source_of,
)
from tests.support.chain import Chain
from tests.support.proxy import Proxy


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("remote"))


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK])
async def test_status_without_a_word_is_no_verdict_and_leaves_a_write_uncertain(
    home: Path, code: grpc.StatusCode
) -> None:
    script = Script({"AnchorSource/Find": code, "AnchorSource/Anchor": code, "AnchorSource/Prove": code, STREAM: code})
    denied = code is grpc.StatusCode.PERMISSION_DENIED
    begun = code not in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED)
    async with source_of(home, script) as source:
        for calling in (source.find(ORIGIN, 3), source.prove(ANCHOR), first_block(source)):
            with pytest.raises(Unavailable):
                await calling
        with pytest.raises(Denied if denied else Uncertain if begun else Unavailable):
            await source.anchor(CHECKPOINT)


WORDS: list[RelayError] = [
    Malformed("what", "field", "reason"), Denied("why"), Unverified("step", "reason"), NotFound("n"), Conflict("c"),
    Unavailable("u"), Busy("b", 2.0), Uncertain("m"),
]  # fmt: skip


@pytest.mark.parametrize("error", WORDS, ids=lambda e: type(e).__name__)
async def test_only_errors_that_the_port_names_at_a_method_come_through(home: Path, error: RelayError) -> None:
    kind = type(error)
    always = (Unavailable, Busy)
    names = ("AnchorSource/Find", "AnchorSource/Prove", "AnchorSource/Anchor")
    async with source_of(home, {**dict.fromkeys(names, error), STREAM: error}) as source:
        for calling in (source.find(ORIGIN, 3), first_block(source)):
            with pytest.raises(kind if kind in always else Unavailable):
                await calling
        with pytest.raises(kind if kind in (*always, NotFound) else Unavailable):
            await source.prove(ANCHOR)
        with pytest.raises(Uncertain if kind is NotFound else kind) as refusal:
            await source.anchor(CHECKPOINT)
    if isinstance(refusal.value, Busy):
        assert refusal.value.retry_s == 2.0


async def test_adapter_that_fails_inside_a_write_leaves_it_uncertain_and_says_nothing(home: Path) -> None:
    class Broken(Chain):
        async def anchor(self, checkpoint: Checkpoint) -> Anchor:
            raise RuntimeError("secret")

        async def find(self, origin: str, size: int) -> Anchor | None:
            raise RuntimeError("secret")

    broken = Broken(LENDER_LEDGER, ORIGIN)
    async with adapted(home, offer(broken), "custodian") as port, client(home, "custodian", port) as source:
        with pytest.raises(Uncertain, match="log id") as failed:
            await source.anchor(CHECKPOINT)
        with pytest.raises(Unavailable, match="log id") as asked:
            await source.find(ORIGIN, 3)
        assert "secret" not in str(failed.value) + str(asked.value)


class Slow(Chain):
    """Writes, and does not come to the answer."""

    def __init__(self, ledger: str, origin: str) -> None:
        super().__init__(ledger, origin)
        self.written = asyncio.Event()

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        await super().anchor(checkpoint)
        self.written.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_connection_closed_here_in_the_middle_of_a_write_leaves_it_uncertain(home: Path) -> None:
    """Neither a cancellation that nobody asked for nor an error of the transport; a cancelled caller is cancelled."""
    slow = Slow(LENDER_LEDGER, ORIGIN)
    async with adapted(home, offer(slow), "custodian") as port, client(home, "custodian", port) as source:
        await source.head()  # greeted: both writes are sent at once
        cancelled, writing = (asyncio.create_task(source.anchor(CHECKPOINT)) for _ in range(2))
        reading = asyncio.create_task(first_block(source, 1000))
        await slow.written.wait()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await source.close()
        with pytest.raises(Uncertain, match="closed"):
            await writing
        with pytest.raises(Unavailable, match="closed"):
            await reading
        for calling in (source.find(ORIGIN, 3), source.anchor(CHECKPOINT), first_block(source)):
            with pytest.raises(Unavailable, match="closed here"):
                await calling


async def test_connection_that_breaks_in_the_middle_of_a_write_leaves_it_uncertain(home: Path) -> None:
    """It has happened, and asking finds it."""
    chain = Slow(LENDER_LEDGER, ORIGIN)
    async with adapted(home, offer(chain), "custodian") as port:
        proxy = Proxy(port)
        await proxy.start()
        async with client(home, "custodian", proxy.port) as source:
            writing = asyncio.create_task(source.anchor(CHECKPOINT))
            await chain.written.wait()
            await proxy.end()
            with pytest.raises(Uncertain):
                await writing
            with pytest.raises(Unavailable):
                await source.anchor(CHECKPOINT)
        async with client(home, "custodian", port) as source:
            assert (await source.find(ORIGIN, 3)) == chain.blocks_held[0].anchors[0]
    assert len(chain.blocks_held) == 1


async def test_write_that_is_not_answered_in_time_is_uncertain(home: Path) -> None:
    chain = Slow(LENDER_LEDGER, ORIGIN)
    async with adapted(home, offer(chain), "custodian") as port, client(home, "custodian", port) as source:
        source._link._patience = replace(PATIENCE, write_s=0.2)
        with pytest.raises(Uncertain, match="deadline"):
            await source.anchor(CHECKPOINT)


async def test_adapter_that_is_not_there_is_unavailable_for_writes_too(home: Path) -> None:
    async with client(home, "custodian", 1) as source:
        for calling in (source.anchor(CHECKPOINT), source.head(), first_block(source)):
            with pytest.raises(Unavailable):
                await calling


async def test_caller_without_a_role_for_it_is_denied(home: Path) -> None:
    """By role: a relay never anchors. By name: a custodian that was not named does not write under the adapter's account."""
    chain = Chain(LENDER_LEDGER, ORIGIN)
    for writer, caller in (("relay", "relay"), ("", "custodian"), ("court", "custodian"), ("custodian", "lender-desk")):
        async with adapted(home, offer(chain), writer) as port, client(home, caller, port) as source:
            with pytest.raises(Denied):
                await source.anchor(CHECKPOINT)
            assert (await source.head()).height == 0
    async with scripted(home, Script({"CourtRegistry/Submit": RECEIPT})) as port, client(home, "court", port) as reader:
        submit = reader._link.court.Submit
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await submit(pb.SubmitRequest(), timeout=30)
        assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not chain.blocks_held


async def test_request_beyond_any_bound_never_reaches_the_ledger(home: Path) -> None:
    """A caller that is not ours sends what it likes."""

    class Guarded(Chain):
        async def find(self, origin: str, size: int) -> Anchor | None:
            raise AssertionError

        async def prove(self, anchor: Anchor) -> LedgerProof:
            raise AssertionError

        async def anchor(self, checkpoint: Checkpoint) -> Anchor:
            raise AssertionError

        def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
            raise AssertionError

    async with (
        adapted(home, offer(Guarded(LENDER_LEDGER, ORIGIN)), "custodian") as port,
        client(home, "custodian", port) as c,
    ):
        stub, mine = c._link.source, {"ledger": LENDER_LEDGER}
        calls = [
            stub.Find(pb.FindAnchorRequest(**mine, origin=ORIGIN, size=2**63), timeout=30),
            stub.Find(pb.FindAnchorRequest(**mine, origin="x" * 5000, size=1), timeout=30),
            stub.Find(pb.FindAnchorRequest(**mine, origin="a b", size=1), timeout=30),
            stub.Prove(pb.ProveAnchorRequest(**mine), timeout=30),
            stub.Prove(pb.ProveAnchorRequest(**mine, anchor=changed(GOOD, ledger="other")), timeout=30),
            stub.Anchor(pb.AnchorRequest(**mine, origin=ORIGIN, size=0, root=ROOT), timeout=30),
            stub.Anchor(pb.AnchorRequest(**mine, origin=ORIGIN, size=1, root=b"x"), timeout=30),
        ]
        for calling in calls:
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await calling
            assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for start in (0, 2**64 - 1):
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await anext(aiter(stub.Blocks(pb.BlocksRequest(**mine, start=start))))
            assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_impossible_values_of_our_own_are_errors_of_the_contract(home: Path) -> None:
    async with source_of(home, {}) as source:
        for checkpoint in (
            replace(CHECKPOINT, size=0), replace(CHECKPOINT, size=-1), replace(CHECKPOINT, size=2**70),
            replace(CHECKPOINT, root=b""), replace(CHECKPOINT, origin="\ud800"), replace(CHECKPOINT, origin=""),
        ):  # fmt: skip
            with pytest.raises(Malformed):
                await source.anchor(checkpoint)
        with pytest.raises(Malformed):
            await source.prove(replace(ANCHOR, ledger="other"))
        with pytest.raises(Malformed):
            await first_block(source, -1)
        assert [await source.find(ORIGIN, size) for size in (-1, 0, 2**53, 2**64)] == [None] * 4
    async with court_of(home, {}) as court:
        for refused in (court.grant_state("\ud800", bytes(32)), court.grant_state("x", b""), court.prove(b""),
                        court.record_grant(bytes(32 * 1024 + 1)), court.append_custody_head(b"x", -1, ()),
                        court.append_custody_head(b"x", 0, (b"",)), court.latest("a b")):  # fmt: skip
            with pytest.raises(Malformed):
                await refused


@pytest.mark.parametrize(
    "change",
    [
        {"address": ""},
        {"surprise": "x"},
        {"ca": "nowhere.pem"},
        {"ledger": 7},
        {"ledger": "a b"},
        {"kind": "A"},
        {"kind": ""},
    ],
    ids=str,
)
async def test_wrong_settings_name_the_key(home: Path, change: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as refusal:
        await open_source({**settings(home, "relay", 1, LENDER_LEDGER), **change})
    assert next(iter(change)) in str(refusal.value) or "cannot be read" in str(refusal.value)


def test_family_is_found_and_brings_no_verifier(home: Path) -> None:
    family = load_adapter("remote")
    assert (family.name, family.proof_kind) == ("remote", "")
    assert "" not in verifiers()
    assert "quorum" in verifiers()
    with pytest.raises(Unverified):
        family.verify_proof(LedgerProof(kind="", ledger="x", body=b"x"), read_trust(home / "trust.json").ledgers[0])
