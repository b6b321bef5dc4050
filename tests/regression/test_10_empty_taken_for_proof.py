"""A library that proved absence from a trie took the empty proof for one. Here nothing empty is a proof, a signature list or a
permission, and that something was not found counts only as the court's own signed statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from adapters.embedded.proof import verify_quorum
from relay.core.base64strict import b64decode, b64encode
from relay.core.bundle import parse_bundle_manifest, parse_consistency, parse_ledger_proof, parse_seal
from relay.core.canonical import dumps, loads
from relay.core.checkpoint import parse_checkpoint, verify_cosignatures
from relay.core.checks import check_witnesses
from relay.core.completeness import make_completeness, parse_completeness
from relay.core.custody import parse_event
from relay.core.disclosure import parse_manifest
from relay.core.errors import Malformed
from relay.core.grants import parse_grant, parse_grant_statement
from relay.core.ledgerproof import LedgerProof
from relay.core.merkle import EMPTY_ROOT, MemoryTree, leaf_hash, verify_consistency, verify_inclusion
from relay.core.note import Note, VerifierKey, format_note, parse_note, verify
from relay.core.records import parse_sd_jwt
from relay.core.requests import parse_request
from relay.core.tlogproof import parse_tlog_proof
from relay.core.trust import parse_trust_roots
from relay.core.verdict import Finding, Result
from tests.core.evidence import STRANGER, grant
from tests.regression.refusing import refusal
from tests.support.bundles import Made

NOTHING = (
    b"",
    b" ",
    b"\n",
    b"\n\n",
    b"\t \r\n",
    b"\x00",
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"0",
    b"..",
    b"~",
    b"\xef\xbb\xbf",
)
PARSERS: tuple[Callable[[bytes], Any], ...] = (
    parse_note,
    parse_checkpoint,
    parse_tlog_proof,
    parse_grant,
    parse_grant_statement,
    parse_request,
    parse_manifest,
    parse_completeness,
    parse_seal,
    parse_sd_jwt,
    parse_event,
    parse_trust_roots,
    parse_bundle_manifest,
    lambda data: parse_ledger_proof(data, what="proof"),
)


@pytest.mark.parametrize("data", NOTHING)
def test_nothing_is_no_document_of_any_kind(data: bytes) -> None:
    for parse in PARSERS:
        refusal(parse, data)
    if data:
        refusal(lambda d: parse_consistency(d, what="proof"), data)


def test_empty_path_proves_nothing_but_the_only_leaf() -> None:
    hashes = [leaf_hash(bytes([n])) for n in range(20)]
    tree = MemoryTree(hashes)
    for size in range(2, 21):
        root = tree.root(size)
        for leaf in (root, hashes[0], EMPTY_ROOT):
            for index in range(size):
                refusal(verify_inclusion, leaf, index, size, [], root)
        for old in range(size):
            refusal(verify_consistency, old, size, [], root, root)
            refusal(verify_consistency, old, size, [], tree.root(old), root)
    refusal(verify_consistency, 0, 0, [], EMPTY_ROOT, EMPTY_ROOT)


def test_note_without_a_known_signature_is_not_signed(made: Made) -> None:
    """No lines, no keys to check with, lines of strangers only, a ledger's block with no signature."""
    parts = made.parts()
    note = parse_note(parts["anchors/0000/checkpoint.note"])
    log, witness = note.signatures
    key = VerifierKey.ed25519(log.name, next(k for k in made.trust.pinned_keys if k.use == "log").public_key)
    stranger = VerifierKey.ed25519(log.name, STRANGER.public)
    assert verify(note, [key]) == [key]
    for keys in ([], [stranger]):
        assert "no known key" in refusal(verify, note, keys)
    refusal(parse_note, format_note(Note(text=note.text, signatures=())))
    refusal(verify, Note(text=note.text, signatures=(witness,)), [key])
    assert verify_cosignatures(note, []) == []
    only_log = format_note(Note(text=note.text, signatures=(log,)))
    assert "0 pinned witnesses" in refusal(partial(check_witnesses, anchored_ms=0), only_log, made.trust)
    outer = parse_ledger_proof(parts["anchors/0000/anchor.json"], what="proof")
    root = made.trust.ledger_root(outer.ledger)
    body = loads(outer.body, what="", bytes_max=10**6)
    head = str(body["block"]).split("\n\n")[0]
    assert verify_quorum(outer, root).ledger == root.ledger
    for block in ("", head + "\n", head + "\n\n", head + "\n\n\n"):
        proof = LedgerProof(kind=outer.kind, ledger=outer.ledger, body=dumps({**body, "block": block}))
        refusal(verify_quorum, proof, root)


def test_empty_sets_of_keys_and_permissions_are_malformed(made: Made) -> None:
    """An empty list never means 'anyone' or 'anything'."""
    value = json.loads(made.trust.to_json())
    for name in ("keys", "logs", "ledgers", "courts"):
        for empty in ([], None, {}, "", 0, False):
            assert name in refusal(parse_trust_roots, json.dumps({**value, name: empty}).encode())
        missing = {k: v for k, v in value.items() if k != name}
        assert name in refusal(parse_trust_roots, json.dumps(missing).encode())
        with pytest.raises(Malformed, match=r"must not be empty|is 1; must be"):
            replace(made.trust, **{"pinned_keys" if name == "keys" else name: ()})
    for empty in ({"validators": []}, {"threshold": 0}, {"validators": [], "threshold": 0}):
        ledgers = [{**value["ledgers"][0], **empty}, *value["ledgers"][1:]]
        refusal(parse_trust_roots, json.dumps({**value, "ledgers": ledgers}).encode())
    for name in ("dossiers", "kinds"):
        with pytest.raises(Malformed, match=name):
            grant(**{name: []})


def test_not_found_without_a_signed_statement_proves_no_absence(made: Made) -> None:
    """A record left out of the bundle, with every way to say that there is none, sealed by the court's own key."""
    parts = made.parts()
    statement = parse_completeness(parts["completeness.jwt"])
    records = tuple(r for r in parse_bundle_manifest(parts["manifest.json"]).records if r.seq != 2)
    fewer = {n: d for n, d in parts.items() if not n.startswith("records/000002/")}

    def stated(count: int, tag: bytes, key: Any) -> bytes:
        return make_completeness(
            iss=statement.iss, origin=statement.origin, dossier=statement.dossier, size=statement.size, root=statement.root,
            absent_tag=tag, indices=statement.indices[:count], looked_ahead=64, iat=statement.iat,
            public_key=key.public if key is STRANGER else key.public_key, sign=key.sign,
        ).encode()  # fmt: skip

    forged = [
        stated(3, statement.absent_tag, STRANGER),
        stated(2, statement.absent_tag, made.seal),
        b"",
        b"{}",
        b"null",
    ]
    for kept, rows in ((parts, {}), (fewer, {"records": records})):
        bundles = [made.sealed_again({**kept, "completeness.jwt": data}, **rows) for data in forged]
        bundles.append(made.sealed_again({n: d for n, d in kept.items() if n != "completeness.jwt"}, **rows))
        for data in bundles:
            verdict = made.verify(data)
            assert verdict.verdict in (Finding.INCONSISTENT, Finding.UNVERIFIABLE)
            assert verdict.steps[12].result is not Result.OK
    honest = stated(3, statement.absent_tag, made.seal)
    assert made.verify(made.sealed_again({**parts, "completeness.jwt": honest})).verdict is Finding.CONSISTENT
    assert made.verify(made.sealed_again(fewer, records=records)).verdict is Finding.INCONSISTENT


def test_empty_anchor_list_is_never_consistent(made: Made) -> None:
    """No anchor, or anchors with an empty proof: pending or refused, not proven."""
    parts = made.parts()
    rows = tuple(replace(r, anchor=None) for r in parse_bundle_manifest(parts["manifest.json"]).records)
    assert made.verify(made.sealed_again(parts, anchors=(), records=rows)).verdict is not Finding.CONSISTENT
    for name in ("anchors/0000/anchor.json", "anchors/0000/receipt.json", "grant-registered.json"):
        outer = json.loads(parts[name])
        assert b64decode(outer["body"], what="", field="")
        for body in (b"", b"{}", b" "):
            data = dumps({**outer, "body": b64encode(body)})
            assert made.verify(made.sealed_again({**parts, name: data})).verdict is Finding.INCONSISTENT
