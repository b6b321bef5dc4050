"""docs/spec/ledger-evm.md says what the code does: steps, limits, topics, and an example that the code makes and accepts."""

from __future__ import annotations

import inspect
import re

import pytest

from adapters.evm import events, header, proof, receipts, rlp, seals, trie
from adapters.evm.proof import verify_attested, verify_qbft
from tests.evm.making import ORIGIN, TIME_S, TREE_ROOT
from tests.evm.spec_example import examples, proofs, root
from tests.spec.documents import FOLDER, anchors, example_texts, links

DOCUMENT = FOLDER / "ledger-evm.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
TEXTS = example_texts()


@pytest.mark.parametrize("name", sorted(examples()))
def test_document_shows_what_the_code_makes(name: str) -> None:
    assert TEXTS[name] == examples()[name].rstrip("\n")


def test_every_named_block_is_made_here() -> None:
    assert set(re.findall(r"example=(evm-[a-z-]+)", TEXT)) == set(examples())


def test_proofs_of_the_document_hold() -> None:
    attested, qbft = proofs()
    for made, check in ((attested, verify_attested), (qbft, verify_qbft)):
        fact = check(made, root(made.kind))
        assert (fact.fact["origin"], fact.fact["size"], fact.fact["root"]) == (ORIGIN, 5, TREE_ROOT.hex())
        assert (fact.height, fact.time_ms) == (77, TIME_S * 1000)
        assert fact.tx_id.hex() in TEXTS["evm-hashes"]
        assert fact.block_hash.hex() in TEXTS["evm-hashes"]


def test_topics_in_the_document_are_those_of_the_code() -> None:
    told = dict(re.findall(r"^\| `(\w+\([a-z0-9,]+\))` \| `0x([0-9a-f]{64})` \|", TEXT, re.MULTILINE))
    assert told == {events.SIGNATURES[name]: topic.hex() for name, topic in events.TOPICS.items()}


def test_steps_have_the_same_numbers() -> None:
    """The code labels each step; the kinds differ in the fifth only."""
    source = inspect.getsource(proof)
    coded = [int(number) for number in re.findall(r"^ +# ([0-9]+)\. ", source, re.MULTILINE)]
    checks = TEXT.split("## How to check")[1].split("\n## ")[0]
    told = [int(number) for number in re.findall(r"^([0-9]+)\. ", checks, re.MULTILINE)]
    assert sorted(set(coded)) == told == list(range(1, 12))
    assert sorted(coded) == sorted([*told, 4, 5])


def test_limits_in_the_document_are_those_of_the_code() -> None:
    for value in (
        proof.PROOF_BYTES_MAX,
        proof.INDEX_MAX,
        proof.CHAIN_ID_MAX,
        header.HEADER_BYTES_MAX,
        trie.NODES_MAX,
        trie.TRIE_BYTES_MAX,
        events.STATEMENT_BYTES_MAX,
        events.DATA_BYTES_MAX,
        seals.SEALS_MAX,
        rlp.DEPTH_MAX,
        receipts.TOPICS_MAX,
    ):
        assert f"{value:,}" in TEXT or str(value) in TEXT, value


def test_links_lead_somewhere() -> None:
    for file, anchor in links(DOCUMENT):
        assert not anchor or anchor in anchors(FOLDER / file), f"{file}#{anchor}"
