"""Attestations: a quorum of pinned attesters about exactly this block, and every way to have one without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.evm.attestation import attestation_text, attester_key, join_attestation
from adapters.evm.header import parse_header
from adapters.evm.proof import ATTESTED, verify_attested
from adapters.evm.seals import stripped
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.note import Note, Signature, format_note, parse_note, sign_note
from relay.core.trust import LedgerRoot
from tests.evm.making import CHAIN, LEDGER, NAMES, TIME_S, attestation, block, ed_key, ed_public, pinned, sealed

ROOT = pinned(ATTESTED)
MADE = block(count=9, index=4)
HEADER = parse_header(MADE.header)
GOOD = attestation(MADE.header)


def proof(said: str) -> LedgerProof:
    return LedgerProof(kind=ATTESTED, ledger=LEDGER, body=MADE.body(4, 1, said))


def refused(said: str, root: LedgerRoot = ROOT) -> str:
    with pytest.raises((Malformed, Unverified)) as refusal:
        verify_attested(proof(said), root)
    return str(refusal.value)


def lines(*signatures: Signature) -> str:
    return format_note(Note(text=parse_note(GOOD.encode()).text, signatures=signatures)).decode()


SIGNED = parse_note(attestation(MADE.header, signers=NAMES).encode()).signatures


def test_text_has_six_lines() -> None:
    text = attestation_text("evm:lender-1", 1, 77, 1000, bytes(32))
    assert text == f"courtrelay.org/evm-header/v1\nevm:lender-1\n1\n77\n1000\n{'A' * 43}=\n"


def test_any_three_of_four_attesters_make_the_block_final() -> None:
    for left in range(4):
        chosen = [name for i, name in enumerate(NAMES) if i != left]
        for order in (chosen, chosen[::-1]):
            fact = verify_attested(proof(attestation(MADE.header, signers=order)), ROOT)
            assert (fact.block_hash, fact.time_ms) == (HEADER.hash, TIME_S * 1000)


@pytest.mark.parametrize(
    "other",
    [
        {"ledger": "evm:lender-2"},
        {"chain": CHAIN + 1},
        {"height": 78},
        {"height": 76},
        {"time_ms": TIME_S * 1000 + 1000},
        {"block_hash": bytes(32)},
        {"block_hash": parse_header(block(count=9, index=3).header).hash},
    ],
)
def test_attestation_of_another_ledger_chain_or_block_is_refused(other: dict[str, Any]) -> None:
    refused(attestation(MADE.header, **other))


def test_text_for_another_ledger_under_our_names_is_refused() -> None:
    """The signers are right, the text is about a chain with the same block: line 2 and 3 bind it."""
    for ledger, chain in (("evm:lender-2", CHAIN), (LEDGER, CHAIN + 1)):
        text = attestation_text(ledger, chain, HEADER.height, HEADER.time_ms, HEADER.hash)
        keys = [(attester_key(LEDGER, name, ed_public(name)), ed_key(name)) for name in NAMES[:3]]
        assert "is not about" in refused(join_attestation(text, [sign_note(text, k, s.sign) for k, s in keys]))


@pytest.mark.parametrize(
    ("signatures", "reason"),
    [
        (SIGNED[:2], "exactly 3"),
        (SIGNED[:1], "exactly 3"),
        (SIGNED, "exactly 3"),
        ((SIGNED[0], SIGNED[0], SIGNED[1]), "order of their names"),
        ((SIGNED[1], SIGNED[0], SIGNED[2]), "order of their names"),
        ((SIGNED[2], SIGNED[1], SIGNED[0]), "order of their names"),
        ((SIGNED[0], SIGNED[1], SIGNED[1]), "order of their names"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], name=f"{LEDGER}/omega")), "not a pinned attester"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], name="gamma2")), "order of their names|not a pinned"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], name=f"{LEDGER}/gamma")), "not a pinned|another key"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], key_id=SIGNED[1].key_id)), "another key"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], signature=SIGNED[1].signature)), "does not hold"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], signature=bytes(64))), "does not hold"),
        ((SIGNED[0], SIGNED[1], replace(SIGNED[2], signature=SIGNED[2].signature + b"\0")), "does not hold"),
    ],
)
def test_signatures_that_make_no_quorum_are_refused(signatures: tuple[Signature, ...], reason: str) -> None:
    said = refused(lines(*signatures))
    assert any(part in said for part in reason.split("|"))


def test_strangers_under_pinned_names_are_refused() -> None:
    text = parse_note(GOOD.encode()).text
    keys = [attester_key(LEDGER, name, ed_public(name)) for name in NAMES[:3]]
    assert "does not hold" in refused(
        join_attestation(text, [sign_note(text, k, ed_key("stranger").sign) for k in keys])
    )
    own = [attester_key(LEDGER, name, ed_public("stranger")) for name in NAMES[:3]]
    assert "another key" in refused(join_attestation(text, [sign_note(text, k, ed_key("stranger").sign) for k in own]))


@pytest.mark.parametrize(
    "said", ["x", "\n", "\n\n", GOOD[:-1], GOOD + "\n", GOOD.replace("\n\n", "\n"), "\x00" + GOOD, GOOD + GOOD]
)
def test_what_is_no_note_is_malformed(said: str) -> None:
    refused(said)


def test_attesters_count_only_while_their_keys_are_valid() -> None:
    for change in ({"valid_from_ms": HEADER.time_ms + 1000}, {"valid_to_ms": HEADER.time_ms}):
        late = replace(ROOT, validators=(replace(ROOT.validators[0], **change), *ROOT.validators[1:]))
        assert "was not valid" in refused(GOOD, late)
    edge = tuple(replace(v, valid_from_ms=HEADER.time_ms, valid_to_ms=HEADER.time_ms + 1000) for v in ROOT.validators)
    verify_attested(proof(GOOD), replace(ROOT, validators=edge))


def test_block_of_a_sealed_chain_can_be_attested_without_its_seals() -> None:
    """Then the header stands in the proof as the chain's hash covers it."""
    for qbft in (True, False):
        whole = sealed(MADE, qbft=qbft, round_number=3)
        bare = stripped(parse_header(whole.header))
        made = replace(whole, extra=parse_header(bare).extra_data)
        assert made.header == bare
        body = made.body(4, 1, attestation(bare))
        fact = verify_attested(LedgerProof(kind=ATTESTED, ledger=LEDGER, body=body), ROOT)
        assert fact.block_hash == parse_header(bare).hash
