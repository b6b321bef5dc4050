"""Tombstones: one spelling, the lender's signature, and a list that agrees with them entry by entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.disclosure import ManifestEntry
from relay.core.errors import Malformed, RelayError, Unverified
from relay.core.jose import sign_jws
from relay.core.tombstone import (
    TYP,
    check_erased,
    erased_words,
    make_tombstone,
    parse_tombstone,
    tombstone_digest,
    verify_tombstone,
)
from relay.core.trust import Unpinned
from tests.spec.access import trust
from tests.spec.actors import BANK, COURT, DOSSIER, KEYS, ORIGIN, at

CLERK = "spiffe://bank.example/operator/clerk"
TRUST = trust()


def made(key: str = "record", **changes: Any) -> str:
    values: dict[str, Any] = {
        "iss": BANK, "origin": ORIGIN, "dossier": DOSSIER, "scope": "records", "places": [(1, 7), (3, 9)], "actor": CLERK,
        "basis": "own policy", "policy": "cn-2025", "policy_sha256": "ab" * 32, "iat": at("12:00:00"), **changes,
    }  # fmt: skip
    return make_tombstone(**values, public_key=KEYS[key].public, sign=KEYS[key].sign)


def entry(seq: int, index: int, **changes: Any) -> ManifestEntry:
    values: dict[str, Any] = {
        "seq": seq, "index": index, "kind": "repayment", "event_time_s": 5, "status": "erased", "reason": "own policy",
        "erased_s": at("12:00:00"), **changes,
    }  # fmt: skip
    return ManifestEntry(**values)


LISTED = (entry(0, 5, status="disclosed", reason="", erased_s=0), entry(1, 7), entry(2, 8, status="withheld", erased_s=0),
          entry(3, 9))  # fmt: skip


def check(entries: tuple[ManifestEntry, ...], *tokens: str) -> None:
    check_erased(entries, tokens, lender=BANK, dossier=DOSSIER, trust=TRUST)


def test_tombstone_reads_back_and_holds() -> None:
    parsed = parse_tombstone(made())
    verify_tombstone(parsed, TRUST)
    assert (parsed.places, parsed.actor, parsed.digest) == (((1, 7), (3, 9)), CLERK, tombstone_digest(made()))
    assert parsed.words() == erased_words(at("12:00:00"), "own policy") == "erased on 2025-11-03 under own policy"
    check(LISTED, made())
    check(LISTED, made(places=[(1, 7)]), made(places=[(3, 9)]))
    check(LISTED[:1])


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ((), "seq 1 is listed as erased, and no tombstone names it"),
        ((made(places=[(1, 7)]),), "seq 3 is listed as erased, and no tombstone names it"),
        ((made(places=[(0, 5), (1, 7), (3, 9)]),), "seq 0 is listed as disclosed, and a tombstone names it"),
        ((made(places=[(1, 7), (2, 8), (3, 9)]),), "seq 2 is listed as withheld, and a tombstone names it"),
        ((made(places=[(1, 7), (3, 8)]),), "seq 3: index, time or basis"),
        ((made(basis="another law"),), "seq 1: index, time or basis"),
        ((made(iat=at("12:00:01")),), "seq 1: index, time or basis"),
        ((made(), made(places=[(3, 9)])), "seq 3 is named by two tombstones"),
        ((made(), made(places=[(4, 10)])), "names seq 4, which the lender's list does not have"),
        ((made(dossier="ff" * 16),), "of another dossier"),
        ((made(iss=BANK.replace("harbour", "other")),), "of another lender"),
        ((made(scope="dossier", places=[(0, 5), (1, 7)]),), "of a whole dossier"),
        ((made(key="grant"),), "is not pinned as a record key"),
    ],
)
def test_list_that_does_not_agree_with_its_tombstones_is_refused(tokens: tuple[str, ...], said: str) -> None:
    with pytest.raises(Unverified, match=said):
        check(LISTED, *tokens)


def test_signature_of_another_tombstone_is_refused() -> None:
    signed = made().rpartition(".")[0]
    borrowed = made(basis="another law").rpartition(".")[2]
    with pytest.raises(Unverified, match="signature"):
        check(LISTED, f"{signed}.{borrowed}")


def test_log_of_another_or_unknown_lender() -> None:
    with pytest.raises(Unpinned):
        verify_tombstone(parse_tombstone(made(origin="elsewhere.example/log")), TRUST)
    with pytest.raises(Unverified, match="is not of"):
        verify_tombstone(parse_tombstone(made(iss=BANK.replace("harbour", "other"))), TRUST)


@pytest.mark.parametrize(
    "changes",
    [
        {"places": []},
        {"places": [(3, 9), (1, 7)]},
        {"places": [(1, 7), (1, 9)]},
        {"places": [(1, 7), (3, 7)]},
        {"scope": "dossier"},
        {"scope": "all"},
        {"actor": COURT},
        {"basis": ""},
        {"policy_sha256": "AB" * 32},
    ],
)
def test_tombstone_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        made(**changes)


def test_unknown_member_is_refused() -> None:
    payload = {**parse_tombstone(made()).jws.payload, "more": 1}
    with pytest.raises(Malformed, match="more"):
        parse_tombstone(sign_jws(TYP, payload, KEYS["record"].public, KEYS["record"].sign))


@given(st.data())
def test_no_byte_of_a_tombstone_is_free(data: st.DataObject) -> None:
    token = made().encode()
    place = data.draw(st.integers(0, len(token) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != token[place]))
    with pytest.raises((Malformed, Unverified)):
        verify_tombstone(parse_tombstone(token[:place] + bytes([byte]) + token[place + 1 :]), TRUST)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(RelayError):
        parse_tombstone(data)
