"""What a remote adapter answers is bounded and compared with the question: nothing impossible gets past the client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.remote import messages
from adapters.remote.messages import PROOF_BYTES_MAX
from adapters.remote.v1 import adapter_pb2 as pb
from relay.app.initialise import LENDER_LEDGER, ORIGIN
from relay.core.errors import Malformed, Unavailable, Uncertain
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock, Receipt
from tests.ledgers.remote_bench import adapted, offer
from tests.ledgers.scripted import (
    ANCHOR,
    BLOCK,
    CHECKPOINT,
    GOOD,
    HEAD,
    RECEIPT,
    ROOT,
    STREAM,
    changed,
    client,
    court_of,
    first_block,
    make_home,
    source_of,
)
from tests.support.chain import Chain


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("remote"))


@pytest.mark.parametrize(
    "changes",
    [
        {"root": b""},
        {"root": bytes(31)},
        {"root": bytes(33)},
        {"block_hash": b""},
        {"block_hash": bytes(65)},
        {"tx_id": b""},
        {"tx_id": bytes(65)},
        {"height": 0},
        {"height": 2**53},
        {"height": 2**64 - 1},
        {"time_ms": -1},
        {"time_ms": 2**63 - 1},
        {"ledger": ""},
        {"ledger": "embedded:other"},
        {"origin": ""},
        {"origin": "other.example/log"},
        {"origin": "with space"},
        {"origin": "x" * 256},
        {"size": 0},
        {"size": 4},
        {"size": 2**53},
    ],
    ids=str,
)
async def test_anchor_with_malformed_values_is_no_answer_and_after_a_write_uncertain(
    home: Path, changes: dict[str, Any]
) -> None:
    bad = changed(GOOD, **changes)
    feed = [pb.BlocksReply(block=pb.Block(height=5, block_hash=b"b" * 32, parent_hash=b"p", time_ms=7, anchors=[bad]))]
    answers = {"AnchorSource/Find": pb.FindAnchorReply(anchor=bad), "AnchorSource/Anchor": bad, STREAM: feed}
    async with source_of(home, answers) as source:
        with pytest.raises(Unavailable):
            await source.find(ORIGIN, 3)
        with pytest.raises(Uncertain):
            await source.anchor(CHECKPOINT)
        if "origin" not in changes and changes.get("size") != 4:
            with pytest.raises(Unavailable):
                await first_block(source, 5)


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 0},
        {"height": 6},
        {"height": 2**60},
        {"block_hash": b""},
        {"block_hash": b"c" * 32},
        {"parent_hash": b""},
        {"parent_hash": bytes(65)},
        {"time_ms": -1},
        {"final_height": 2**53},
    ],
    ids=str,
)
async def test_block_with_malformed_values_breaks_the_feed(home: Path, changes: dict[str, Any]) -> None:
    """An anchor in a block that says that it is in another is one of them."""
    async with source_of(home, {STREAM: [pb.BlocksReply(block=changed(BLOCK, **changes))]}) as source:
        with pytest.raises(Unavailable, match="answer of the adapter"):
            await first_block(source, 5)


@pytest.mark.parametrize(
    "changes", [{"final_height": 10}, {"height": 2**53}, {"block_hash": b""}, {"block_hash": bytes(65)}], ids=str
)
async def test_head_with_malformed_values_is_no_answer(home: Path, changes: dict[str, Any]) -> None:
    async with source_of(home, {"AnchorSource/Head": changed(HEAD, **changes)}) as source:
        with pytest.raises(Unavailable):
            await source.head()


async def test_head_before_the_first_block_is_an_answer(home: Path) -> None:
    async with source_of(home, {"AnchorSource/Head": pb.LedgerHead()}) as source:
        assert (await source.head()).height == 0


async def test_anchor_of_another_root_than_the_one_written_is_uncertain(home: Path) -> None:
    async with source_of(home, {"AnchorSource/Anchor": changed(GOOD, root=bytes(32))}) as source:
        with pytest.raises(Uncertain, match="another checkpoint"):
            await source.anchor(CHECKPOINT)


@pytest.mark.parametrize("size", [PROOF_BYTES_MAX + 1, 5 * 1024 * 1024])
async def test_oversized_proof_is_no_answer(home: Path, size: int) -> None:
    """Beyond the family's bound, and beyond what a message may have."""
    oversized = pb.LedgerProof(kind="quorum", ledger=LENDER_LEDGER, body=bytes(size))
    async with source_of(home, {"AnchorSource/Prove": oversized}) as source:
        with pytest.raises(Unavailable):
            await source.prove(ANCHOR)


async def test_largest_proof_passes(home: Path) -> None:
    class Proving(Chain):
        async def prove(self, anchor: Anchor) -> LedgerProof:
            return LedgerProof(kind="quorum", ledger=self.ledger, body=bytes(PROOF_BYTES_MAX))

    async with adapted(home, offer(Proving(LENDER_LEDGER, ORIGIN)), "") as port, client(home, "court", port) as source:
        assert len((await source.prove(ANCHOR)).body) == PROOF_BYTES_MAX


@pytest.mark.parametrize(
    "changes", [{"ledger": "evm:other"}, {"kind": "evm-qbft"}, {"kind": ""}, {"body": b""}, {"ledger": ""}], ids=str
)
async def test_proof_of_another_ledger_or_kind_is_no_answer(home: Path, changes: dict[str, Any]) -> None:
    proof = changed(pb.LedgerProof(kind="quorum", ledger=LENDER_LEDGER, body=b"x"), **changes)
    async with source_of(home, {"AnchorSource/Prove": proof}) as source:
        with pytest.raises(Unavailable):
            await source.prove(ANCHOR)


@pytest.mark.parametrize(
    "changes",
    [{"origin": "other.example/log"}, {"size": 4}, {"root": bytes(32)}, {"tx_id": b""}, {"ledger": "x"}],
    ids=str,
)
async def test_receipt_of_something_else_is_no_answer(home: Path, changes: dict[str, Any]) -> None:
    bad = pb.FindReceiptReply(receipt=changed(RECEIPT, **changes))
    async with court_of(home, {"CourtRegistry/Find": bad, "CourtRegistry/Latest": bad}) as court:
        with pytest.raises(Unavailable):
            await court.find(ORIGIN, 3, ROOT)
        if not set(changes) & {"size", "root"}:  # any size may be the latest
            with pytest.raises(Unavailable):
                await court.latest(ORIGIN)


@pytest.mark.parametrize(
    "state",
    [
        pb.GrantStateReply(registered_ms=5),
        pb.GrantStateReply(registration=b"t" * 32),
        pb.GrantStateReply(revoked_ms=5),
        pb.GrantStateReply(registered_ms=-1, registration=b"t"),
        pb.GrantStateReply(registered_ms=5, registration=bytes(65)),
        pb.GrantStateReply(registered_ms=5, revoked_ms=2**60, registration=b"t"),
    ],
)
async def test_grant_state_that_contradicts_itself_is_no_answer(home: Path, state: pb.GrantStateReply) -> None:
    async with court_of(home, {"CourtRegistry/GrantState": state}) as court:
        with pytest.raises(Unavailable):
            await court.grant_state("spiffe://courtrelay.example/custodian/lender", bytes(32))


async def test_transaction_id_that_is_none_leaves_a_write_uncertain(home: Path) -> None:
    bad = pb.TransactionReply()
    async with court_of(home, {"CourtRegistry/RecordGrant": bad, "CourtRegistry/AppendCustodyHead": bad}) as court:
        with pytest.raises(Uncertain):
            await court.record_grant(b"statement")
    async with court_of(home, {"CourtRegistry/AppendCustodyHead": bad}, role="court") as court:
        with pytest.raises(Uncertain):
            await court.append_custody_head(b"note", 0, ())


async def test_bytes_that_are_no_message_are_no_answer_and_leave_no_trace(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for data in (b"\xff", b"\x0a\x05\xff\xfe", b"\x12\x7f"):
        names = ("AnchorSource/Head", "AnchorSource/Find", "AnchorSource/Anchor")
        async with source_of(home, {**dict.fromkeys(names, data), STREAM: [data]}) as source:
            for calling in (source.head(), source.find(ORIGIN, 3), first_block(source)):
                with pytest.raises(Unavailable, match="is not a message"):
                    await calling
            with pytest.raises(Uncertain):
                await source.anchor(CHECKPOINT)
        async with source_of(home, {"Adapter/Hello": data}) as source:
            with pytest.raises(Unavailable, match="is not a message"):
                await source.head()
    assert not [record for record in caplog.records if record.exc_info]


NUMBERS = st.one_of(st.sampled_from([0, 1, 3, 2**53 - 1, 2**53, 2**64 - 1]), st.integers(0, 2**64 - 1))
TIMES = st.one_of(st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))
BYTES = st.one_of(st.just(bytes(32)), st.binary(max_size=80))
TEXTS = st.one_of(st.sampled_from([LENDER_LEDGER, ORIGIN, "quorum"]), st.text(st.characters(exclude_categories=["Cs"])))
ANCHORS = st.builds(
    pb.Anchor, ledger=TEXTS, origin=TEXTS, size=NUMBERS, root=BYTES, height=NUMBERS, block_hash=BYTES, tx_id=BYTES,
    time_ms=TIMES,
)  # fmt: skip
READERS = st.one_of(
    st.tuples(st.just(lambda m: messages.anchor_from(m, LENDER_LEDGER, "x")), ANCHORS),
    st.tuples(
        st.just(lambda m: messages.head_from(m, "x")),
        st.builds(pb.LedgerHead, height=NUMBERS, block_hash=BYTES, final_height=NUMBERS),
    ),
    st.tuples(
        st.just(lambda m: messages.block_from(m, LENDER_LEDGER, "x")),
        st.builds(
            pb.Block,
            height=NUMBERS,
            block_hash=BYTES,
            parent_hash=BYTES,
            time_ms=TIMES,
            anchors=st.lists(ANCHORS, max_size=2),
            final_height=NUMBERS,
        ),
    ),
    st.tuples(
        st.just(lambda m: messages.receipt_from(m, LENDER_LEDGER, "x")),
        st.builds(
            pb.Receipt, ledger=TEXTS, origin=TEXTS, size=NUMBERS, root=BYTES, height=NUMBERS, tx_id=BYTES, time_ms=TIMES
        ),
    ),
    st.tuples(
        st.just(lambda m: messages.proof_from(m, "x")), st.builds(pb.LedgerProof, kind=TEXTS, ledger=TEXTS, body=BYTES)
    ),
    st.tuples(
        st.just(lambda m: messages.grant_state_from(m, "x")),
        st.builds(pb.GrantStateReply, registered_ms=TIMES, revoked_ms=TIMES, registration=BYTES),
    ),
    st.tuples(
        st.just(lambda m: messages.greeting_from(m, "x")),
        st.builds(pb.HelloReply, name=TEXTS, adapter_version=TEXTS, family=TEXTS, proof_kind=TEXTS, ledger=TEXTS),
    ),
    st.tuples(
        st.just(lambda m: messages.submission_from(m, "x")),
        st.builds(
            pb.SubmitRequest,
            checkpoint=BYTES,
            old_size=NUMBERS,
            consistency=st.lists(BYTES, max_size=3),
            attempt=NUMBERS,
            anchor=st.builds(pb.LedgerProof, kind=TEXTS, ledger=TEXTS, body=BYTES),
        ),
    ),
)


@given(READERS)
def test_any_message_is_read_or_malformed_and_what_is_read_can_be_sent_again(case: tuple[Any, Any]) -> None:
    read, message = case
    try:
        value = read(message)
    except Malformed:
        return
    for kind, write in ((Anchor, messages.anchor_to), (AnchorBlock, messages.block_to), (Receipt, messages.receipt_to)):
        if isinstance(value, kind):
            assert write(value) == message
