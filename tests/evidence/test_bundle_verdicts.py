"""Each verification step, failed on purpose by an attacker who has the court's seal key, names itself."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from relay.core.bundle import parse_bundle_manifest
from relay.core.verdict import Finding, Result, Verdict
from tests.support.bundles import Made, put_together


def failed(verdict: Verdict) -> dict[int, str]:
    """Numbers and details of the steps that did not end well."""
    return {s.number: s.detail for s in verdict.steps if s.result is not Result.OK}


def test_untouched_bundle_is_consistent_record_by_record(made: Made) -> None:
    verdict = made.verify(made.data)
    assert failed(verdict) == {}
    assert verdict.verdict is Finding.CONSISTENT
    assert [r.verdict for r in verdict.records] == [Finding.CONSISTENT] * 3
    assert all(r.anchored_ms and r.accepted_ms >= r.anchored_ms and r.provenance for r in verdict.records)


def test_bundle_is_an_ordinary_zip(made: Made) -> None:
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == made.parts()


def test_parts_put_together_again_give_the_same_bytes(made: Made) -> None:
    assert put_together(made.parts()) == made.data
    assert made.sealed_again(made.parts()) == made.data


def test_payload_byte_changed_and_sealed_again_names_the_payload(made: Made) -> None:
    parts = made.parts()
    parts["records/000001/payloads/receipt.txt"] = b"x" + parts["records/000001/payloads/receipt.txt"][1:]
    verdict = made.verify(made.sealed_again(parts))
    assert verdict.verdict is Finding.INCONSISTENT
    assert set(failed(verdict)) == {12}
    assert "seq 1" in failed(verdict)[12]
    assert "receipt.txt was changed" in failed(verdict)[12]
    assert [r.verdict for r in verdict.records] == [Finding.CONSISTENT, Finding.INCONSISTENT, Finding.CONSISTENT]


def test_payload_left_out_and_sealed_again_names_the_payload(made: Made) -> None:
    parts = made.parts()
    del parts["records/000001/payloads/receipt.txt"]
    assert "receipt.txt is missing" in failed(made.verify(made.sealed_again(parts)))[12]


def test_payload_added_is_refused(made: Made) -> None:
    parts = {**made.parts(), "records/000001/payloads/more.txt": b"more"}
    assert "belongs to no record" in failed(made.verify(made.sealed_again(parts)))[12]


@pytest.mark.parametrize("seq", [0, 1, 2])
def test_record_left_out_and_sealed_again_is_named_missing(made: Made, seq: int) -> None:
    parts = {n: d for n, d in made.parts().items() if not n.startswith(f"records/{seq:06d}/")}
    records = tuple(r for r in parse_bundle_manifest(parts["manifest.json"]).records if r.seq != seq)
    verdict = made.verify(made.sealed_again(parts, records=records))
    assert verdict.verdict is Finding.INCONSISTENT
    assert f"seq {seq} missing" in failed(verdict)[6]
    assert f"seq {seq} missing" in failed(verdict)[13]
    assert next(r for r in verdict.records if r.seq == seq).status == "missing"


def test_two_records_exchanged_fail_entry_and_record(made: Made) -> None:
    parts = made.parts()
    a, b = "records/000000/record.sd-jwt", "records/000001/record.sd-jwt"
    parts[a], parts[b] = parts[b], parts[a]
    verdict = made.verify(made.sealed_again(parts))
    assert 11 in failed(verdict)
    assert "its commitment" in failed(verdict)[11]


def test_disclosure_withdrawn_from_a_record_without_a_word_is_named(made: Made) -> None:
    """The signature holds for what is shown less; but the lender's list does not call it withheld."""
    parts = made.parts()
    name = "records/000000/record.sd-jwt"
    token, *shown = parts[name].decode().split("~")
    assert len(shown) > 1
    parts[name] = f"{token}~".encode()
    verdict = made.verify(made.sealed_again(parts))
    assert set(failed(verdict)) == {11}
    assert "seq 0: scope: hides 1 personal members, the lender's list names none" in failed(verdict)[11]


def test_wrong_index_is_refused_by_the_proof(made: Made) -> None:
    parts = made.parts()
    manifest = parse_bundle_manifest(parts["manifest.json"])
    rows = list(manifest.records)
    rows[0], rows[1] = (
        type(rows[0])(**{**_row(rows[0]), "index": rows[1].index}),
        type(rows[1])(**{**_row(rows[1]), "index": rows[0].index}),
    )
    verdict = made.verify(made.sealed_again(parts, records=tuple(rows)))
    assert {6, 10} <= set(failed(verdict))


def _row(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in ("seq", "index", "commitment", "anchor", "status", "kind")}


@pytest.mark.parametrize(
    ("part", "step"),
    [
        ("grant.jwt", 3),
        ("grant-registered.json", 4),
        ("request.jwt", 5),
        ("disclosure.jwt", 6),
        ("anchors/0000/anchor.json", 7),
        ("anchors/0000/checkpoint.note", 8),
        ("anchors/0000/receipt.json", 9),
        ("records/000001/entry.tlog-proof", 10),
        ("records/000001/record.sd-jwt", 11),
        ("completeness.jwt", 13),
        ("custody/checkpoint.note", 14),
        ("custody/events.jsonl", 14),
        ("custody/000000.tlog-proof", 14),
    ],
)
def test_part_left_out_and_sealed_again_fails_its_own_step(made: Made, part: str, step: int) -> None:
    parts = made.parts()
    del parts[part]
    verdict = made.verify(made.sealed_again(parts))
    assert verdict.verdict is Finding.INCONSISTENT
    assert "is missing" in failed(verdict)[step]


def test_unpinned_court_ledger_is_unverifiable_not_inconsistent(made: Made) -> None:
    other = Made(data=made.data, trust=_without_verifier(made), seal=made.seal, home=made.home)
    verdict = other.verify(made.data)
    assert verdict.verdict is Finding.UNVERIFIABLE
    assert all(s.result is not Result.FAILED for s in verdict.steps)


def _without_verifier(made: Made) -> object:
    """Trust roots that pin the log but none of the lender's record keys."""
    return replace(made.trust, pinned_keys=tuple(k for k in made.trust.pinned_keys if k.use != "record"))  # type: ignore[return-value]


@pytest.mark.parametrize("data", [b"", b"PK", b"\x00" * 100, b"PK\x05\x06" + bytes(18), b"x" * 5000])
def test_no_bundle_at_all_is_inconsistent_at_step_one(made: Made, data: bytes) -> None:
    verdict = made.verify(data)
    assert verdict.verdict is Finding.INCONSISTENT
    assert verdict.steps[0].result is Result.FAILED
    assert len(verdict.steps) == 16


def test_bytes_after_or_before_the_bundle_are_refused(made: Made) -> None:
    for data in (made.data + b"x", b"x" + made.data, made.data[:-1], made.data[1:]):
        assert made.verify(data).verdict is Finding.INCONSISTENT


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"a.b.c", b"\xff" * 50, b"[" * 5000])
def test_any_part_replaced_by_garbage_gives_a_verdict(made: Made, data: bytes) -> None:
    """Whatever the bytes are, verification ends with a verdict and never with an exception."""
    for name in made.parts():
        if name in ("manifest.json", "seal.jwt"):
            verdict = made.verify(put_together({**made.parts(), name: data}))
        else:
            verdict = made.verify(made.sealed_again({**made.parts(), name: data}))
        assert verdict.verdict in (Finding.INCONSISTENT, Finding.UNVERIFIABLE), name
        assert len(verdict.steps) == 16


@pytest.mark.parametrize("seq", [3, 99_999])
def test_record_the_lender_never_listed_is_refused(made: Made, seq: int) -> None:
    parts = made.parts()
    rows = parse_bundle_manifest(parts["manifest.json"]).records
    invented = replace(rows[-1], seq=seq)
    verdict = made.verify(made.sealed_again(parts, records=(*rows, invented)))
    assert verdict.verdict is Finding.INCONSISTENT
    assert f"seq {seq}" in failed(verdict)[6]


def test_anchors_dropped_or_exchanged_are_refused(made: Made) -> None:
    parts = made.parts()
    manifest = parse_bundle_manifest(parts["manifest.json"])
    none = made.verify(
        made.sealed_again(parts, anchors=(), records=tuple(replace(r, anchor=None) for r in manifest.records))
    )
    assert none.verdict is not Finding.CONSISTENT
    wrong = replace(manifest.anchors[0], root=bytes(32))
    assert made.verify(made.sealed_again(parts, anchors=(wrong,))).verdict is Finding.INCONSISTENT
    bigger = replace(manifest.anchors[0], size=manifest.anchors[0].size + 1)
    assert made.verify(made.sealed_again(parts, anchors=(bigger,))).verdict is Finding.INCONSISTENT
