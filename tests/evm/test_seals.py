"""Committed seals: real blocks of Besu chains, its encoder's own vector, and every way to seal without the right to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import coincurve
import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.evm.header import encode_header, parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import QBFT, verify_qbft
from adapters.evm.receipts import chain_id, encode_transaction
from adapters.evm.seals import chain_hash, check_seals, parse_extra, recover, seal_digest, stripped
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.trust import LedgerRoot
from tests.evm import real_blocks
from tests.evm.making import LEDGER, NAMES, Block, block, ec_key, extra_data, pinned, sealed, sealed_proof

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ROOT = pinned(QBFT)
MADE = block()


def refused(proof: LedgerProof, root: LedgerRoot = ROOT) -> str:
    with pytest.raises((Malformed, Unverified)) as refusal:
        verify_qbft(proof, root)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("shown", "qbft", "round_number"),
    [
        (real_blocks.IBFT2_ROUND_1, False, 1),
        (real_blocks.IBFT2_ROUND_0, False, 0),
        (real_blocks.QBFT_LONDON, True, 0),
        (real_blocks.QBFT_ROUND_1, True, 1),
    ],
)
def test_seals_of_real_blocks_are_those_of_their_validators(
    shown: dict[str, str], qbft: bool, round_number: int
) -> None:
    """The block's hash as its node gave it, and three different validators of its own list under the seals."""
    header = parse_header(encode_header(shown))
    extra = parse_extra(header.extra_data)
    assert (extra.qbft, int.from_bytes(extra.round, "big")) == (qbft, round_number)
    if "hash" in shown:
        assert chain_hash(header).hex() == shown["hash"][2:]
        assert header.hash.hex() != shown["hash"][2:]
        assert parse_header(stripped(header)).hash.hex() == shown["hash"][2:]
    keys = [coincurve.PublicKey(recover(seal_digest(header), seal)) for seal in extra.seals]
    signers = {keccak256(key.format(compressed=False)[1:])[12:] for key in keys}
    assert len(signers) == len(extra.seals) >= len(extra.validators) * 2 / 3
    assert signers <= set(extra.validators)


def test_seal_digest_is_the_published_one() -> None:
    header = parse_header(encode_header(real_blocks.QBFT_ROUND_1))
    assert seal_digest(header).hex() == real_blocks.QBFT_ROUND_1_DIGEST


def test_transaction_of_a_real_block_has_its_hash_and_chain() -> None:
    data = encode_transaction(real_blocks.QBFT_LONDON_TX)
    assert keccak256(data).hex() == real_blocks.QBFT_LONDON_TX["hash"][2:]
    assert chain_id(data) == int(real_blocks.QBFT_LONDON_TX["chainId"], 16)


def test_extra_data_is_that_of_besus_own_test() -> None:
    """hyperledger/besu, QbftExtraDataCodecTest: its known encoding, taken apart and put together without seals."""
    seals = [
        (1).to_bytes(32, "big") + (10).to_bytes(32, "big") + b"\0",
        (10).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\0",
    ]
    addresses = [bytes(19) + b"\x01", bytes(19) + b"\x02"]
    head = [bytes(range(1, 33)), addresses, [addresses[0], b"\xff"], b"\xfe\xdc\xba"]
    known = rlp.encode([*head, seals])
    assert known.hex().startswith("f8f0a00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20ea94")
    extra = parse_extra(known)
    assert (extra.vanity, extra.validators, extra.vote, extra.round, extra.seals) == (
        head[0],
        tuple(addresses),
        head[2],
        head[3],
        tuple(seals),
    )
    assert extra.without_seals() == rlp.encode([*head, []])
    assert extra.on_chain() == rlp.encode([*head[:3], b"", []])
    ibft = parse_extra(rlp.encode([*head[:3], b"\x00\xfe\xdc\xba", seals]))
    assert (ibft.qbft, ibft.without_seals()) == (False, rlp.encode([*head[:3], b"\x00\xfe\xdc\xba"]))
    assert ibft.on_chain() == rlp.encode(head[:3])


@pytest.mark.parametrize("qbft", [True, False])
@pytest.mark.parametrize("round_number", [0, 1, 77, 2**24 - 1])
def test_proof_of_either_engine_holds_in_any_round(qbft: bool, round_number: int) -> None:
    votes: list[Any] = [None, [b"\x09" * 20, b"\xff"], [b"\x09" * 20, b"" if qbft else b"\x00"]]
    hashes = set()
    for vote in votes:
        for signers in (NAMES[:3], NAMES[1:], NAMES, NAMES[2::-1]):
            proof = sealed_proof(MADE, signers=signers, qbft=qbft, round_number=round_number, vote=vote)
            fact = verify_qbft(proof, ROOT)
            assert (fact.height, fact.fact["type"], fact.fact["size"]) == (77, "anchor", 5)
            hashes.add(fact.block_hash)
    assert len(hashes) == len(votes), "the block's hash depends on the vote, never on seals or round"


@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        (NAMES[:2], "at least 3 are needed"),
        ((), "at least 3 are needed"),
        (("alpha", "alpha", "alpha"), "sealed twice"),
        (("alpha", "beta", "beta", "gamma"), "sealed twice"),
        (("alpha", "beta", "stranger"), "not that of a pinned validator"),
        (("alpha", "beta", "gamma", "stranger"), "not that of a pinned validator"),
        (("alpha", "beta", "gamma", "delta", "alpha"), "though 4 validators are pinned"),
    ],
)
def test_seals_that_make_no_quorum_are_refused(signers: Sequence[str], reason: str) -> None:
    for qbft in (True, False):
        assert reason in refused(sealed_proof(MADE, signers=signers, qbft=qbft))


def with_seals(seals: Sequence[bytes], **form: Any) -> LedgerProof:
    return LedgerProof(kind=QBFT, ledger=LEDGER, body=replace(MADE, extra=extra_data(seals, **form)).body(130, 1))


def good_seals(made: Block = MADE, **form: Any) -> list[bytes]:
    return list(parse_extra(sealed(made, **form).extra).seals)


def test_seals_of_another_block_round_or_engine_are_refused() -> None:
    other = block(count=3, index=1)
    for seals in (
        good_seals(other),
        good_seals(round_number=1),
        good_seals(qbft=False),
        good_seals(vote=[b"\x09" * 20, b"\xff"]),
    ):
        refused(with_seals(seals))
    verify_qbft(with_seals(good_seals()), ROOT)


def test_other_spelling_of_a_seal_is_refused() -> None:
    """n - s with the other parity recovers the same key: two spellings of one seal."""
    seals = good_seals()
    s = int.from_bytes(seals[0][32:64], "big")
    twin = seals[0][:32] + (ORDER - s).to_bytes(32, "big") + bytes([seals[0][64] ^ 1])
    digest = seal_digest(parse_header(sealed(MADE).header))
    key = coincurve.PublicKey.from_signature_and_message(twin, digest, hasher=None)
    assert key.format() == ec_key("alpha").public_key.format()
    assert "lower s" in refused(with_seals([twin, *seals[1:]]))
    for last in (2, 3, 27, 28, 255):
        assert "lower s" in refused(with_seals([seals[0][:64] + bytes([last]), *seals[1:]]))


HEADER = parse_header(MADE.header)
GOOD = good_seals()


@pytest.mark.parametrize("r", [0, 1, ORDER, ORDER - 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, ORDER, ORDER // 2 + 1, 2**256 - 1])
def test_numbers_that_are_no_signature_are_refused(r: int, s: int) -> None:
    for parity in (0, 1):
        fake = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([parity])
        refused(with_seals([fake, *good_seals()[1:]]))


@given(st.binary(min_size=65, max_size=65))
@settings(max_examples=300, deadline=None)
def test_random_seals_end_in_a_refusal(seal: bytes) -> None:
    for last in (seal, seal[:64] + bytes([seal[64] & 1])):
        header = parse_header(HEADER.with_extra(extra_data([*GOOD[:2], last])))
        with pytest.raises(Unverified):
            check_seals(header, ROOT)


def test_seals_count_only_while_their_keys_are_valid() -> None:
    proof = sealed_proof(MADE)
    time_ms = parse_header(MADE.header).time_ms
    for change in ({"valid_from_ms": time_ms + 1000}, {"valid_to_ms": time_ms}):
        late = replace(ROOT, validators=(replace(ROOT.validators[0], **change), *ROOT.validators[1:]))
        assert "was not valid" in refused(proof, late)
    edge = replace(
        ROOT, validators=tuple(replace(v, valid_from_ms=time_ms, valid_to_ms=time_ms + 1000) for v in ROOT.validators)
    )
    verify_qbft(proof, edge)


def test_two_keys_of_one_name_are_one_validator() -> None:
    """A key is changed: old and new of one validator never make two seals."""
    twice = replace(
        ROOT, validators=tuple(replace(v, name="alpha" if v.name == "beta" else v.name) for v in ROOT.validators)
    )
    assert "sealed twice" in refused(sealed_proof(MADE), twice)


def test_root_with_keys_of_the_other_form_verifies_nothing() -> None:
    mixed = replace(ROOT, validators=(replace(ROOT.validators[0], public_key=bytes(32)), *ROOT.validators[1:]))
    assert "33 bytes" in refused(sealed_proof(MADE), mixed)


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"\x80",
        bytes(32),
        rlp.encode([]),
        rlp.encode([b"\x2a" * 32, [], [], b""]),
        rlp.encode([b"\x2a" * 31, [], [], b"", []]),
        rlp.encode([b"\x2a" * 32, b"", [], b"", []]),
        rlp.encode([b"\x2a" * 32, [b"\x01" * 19], [], b"", []]),
        rlp.encode([b"\x2a" * 32, [], b"", b"", []]),
        rlp.encode([b"\x2a" * 32, [], [], bytes(4), []]),
        rlp.encode([b"\x2a" * 32, [], [], b"\x00\x01", []]),
        rlp.encode([b"\x2a" * 32, [], [], b"\x01" * 4, []]),
        rlp.encode([b"\x2a" * 32, [], [], bytes(5), []]),
        rlp.encode([b"\x2a" * 32, [], [], [], []]),
        rlp.encode([b"\x2a" * 32, [], [b"\x09" * 20], b"", []]),
        rlp.encode([b"\x2a" * 32, [], [b"\x09" * 20, b"\x00"], b"", []]),
        rlp.encode([b"\x2a" * 32, [], [b"\x09" * 20, b""], bytes(4), []]),
        rlp.encode([b"\x2a" * 32, [], [b"\x09" * 19, b"\xff"], b"", []]),
        rlp.encode([b"\x2a" * 32, [], [], b"", b""]),
        rlp.encode([b"\x2a" * 32, [], [], b"", [bytes(64)]]),
        rlp.encode([b"\x2a" * 32, [], [], b"", [bytes(65)] * 257]),
        rlp.encode([b"\x2a" * 32, [], [], b"", [], []]),
    ],
)  # fmt: skip
def test_extra_data_of_another_form_is_malformed(extra: bytes) -> None:
    with pytest.raises(Malformed):
        check_seals(parse_header(replace(MADE, extra=extra).header), ROOT)
