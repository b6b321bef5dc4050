"""The proof of one event, and docs/spec/projection.md beside the code: limits, steps, and an example that reads back."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.evm import declaration, events, mapping
from relay.core import projected_proof
from relay.core.base64strict import b64encode
from relay.core.canonical import dumps
from relay.core.errors import Malformed, Unverified
from relay.core.projected_proof import FORMAT, ProvenEvent, read_extra, verify_proof
from relay.core.tlogproof import parse_tlog_proof
from relay.core.trust import parse_trust_roots
from tests.spec.documents import FOLDER, anchors, example_texts, links
from tests.spec.projecting import CHAIN, TABLE, data

DOCUMENT = FOLDER / "projection.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
TEXTS = example_texts()
PROOF = (TEXTS["projection-proof"] + "\n").encode()
TRUST = parse_trust_roots(TEXTS["trust-roots"].encode())
NOW_MS = 1_762_164_303_000
EXTRA = json.loads(parse_tlog_proof(PROOF).extra or b"")


def verified(proof: bytes = PROOF) -> ProvenEvent:
    return verify_proof(proof, TRUST, NOW_MS)


def with_extra(**change: object) -> bytes:
    """The proof with another event."""
    lines = PROOF.split(b"\n")
    lines[1] = b"extra " + b64encode(dumps({**EXTRA, **change})).encode()
    return b"\n".join(lines)


def test_proof_of_the_document_holds_and_says_the_event() -> None:
    shown = verified()
    assert (shown.index, shown.seq, shown.event.height, shown.event.log) == (4, 1, 78, 0)
    assert [name for name, _ in shown.witnesses] == ["court.example/witness"]
    assert shown.event.emitter == f"eip155:{CHAIN}:{TABLE['address']}"
    assert data("receipt", shown.event.time).hex() == TEXTS["projection-data"].split("\n")[1]


def test_entries_of_the_document_follow_from_its_words_alone() -> None:
    """A second implementation in ten lines, with nothing of the program's."""
    values = {
        row[:15].strip(): bytes.fromhex(row[15:].strip()) for row in TEXTS["projection-values"].split("\n")
    }  # fmt: skip

    def sha(*parts: bytes) -> bytes:
        return hashlib.sha256(b"".join(parts)).digest()

    emitter = sha(json.loads(TEXTS["projection-mapping"])["emitter"].encode())
    name = sha(b"courtrelay/projected-dossier/v1", emitter, values["loan"])
    key = sha(b"courtrelay/projected-key/v1", name, values["block 77"], (1).to_bytes(8, "big"))
    assert (emitter, name, key) == (values["emitter, hashed"], values["dossier name"], values["dossier key"])
    made = []
    for seq, (height, log) in enumerate(((77, 1), (78, 0))):
        words = bytes.fromhex(TEXTS["projection-data"].split("\n")[seq])
        commitment = sha(
            b"courtrelay/projected/v1", emitter, values["topic 0"], height.to_bytes(8, "big"),
            values[f"block {height}"], log.to_bytes(8, "big"), values["loan"], words[:32], words[56:],
        )  # fmt: skip
        tag = hmac.digest(key, b"courtrelay/tag/v1" + seq.to_bytes(8, "big"), "sha256")
        made.append((b"\x03" + tag + commitment).hex())
    assert made == TEXTS["projection-entries"].split("\n")


def test_limits_in_the_document_are_those_of_the_code() -> None:
    for value in (
        mapping.MAPPINGS_MAX,
        declaration.DECLARATION_CHARS_MAX,
        declaration.FIELDS_MAX,
        declaration.INDEXED_MAX,
        declaration.ARRAY_MAX,
        events.DATA_BYTES_MAX,
        projected_proof.EXTRA_BYTES_MAX,
    ):
        assert f"{value:,}" in TEXT or str(value) in TEXT, value


def test_steps_of_the_proof_have_the_same_numbers() -> None:
    coded = re.findall(r"^ +# ([0-9]+)\. ", inspect.getsource(verify_proof), re.MULTILINE)
    told = re.findall(r"^([0-9]+)\. ", TEXT.split("To check one offline:")[1].split("\n## ")[0], re.MULTILINE)
    assert coded == told == ["1", "2", "3"]


def test_links_lead_somewhere() -> None:
    for file, anchor in links(DOCUMENT):
        assert not anchor or anchor in anchors(FOLDER / file), f"{file}#{anchor}"


@pytest.mark.parametrize(
    "change",
    [
        {"emitter": "eip155:1338:0xc0ffee0000000000000000000000000000000001"},
        {"kind": "00" * 32},
        {"height": 77},
        {"block_hash": "00" * 32},
        {"log": 1},
        {"dossier": "00" * 32},
        {"digest": "00" * 32},
        {"time": 0},
        {"seq": 2},
        {"first_block": "00" * 32},
        {"first_log": 0},
    ],
)
def test_event_that_is_another_one_is_not_in_the_log(change: dict[str, object]) -> None:
    with pytest.raises(Unverified, match="inclusion"):
        verified(with_extra(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"format": FORMAT + "x"},
        {"more": 1},
        {"seq": 0},
        {"first_block": EXTRA["block_hash"], "first_log": EXTRA["log"]},
        {"digest": "0x" + "00" * 31},
        {"height": -1},
        {"emitter": "a b"},
        {"emitter": ""},
    ],
)
def test_extra_that_is_no_event_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((Malformed, Unverified)):
        verified(with_extra(**change))


def test_proof_without_an_event_is_refused() -> None:
    with pytest.raises(Malformed, match="no projected event"):
        verified((TEXTS["tlog-proof"] + "\n").encode())
    with pytest.raises(Malformed):
        read_extra(b" " + dumps(EXTRA))


@given(st.data())
def test_no_byte_of_the_proof_is_free(given_: st.DataObject) -> None:
    at = given_.draw(st.integers(0, len(PROOF) - 1))
    byte = given_.draw(st.integers(0, 255).filter(lambda b: b != PROOF[at]))
    changed = PROOF[:at] + bytes([byte]) + PROOF[at + 1 :]
    try:
        shown = verified(changed)
    except (Malformed, Unverified):
        return
    # a cosignature of somebody who is not pinned may be anything
    assert shown.witnesses == ()
    assert shown.event == verified().event


def test_index_beyond_the_tree_is_refused() -> None:
    with pytest.raises(Unverified, match="beyond the checkpoint's size"):
        verified(PROOF.replace(b"\nindex 4\n", b"\nindex 5\n"))
