"""Proofs as a whole: what they show, and blocks, contracts and chains that show nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import rlp

from adapters.evm.header import LENGTHS, parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import ATTESTED, PROOF_BYTES_MAX, QBFT, build_proof, check_body
from adapters.evm.seals import chain_hash
from adapters.evm.trie import Trie, index_key
from relay.core.base64strict import b64decode, b64encode
from relay.core.errors import Malformed, Unverified
from tests.evm.checking import MADE, VERIFY, altered, member, proofs, refused, verify
from tests.evm.making import (
    CHAIN,
    CONTRACT,
    LEDGER,
    NAMES,
    ORIGIN,
    SENDER,
    TIME_S,
    TOPICS,
    TREE_ROOT,
    anchored,
    attested_proof,
    block,
    checkpoint_accepted,
    grant_recorded,
    header_items,
    pinned,
    receipt,
    sealed,
    sealed_proof,
    transaction,
)


@pytest.mark.parametrize("number", range(3))
def test_proof_shows_block_transaction_and_fact(number: int) -> None:
    proof = proofs()[number]
    fact = verify(proof)
    header = parse_header(b64decode(member(proof, "header"), what="", field=""))
    assert fact.block_hash == (header.hash if proof.kind == ATTESTED else chain_hash(header))
    assert (fact.ledger, fact.height, fact.time_ms) == (LEDGER, 77, TIME_S * 1000)
    assert fact.tx_id == keccak256(MADE.transactions[130])
    assert fact.fact == {
        "type": "anchor", "origin": ORIGIN, "size": 5, "root": TREE_ROOT.hex(), "sender": f"0x{SENDER.hex()}"
    }  # fmt: skip
    check_body(proof)


@pytest.mark.parametrize(
    ("count", "index"), [(1, 0), (2, 1), (127, 126), (128, 127), (129, 128), (300, 256), (300, 299), (17, 0)]
)
def test_every_place_in_a_block_is_provable(count: int, index: int) -> None:
    made = block(count=count, index=index, kind=index % 5)
    for proof in (attested_proof(made, index), sealed_proof(made, index)):
        assert verify(proof).tx_id == keccak256(made.transactions[index])


@pytest.mark.parametrize("fork", sorted(LENGTHS))
def test_headers_of_every_fork_are_read(fork: int) -> None:
    assert verify(attested_proof(replace(MADE, fork=fork))).height == 77
    assert verify(sealed_proof(replace(MADE, fork=fork))).height == 77


def test_each_log_of_a_batch_is_a_proof_of_its_own() -> None:
    made = block(logs=[anchored(1), anchored(2), checkpoint_accepted(9), grant_recorded()])
    facts = [verify(attested_proof(made, log=log)) for log in (1, 2, 3, 4)]
    assert [fact.fact["type"] for fact in facts] == ["anchor", "anchor", "checkpoint", "grant"]
    assert [fact.fact.get("size") for fact in facts] == [1, 2, 9, None]
    assert len({fact.tx_id for fact in facts}) == 1


def test_other_receipts_and_transactions_at_the_same_place_are_refused() -> None:
    """Paths of another block whose transaction at that index is the attacker's."""
    other = block(logs=[anchored(6)])
    for mine, theirs in ((proofs()[0], attested_proof(other)), (proofs()[1], sealed_proof(other))):
        assert verify(theirs).fact["size"] == 6
        refused(altered(mine, receipt_path=member(theirs, "receipt_path")))
        refused(altered(mine, header=member(theirs, "header")))
        if mine.kind == ATTESTED:
            refused(altered(mine, header=member(theirs, "header"), receipt_path=member(theirs, "receipt_path")))
    swapped = replace(MADE, transactions=[transaction(7), *MADE.transactions[1:]])
    refused(altered(proofs()[0], tx_path=member(attested_proof(swapped), "tx_path")))


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        (anchored(address=SENDER), "was emitted by"),
        (anchored(address=CONTRACT[:-1] + b"\x02"), "was emitted by"),
        ([CONTRACT, anchored()[1][:2], anchored()[2]], "topics"),
        ([CONTRACT, [*anchored()[1], bytes(32)], anchored()[2]], "topics"),
        ([CONTRACT, [], anchored()[2]], "none of ours"),
        ([CONTRACT, [TOPICS["CustodyHead"][::-1], *anchored()[1][1:]], anchored()[2]], "none of ours"),
        ([CONTRACT, anchored()[1], anchored()[2] + bytes(32)], "more follows"),
        ([CONTRACT, anchored()[1], anchored()[2][:-1]], "whole words"),
        ([CONTRACT[:-1], anchored()[1], anchored()[2]], "20"),
        ([CONTRACT, [b"\x01" * 31], b""], "32"),
        ([CONTRACT, [bytes(32)] * 5, b""], "at most 4"),
        ([CONTRACT, anchored()[1]], "items"),
        ([CONTRACT, b"", b""], "must be a list"),
        (b"log", "must be a list"),
    ],
)
def test_log_that_is_not_our_contracts_event_is_refused(ours: Any, reason: str) -> None:
    made = block(logs=[ours])
    for proof in (attested_proof(made), sealed_proof(made)):
        assert reason in refused(proof)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"status": b""}, "failed"),
        ({"status": b"\x02"}, "0 or 1"),
        ({"status": b"\x00"}, "canonical|0 or 1"),
        ({"status": bytes(32)}, "0 or 1"),
        ({"kind": 5}, "type"),
        ({"kind": 0x7E}, "type"),
    ],
)
def test_failed_transactions_and_unknown_receipts_are_refused(form: dict[str, Any], reason: str) -> None:
    receipts = list(MADE.receipts)
    receipts[130] = receipt([[SENDER, [], b"x"], anchored()], **form)
    made = replace(MADE, receipts=receipts)
    for proof in (attested_proof(made), sealed_proof(made)):
        assert any(part in refused(proof) for part in reason.split("|"))


def test_transaction_of_another_chain_is_refused() -> None:
    """Validators that seal two chains with the same keys: a block of the one proves nothing on the other."""
    for kind in range(5):
        transactions = list(MADE.transactions)
        transactions[130] = transaction(130, kind=kind, chain=CHAIN + 1)
        made = replace(MADE, transactions=transactions)
        for proof in (attested_proof(made), sealed_proof(made)):
            assert "is of chain 1338" in refused(proof)
    for raw in (b"\x05" + transaction(1)[1:], b"", b"\x02\xc0", transaction(1)[:-1], b"\x01" + transaction(1)[1:]):
        transactions[130] = raw or b"\x7f"
        refused(sealed_proof(replace(MADE, transactions=transactions)))


def test_legacy_transaction_signed_for_no_chain_is_refused() -> None:
    transactions = list(MADE.transactions)
    for v in (27, 28, 0, 34):
        items = rlp.decode(transaction(130, kind=0))
        transactions[130] = rlp.encode([*items[:6], v, *items[7:]])
        assert "no chain in particular" in refused(sealed_proof(replace(MADE, transactions=transactions)))


def other_roots() -> Iterator[dict[str, Any]]:
    good = pinned(ATTESTED).parameters
    yield {"ledger": "evm:lender-2"}
    yield {"kind": "quorum"}
    yield {"kind": "evm-other"}
    for change in (
        {"chain_id": "1338"}, {"chain_id": "01337"}, {"chain_id": "0"}, {"chain_id": ""}, {"chain_id": str(2**63)},
        {"chain_id": "0x539"}, {"chain_id": "-1"}, {"chain_id": "1337 "}, {"chain_id": "9" * 40}, {"contract": f"0x{SENDER.hex()}"},
        {"contract": good["contract"].upper()}, {"contract": good["contract"][2:]}, {"contract": ""}, {"more": "1"},
    ):  # fmt: skip
        yield {"parameters": {**good, **change}}
    yield {"parameters": {}}
    yield {"parameters": {"chain_id": "1337"}}
    yield {"parameters": {"contract": good["contract"]}}


def test_other_pinned_ledger_chain_or_contract_is_refused() -> None:
    for change in other_roots():
        for proof in proofs():
            refused(proof, **change)


def test_proof_of_one_kind_is_none_of_the_other() -> None:
    attested, qbft, _ = proofs()
    for proof, kind in ((attested, QBFT), (qbft, ATTESTED)):
        for claimed in (proof, replace(proof, kind=kind)):
            for root_kind in VERIFY:
                for checker in VERIFY.values():
                    if (checker, root_kind, claimed) != (VERIFY[proof.kind], proof.kind, proof):
                        with pytest.raises((Malformed, Unverified)):
                            checker(claimed, pinned(root_kind))


def test_headers_that_no_block_has_are_refused() -> None:
    whole = header_items(MADE.receipts, MADE.transactions)
    for place, value in ((8, 0), (8, 2**53), (11, 2**40), (11, 2**63), (12, [b""]), (0, b"\0" * 31), (13, b""), (6, bytes(255)),
                         (7, b"\x00\x01"), (8, b"\x00\x4d"), (9, bytes(9)), (14, bytes(7)), (15, bytes(33)), (4, bytes(33))):  # fmt: skip
        items = list(whole)
        items[place] = value
        with pytest.raises(Malformed):
            parse_header(rlp.encode(items))
    for items in (whole[:14], whole[:18], [*whole, b""], [*whole, bytes(32)], []):
        with pytest.raises(Malformed):
            parse_header(rlp.encode(items))
    for data in (b"", rlp.encode(b"header"), rlp.encode(whole) + b"\0", rlp.encode(whole)[:-1], bytes(70_000)):
        with pytest.raises(Malformed):
            parse_header(data)


def test_proof_is_bounded_before_it_is_read() -> None:
    for proof in proofs():
        large = replace(proof, body=proof.body + b" " * PROOF_BYTES_MAX)
        assert f"at most {PROOF_BYTES_MAX}" in refused(large)
        for body in (b"", large.body):
            with pytest.raises(Malformed):
                check_body(replace(proof, body=body))


def test_builder_refuses_what_is_not_the_headers_and_what_is_too_long() -> None:
    """An endpoint that shows another block's receipts is found when the proof is built, not when it is checked."""
    good: dict[str, Any] = {
        "header": MADE.header,
        "index": 130,
        "log": 1,
        "receipts": MADE.receipts,
        "transactions": MADE.transactions,
    }
    for change in ({"receipts": MADE.receipts[:-1]}, {"transactions": MADE.transactions[::-1]}, {"receipts": []}):
        with pytest.raises(Unverified, match="not those of the header"):
            build_proof(**{**good, **change})
    with pytest.raises(Malformed):
        build_proof(**{**good, "header": b"\xc0"})
    long = block(count=2, index=1, logs=[anchored(), [SENDER, [], bytes(PROOF_BYTES_MAX * 3 // 4)]])
    with pytest.raises(Malformed, match="at most"):
        long.body(1, 1)
    key = index_key(130)
    assert member(proofs()[0], "receipt_path") == [b64encode(node) for node in Trie.of_list(MADE.receipts).path(key)]
    assert sealed(MADE, signers=NAMES[:3]).receipts == MADE.receipts
