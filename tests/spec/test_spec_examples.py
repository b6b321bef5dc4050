"""The worked examples of docs/spec are what the code makes, and the code accepts them as they stand in the documents."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.embedded.proof import verify_quorum
from adapters.tlog.proof import verify_tlog
from relay.core import limits
from relay.core.base64strict import b64decode, b64url_encode
from relay.core.canonical import dumps
from relay.core.checks import (
    check_anchor,
    check_disclosure,
    check_grant,
    check_log_signature,
    check_record,
    check_request,
    check_witnesses,
)
from relay.core.custody import custody_entry, parse_event
from relay.core.custody_audit import CustodyAudit
from relay.core.custody_export import FIRST_LINE, LAST_LINE, parse_event_line, parse_head_line
from relay.core.deposit import parse_deposit_line
from relay.core.disclosure import End, FrameDecoder, ManifestFrame, PayloadData, RecordFrame, parse_manifest
from relay.core.dossier import parse_entry, tag
from relay.core.errors import Malformed, Unverified
from relay.core.grants import parse_grant, parse_grant_statement, verify_grant_statement
from relay.core.jose import jwk, verify_jws
from relay.core.ledgerproof import LedgerProof
from relay.core.merkle import leaf_hash, verify_consistency, verify_inclusion, verify_subtree_consistency
from relay.core.note import VerifierKey
from relay.core.records import parse_sd_jwt, verify_record
from relay.core.requests import open_details, parse_request
from relay.core.sealing import StreamOpener
from relay.core.statement import parse_statement
from relay.core.times import format_utc
from relay.core.tlogproof import parse_tlog_proof
from relay.core.tombstone import parse_tombstone, verify_tombstone
from relay.core.trust import LedgerRoot, Validator, parse_trust_roots
from relay.core.verdict import Result
from tests.spec.actors import (
    BANK,
    BANK_LEDGER,
    CASE,
    COURT,
    CUSTODIAN_SEALING,
    DETAILS,
    DOSSIER,
    DOSSIER_KEY,
    KEYS,
    LOG_KEY,
    ONE_TIME,
    PAYLOAD,
    WITNESS_KEY,
)
from tests.spec.documents import FOLDER, anchors, example_texts, links, read_examples, rows
from tests.spec.examples import RECORDED, examples

TEXTS = example_texts()
MADE = examples({name: TEXTS[name] for name in RECORDED})
TRUST = parse_trust_roots(TEXTS["trust-roots"].encode())
VERIFIERS = {"quorum": verify_quorum}
OURS = (
    "README",
    "record",
    "tag",
    "entry",
    "checkpoint",
    "ledger-quorum",
    "ledger-tlog",
    "grant",
    "retrieval",
    "custody",
    "trust",
    "deposit",
    "erasure",
    "projection",
    "timestamp",
    "statement",
    "deposit-number",
    "report",
)


def quorum_proof(body: bytes) -> LedgerProof:
    return LedgerProof(kind="quorum", ledger=BANK_LEDGER, body=body)


def note(name: str) -> bytes:
    """A note of a document: the fence swallows the last newline."""
    return (TEXTS[name] + "\n").encode()


@pytest.mark.parametrize("name", sorted(MADE))
def test_document_shows_what_the_code_makes(name: str) -> None:
    assert TEXTS[name] == MADE[name].rstrip("\n")


def test_every_block_has_a_name_of_its_own_and_is_checked() -> None:
    here = [e.name for e in read_examples() if e.document.removesuffix(".md") in OURS]
    assert [name for name, count in Counter(here).items() if count > 1] == []
    assert set(here) == set(MADE) | set(RECORDED)


def test_limits_in_the_readme_are_those_of_the_code() -> None:
    stated = {name: int(value) for name, value in rows("README.md").items() if re.fullmatch(r"[A-Z_]+", name)}
    assert stated == {name: getattr(limits, name) for name in stated}
    assert {"ENTRY_BYTES", "PACKAGE_ENTRIES_MAX", "TRUST_VALIDATORS_MAX"} <= set(stated)


@pytest.mark.parametrize("document", OURS)
def test_links_between_the_documents_lead_somewhere(document: str) -> None:
    path = FOLDER / f"{document}.md"
    for file, anchor in links(path):
        if file.removesuffix(".md") in OURS:
            assert not anchor or anchor in anchors(FOLDER / file), f"{path.name} links to {file}#{anchor}"


def test_digests_follow_from_the_domains_in_the_readme() -> None:
    def hashed(domain: str, text: str) -> str:
        return hashlib.sha256(domain.encode() + text.encode()).hexdigest()

    assert TEXTS["record-commitment"] == hashed("courtrelay/commitment/v1", TEXTS["record-sd-jwt"].split("~")[0])
    assert TEXTS["grant-digest"] == hashed("courtrelay/grant/v1", TEXTS["grant-token"])
    assert TEXTS["request-digest"] == hashed("courtrelay/request/v1", TEXTS["request-token"])
    assert TEXTS["transaction-id"] == hashed("courtrelay/tx/v1", TEXTS["transaction"])
    assert TEXTS["custody-entry"] == "02" + hashed("courtrelay/custody/v1", TEXTS["custody-event"]) + "00" * 32
    for seq, shown in enumerate(TEXTS["tags"].split("\n")):
        message = b"courtrelay/tag/v1" + seq.to_bytes(8, "big")
        assert shown == hmac.new(DOSSIER_KEY, message, "sha256").hexdigest()
    assert TEXTS["block-hash"] == hashlib.sha256(TEXTS["block-note"].partition("\n\n")[0].encode() + b"\n").hexdigest()


def test_keys_of_the_readme_are_the_signers() -> None:
    for line in TEXTS["keys"].split("\n")[1:]:
        name, seed, public, kid = line.split()
        key = KEYS[name]
        assert bytes.fromhex(seed) == hashlib.sha256(b"courtrelay spec example " + name.encode()).digest()
        assert b64decode(public, what="", field="") == key.public
        assert kid == b64url_encode(hashlib.sha256(dumps(jwk(key.public))).digest())


def test_record_leads_from_its_text_to_the_lenders_ledger() -> None:
    """A stranger's way through record.md, entry.md, checkpoint.md, ledger-quorum.md and trust.md."""
    record = parse_sd_jwt(TEXTS["record-sd-jwt"])
    entry = parse_entry(bytes.fromhex(TEXTS["entry"]))
    assert (entry.tag, entry.commitment) == (tag(DOSSIER_KEY, record.seq), record.commitment)
    proof = parse_tlog_proof(note("tlog-proof"))
    assert proof.checkpoint == note("cosigned-note")
    fact = verify_quorum(quorum_proof(TEXTS["quorum-proof"].encode()), TRUST.ledger_root(BANK_LEDGER))
    checkpoint = check_log_signature(proof.checkpoint, TRUST, fact.time_ms)
    assert check_anchor(quorum_proof(TEXTS["quorum-proof"].encode()), checkpoint, TRUST, VERIFIERS) == fact
    verify_inclusion(
        leaf_hash(bytes.fromhex(TEXTS["entry"])), proof.index, checkpoint.size, proof.hashes, checkpoint.root
    )
    assert check_witnesses(proof.checkpoint, TRUST, anchored_ms=fact.time_ms) == [WITNESS_KEY.name]
    listed = parse_manifest(manifest_token()).entries[0]
    check_record(
        record,
        entry=listed,
        lender=BANK,
        dossier=DOSSIER,
        commitment=entry.commitment,
        anchored_ms=fact.time_ms,
        trust=TRUST,
    )
    assert record.payloads[0].sha256 == hashlib.sha256(note("record-payload")).hexdigest()


def test_verifier_keys_read_back() -> None:
    assert VerifierKey.parse(TEXTS["log-vkey"]) == LOG_KEY
    assert VerifierKey.parse(TEXTS["witness-vkey"]) == WITNESS_KEY


def test_tree_proofs_of_the_document_hold() -> None:
    roots = [bytes.fromhex(line) for line in TEXTS["roots"].split("\n")]
    leaves = [bytes.fromhex(line) for line in TEXTS["leaves"].split("\n")]
    verify_inclusion(leaves[1], 1, 5, [bytes.fromhex(h) for h in TEXTS["inclusion"].split("\n")], roots[4])
    verify_consistency(3, 5, [bytes.fromhex(h) for h in TEXTS["consistency"].split("\n")], roots[2], roots[4])
    subtree, root, *proof = [bytes.fromhex(line.split()[-1]) for line in TEXTS["package"].split("\n")]
    verify_subtree_consistency(256, 300, 300, proof, subtree, root)


def manifest_token() -> str:
    """The manifest as it lies in the sealed answer of retrieval.md."""
    event = next(FrameDecoder().feed(opened()))
    assert isinstance(event, ManifestFrame)
    return event.token


def opened() -> bytes:
    digest = bytes.fromhex(TEXTS["request-digest"])
    opener = StreamOpener(TEXTS["sealed-header"].encode(), ONE_TIME, digest)
    plaintext = opener.open(bytes.fromhex(TEXTS["sealed-chunk"].replace("\n", "")))
    opener.finish()
    return plaintext


def test_request_and_grant_hold_together() -> None:
    grant, request = parse_grant(TEXTS["grant-token"]), parse_request(TEXTS["request-token"])
    check_grant(grant, TRUST, lender=BANK, court=COURT, dossier=DOSSIER, case=CASE)
    check_request(request, grant, TRUST)
    assert open_details(request, CUSTODIAN_SEALING) == DETAILS
    assert request.recipient == ONE_TIME.public_key
    check_disclosure(parse_manifest(manifest_token()), grant, request, DOSSIER, TRUST)
    statement = parse_grant_statement(TEXTS["statement-token"])
    verify_grant_statement(statement, KEYS["grant"].public)
    assert (statement.grant, statement.exp) == (grant.digest.hex(), grant.exp)


def test_sealed_answer_opens_to_the_frames_of_the_document() -> None:
    decoder = FrameDecoder()
    plaintext = opened()
    events = list(decoder.feed(plaintext))
    decoder.finish()
    assert [e.text for e in events if isinstance(e, RecordFrame)] == [TEXTS["record-sd-jwt"]]
    assert b"".join(bytes(e.data) for e in events if isinstance(e, PayloadData)) == PAYLOAD
    assert events[-1] == End(frames=3)
    assert plaintext.endswith(bytes.fromhex(TEXTS["frame-payload"] + TEXTS["frame-end"]))


def test_tombstone_of_the_document_holds_and_names_the_erased_entry() -> None:
    tombstone = parse_tombstone(TEXTS["tombstone-token"])
    verify_tombstone(tombstone, TRUST)
    assert tombstone.digest.hex() == TEXTS["tombstone-digest"]
    digest = hashlib.sha256(b"courtrelay/tombstone/v1" + TEXTS["tombstone-token"].encode()).hexdigest()
    assert parse_event(TEXTS["erase-event"].encode()).subject["tombstone"] == digest == TEXTS["tombstone-digest"]
    entry = json.loads(TEXTS["erased-entry"])
    assert (entry["seq"], entry["index"]) == tombstone.places[0]
    assert (entry["reason"], entry["erased_at"]) == (tombstone.basis, format_utc(tombstone.iat))


def test_platform_statement_of_the_document_reads_back() -> None:
    statement = parse_statement(TEXTS["platform-token"])
    verify_jws(statement.jws, KEYS["platform"].public)
    digest = hashlib.sha256(b"courtrelay/platform/v1" + TEXTS["platform-token"].encode()).hexdigest()
    assert TEXTS["platform-digest"] == digest == statement.digest.hex()
    assert (statement.draft.ledger, statement.draft.version) == (BANK_LEDGER, 1)


def test_custody_event_and_deposit_line_read_back() -> None:
    event = TEXTS["custody-event"].encode()
    assert parse_event(event).actor == COURT
    assert custody_entry(event).hex() == TEXTS["custody-entry"]
    lines = [f"{text}\n".encode() for text in TEXTS["custody-export"].split("\n")]
    assert (len(lines), lines[0], lines[3]) == (4, FIRST_LINE, LAST_LINE)
    head = parse_head_line(lines[1])
    audit = CustodyAudit(head, TRUST, VERIFIERS, parse_event(event).at_ms)
    row = parse_event_line(lines[2], 3, head.state.origin)
    audit.row(row.index, row.event, proof=row.proof)
    results = [step.result for step in audit.finish().steps]
    assert (row.event, results) == (event, [Result.OK] * 5 + [Result.NOT_RUN])
    line = parse_deposit_line(TEXTS["deposit-line"].encode(), what="example")
    record = parse_sd_jwt(TEXTS["record-sd-jwt"])
    assert (line.seq, line.kind, line.event_time_s, line.fields) == (
        record.seq,
        record.kind,
        record.event_time_s,
        record.fields,
    )


@given(st.data())
def test_no_byte_of_the_ledger_proof_is_free(data: st.DataObject) -> None:
    changed = changed_somewhere(TEXTS["quorum-proof"].encode(), data)
    with pytest.raises((Malformed, Unverified)):
        verify_quorum(quorum_proof(changed), TRUST.ledger_root(BANK_LEDGER))


def tlog_root() -> LedgerRoot:
    forever = {"valid_from_ms": 0, "valid_to_ms": 253_402_300_799_000}
    log = Validator(name=LOG_KEY.name, public_key=LOG_KEY.public_key, **forever)
    witness = Validator(name=WITNESS_KEY.name, public_key=WITNESS_KEY.public_key, **forever)
    return LedgerRoot(ledger="bank-log", kind="tlog", threshold=2, validators=(log, witness))


def test_proof_of_a_tiled_log_reads_back() -> None:
    body = TEXTS["tlog-ledger-proof"].encode()
    fact = verify_tlog(LedgerProof(kind="tlog", ledger="bank-log", body=body), tlog_root())
    assert (fact.block_hash.hex(), fact.tx_id.hex()) == (TEXTS["tlog-block-hash"], TEXTS["tlog-transaction-id"])
    assert (fact.fact["root"], fact.height, fact.time_ms) == (
        json.loads(TEXTS["transaction"])["root"],
        5,
        1_762_160_410_000,
    )


@given(st.data())
def test_no_byte_of_the_tlog_proof_is_free(data: st.DataObject) -> None:
    changed = changed_somewhere(TEXTS["tlog-ledger-proof"].encode(), data)
    with pytest.raises((Malformed, Unverified)):
        verify_tlog(LedgerProof(kind="tlog", ledger="bank-log", body=changed), tlog_root())


@given(st.data())
def test_no_byte_of_the_record_is_free(data: st.DataObject) -> None:
    changed = changed_somewhere(TEXTS["record-sd-jwt"].encode(), data)
    with pytest.raises((Malformed, Unverified)):
        verify_record(parse_sd_jwt(changed), KEYS["record"].public)


def changed_somewhere(original: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != original[at]))
    return original[:at] + bytes([byte]) + original[at + 1 :]
