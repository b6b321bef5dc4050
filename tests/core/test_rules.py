"""Small rules with large consequences: what a grant permits, where a dossier ends, what one deposited line may say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.core.base64strict import b64decode, b64encode, b64url_decode, b64url_encode
from relay.core.deposit import check_event_time, check_payload, input_digest, parse_deposit_line
from relay.core.dossier import check_sequence, make_custody_entry, make_entry, make_projected_entry, parse_entry, tag
from relay.core.errors import Denied, Malformed
from relay.core.grants import Access, issue_grant, opens, parse_grant, permits
from relay.core.identity import parse_identity
from relay.core.jose import thumbprint
from relay.core.records import PayloadDigest, commitment

LENDER, COURT = "spiffe://a.example/custodian/lender", "spiffe://a.example/court/court"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SIGNER.public_key().public_bytes_raw()
REQUEST_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))).public_key().public_bytes_raw()
DOSSIER = "ab" * 16
GRANT = parse_grant(
    issue_grant(
        iss=LENDER, aud=COURT, case="Case 1", dossiers=[DOSSIER], kinds=["*"], mode="retrieve", purpose="filing",
        nbf=1000, exp=2000, iat=1000, uses=2, request_key=REQUEST_KEY, public_key=PUBLIC, sign=SIGNER.sign,
        random_bytes=bytes,
    )
)  # fmt: skip
ASKED: dict[str, Any] = {
    "custodian": LENDER, "court": COURT, "case": "Case 1", "dossier": DOSSIER, "mode": "retrieve",
    "kid": thumbprint(REQUEST_KEY),
}  # fmt: skip
STATE: dict[str, Any] = {"now_s": 1500, "uses_spent": 0, "revoked_at_s": None, "registered": True}


def ask(access: dict[str, Any] | None = None, **state: Any) -> None:
    permits(GRANT, Access(**{**ASKED, **(access or {})}), **{**STATE, **state})


def test_everything_right_is_permitted_up_to_the_last_second_and_use() -> None:
    for state in ({}, {"now_s": 1000}, {"now_s": 1999}, {"uses_spent": 1}):
        assert ask(**state) is None


@pytest.mark.parametrize(
    ("access", "state", "reason"),
    [
        ({"court": "spiffe://a.example/court/other"}, {}, "not for"),
        ({"custodian": "spiffe://a.example/custodian/other"}, {}, "issued by"),
        ({"case": "Case 2"}, {}, "another case"),
        ({"dossier": "cd" * 16}, {}, "does not name this dossier"),
        ({"kid": thumbprint(PUBLIC)}, {}, "bound to"),
        ({}, {"now_s": 999}, "not valid yet"),
        ({}, {"now_s": 2000}, "has expired"),
        ({}, {"now_s": 1}, "future"),
        ({}, {"uses_spent": 2}, "uses"),
        ({}, {"uses_spent": -1}, "uses"),
        ({}, {"revoked_at_s": 0}, "revoked"),
        ({}, {"revoked_at_s": 10**9}, "revoked"),
        ({}, {"registered": False}, "not registered"),
        ({}, {"registered": 1}, "not registered"),
    ],
    ids=[
        "wrong-court", "wrong-custodian", "wrong-case", "other-dossier", "wrong-key", "not-yet-valid", "expired",
        "future-dated", "uses-spent", "negative-uses", "revoked", "revoked-later", "unregistered", "truthy-is-not-true",
    ],
)  # fmt: skip
def test_one_thing_wrong_is_denied(access: dict[str, Any], state: dict[str, Any], reason: str) -> None:
    with pytest.raises(Denied, match=reason):
        ask(access, **state)


def test_star_opens_ordinary_kinds_and_privileged_ones_only_by_name() -> None:
    assert opens(GRANT, kind="contract", confidentiality="ordinary")
    assert not opens(GRANT, kind="mediation_session", confidentiality="mediation_privileged")
    assert not opens(GRANT, kind="anything", confidentiality="a-class-of-tomorrow")


def test_tags_are_unlinkable_without_the_key_and_stable_with_it() -> None:
    key, other = bytes(32), bytes([1] * 32)
    tags = [tag(key, seq) for seq in range(100)]
    assert len(set(tags)) == 100
    assert not set(tags) & {tag(other, seq) for seq in range(100)}
    assert tag(key, 7) == tags[7]


@given(st.sets(st.integers(0, 40)), st.integers(0, 41))
def test_sequence_is_whole_only_when_it_is(found: set[int], logged: int) -> None:
    findings = check_sequence(found, logged=logged)
    assert findings.whole is (found == set(range(logged)))
    named = {n for run in (*findings.missing, findings.cut) for n in run}
    assert named == set(range(logged)) - found
    assert {n for run in findings.beyond for n in run} == found - set(range(logged))


def test_words_name_what_is_missing() -> None:
    assert check_sequence([0, 1, 3, 4], logged=6).words() == ("hole: seq 2 missing", "cut tail: seq 5 missing")
    assert check_sequence([0, 1, 1, 9], logged=2).words() == (
        "doubled: seq 1 appears more than once",
        "seq 9 not logged",
    )
    assert check_sequence([], logged=3).words() == ("cut tail: seq 0 to 2 missing",)


def test_entries_are_of_three_versions_and_no_other() -> None:
    entry = parse_entry(make_entry(bytes(32), bytes([1] * 32)))
    assert (entry.version, entry.commitment) == (1, bytes([1] * 32))
    assert parse_entry(make_custody_entry(bytes([2] * 32))).version == 2
    assert parse_entry(make_projected_entry(bytes(32), bytes(32))).version == 3
    for wrong in (b"", bytes(64), bytes(66), b"\x00" + bytes(64), b"\x04" + bytes(64), b"\x02" + bytes(63) + b"\x01"):
        with pytest.raises(Malformed):
            parse_entry(wrong)


def test_commitment_is_bound_to_its_domain_and_every_byte() -> None:
    assert commitment("a.b.c") != commitment("a.b.d")
    assert len({commitment("a.b.c"[:n]) for n in range(6)}) == 6


LINE: dict[str, Any] = {
    "dossier": "L", "seq": 1, "kind": "repayment", "kind_version": 1, "event_time": "2025-01-01T00:00:00Z",
    "provenance": dict.fromkeys(("source", "generation", "storage", "notarisation", "witnesses", "corroboration"), ""),
    "fields": {"a": 1},
}  # fmt: skip


def parse(**change: Any) -> Any:
    return parse_deposit_line(json.dumps({**LINE, **change}).encode(), what="line 1")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seq": -1}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": 100_000}, "seq"),
        ({"kind": "Repayment"}, "kind"),
        ({"kind_version": 0}, "kind_version"),
        ({"event_time": "2025-01-01T00:00:00"}, "event_time"),
        ({"event_time": "2025-01-01T24:00:00Z"}, "event_time"),
        ({"event_time": "2025-01-01T00:00:00+08:00"}, "event_time"),
        ({"fields": []}, "fields"),
        ({"provenance": {}}, "provenance"),
        ({"confidentiality": "secret"}, "confidentiality"),
        ({"supersedes": 1}, "supersedes"),
        ({"dossier": ""}, "dossier"),
        ({"dossier": "x" * 129}, "dossier"),
        ({"dossier": "a\u202eb"}, "dossier"),
        ({"payloads": [{}]}, "payloads[0]"),
        ({"payloads": [{"file": "a", "name": "A", "media_type": "text/plain"}]}, "payloads[0].name"),
        ({"payloads": [{"file": "a", "name": "a", "media_type": "text"}]}, "payloads[0].media_type"),
        ({"payloads": [{"file": "a", "name": "a", "media_type": "text/plain", "sha256": "AA"}]}, "payloads[0].sha256"),
        ({"payloads": [{"file": "a", "name": "a", "media_type": "text/plain", "size": 2**40}]}, "payloads[0].size"),
        ({"more": 1}, "more"),
    ],
)
def test_deposited_line_with_one_thing_wrong_is_named_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse(**change)
    assert refusal.value.field.startswith(field)
    assert refusal.value.what == "line 1"


def test_numbers_with_a_point_are_refused() -> None:
    for text in (b"1.0", b"1e3", b"NaN", b"-0.0"):
        with pytest.raises(Malformed):
            parse_deposit_line(json.dumps(LINE).encode().replace(b'{"a": 1}', b'{"a": ' + text + b"}"), what="line 1")


def test_event_time_and_payload_are_checked_against_what_is() -> None:
    line = parse()
    check_event_time(line, now_s=line.event_time_s, skew_s=0, what="line 1")
    for now_s, skew in ((line.event_time_s - 301, 300), (0, 0)):
        with pytest.raises(Malformed, match="future"):
            check_event_time(line, now_s=now_s, skew_s=skew, what="line 1")
    declared = parse(
        payloads=[{"file": "a", "name": "a", "media_type": "text/plain", "size": 3, "sha256": "0" * 64}]
    ).payloads[0]
    check_payload(declared, size=3, sha256="0" * 64, what="line 1")
    for size, sha256 in ((2, "0" * 64), (3, "1" * 64)):
        with pytest.raises(Malformed):
            check_payload(declared, size=size, sha256=sha256, what="line 1")


def test_same_record_is_the_same_whatever_its_files_are_called() -> None:
    digest = PayloadDigest(name="a", media_type="text/plain", size=1, sha256="0" * 64)
    payload = {"name": "a", "media_type": "text/plain"}
    one, two = parse(payloads=[{"file": "x", **payload}]), parse(payloads=[{"file": "y", **payload}])
    assert input_digest(one, [digest]) == input_digest(two, [digest])
    for change in ({"seq": 2}, {"fields": {"a": 2}}, {"kind": "reminder"}, {"event_time": "2025-01-01T00:00:01Z"}):
        assert input_digest(parse(**change), [digest]) != input_digest(one, [digest])


@given(st.binary(max_size=60))
def test_base64_has_one_spelling(data: bytes) -> None:
    assert b64decode(b64encode(data), what="x", field="y") == data
    assert b64url_decode(b64url_encode(data), what="x", field="y") == data
    for wrong in (b64encode(data) + "=", b64encode(data) + "\n", " " + b64encode(data)):
        with pytest.raises(Malformed):
            b64decode(wrong, what="x", field="y")


@pytest.mark.parametrize("text", ["QQ", "QR==", "Q===", "QQ==\n", "QÜ==", "Q-==", "QQ=="[:1]])
def test_other_base64_spellings_are_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        b64decode(text, what="x", field="y")


@pytest.mark.parametrize(
    "uri",
    [
        "", "spiffe://a/custodian", "spiffe://a/custodian/x/y", "spiffe://A/custodian/x", "spiffe://a/boss/x",
        "https://a/custodian/x", "spiffe://a/custodian/X", "spiffe://a/custodian/x\n", "spiffe://a/custodian/" + "x" * 600,
    ],
)  # fmt: skip
def test_identity_in_another_form_is_malformed(uri: str) -> None:
    with pytest.raises(Malformed):
        parse_identity(uri)
    assert str(parse_identity("spiffe://a.example/custodian/x-1")) == "spiffe://a.example/custodian/x-1"
