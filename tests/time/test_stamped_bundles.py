"""Step 15 on bundles: tokens of two real authorities, and every way in which a token can be wrong, missing or nobody's."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.app.adapters import verifiers
from relay.core.bundle import parse_bundle_manifest
from relay.core.bundlezip import FileSource
from relay.core.errors import Malformed
from relay.core.limits import FUTURE_SKEW_S
from relay.core.timestamp import parse_token
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding, Result, Verdict
from relay.core.verify import examine, verify_bundle
from relay.core.view import ViewStamp, view_of
from tests.support.bundles import Made, put_together
from tests.time.authority import Authority, forge
from tests.time.stamped import make_stamped

FIRST, SECOND, NOTE = "anchors/0000/timestamp-0.tst", "anchors/0000/timestamp-1.tst", "anchors/0000/checkpoint.note"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, one: Authority, two: Authority) -> Made:
    return make_stamped(tmp_path_factory.mktemp("stamped") / "home", one, two, quorum=2)


def step(verdict: Verdict, number: int = 15) -> tuple[Result, str]:
    found = verdict.steps[number - 1]
    return found.result, found.detail


def judged(data: bytes, trust: TrustRoots) -> Verdict:
    return verify_bundle(FileSource(io.BytesIO(data)), trust, verifiers())


def test_tokens_of_two_authorities_hold(made: Made, one: Authority, two: Authority) -> None:
    verdict = made.verify(made.data)
    assert verdict.verdict is Finding.CONSISTENT
    assert step(verdict) == (Result.OK, "2 tokens of 2 authorities hold")
    parts = made.parts()
    assert one.openssl_accepts(parts[FIRST], parts[NOTE])
    assert two.openssl_accepts(parts[SECOND], parts[NOTE])
    earliest = min(parse_token(parts[name]).time_ms for name in (FIRST, SECOND))
    assert [(r.timestamped_ms, r.marks) for r in verdict.records] == [(earliest, ())] * 3
    row = verdict.as_json()["records"][0]  # type: ignore[index]
    assert (row["timestamped_ms"], row["marks"]) == (earliest, [])


def test_view_shows_who_stamped_when_and_under_which_number(made: Made) -> None:
    verdict, evidence = examine(FileSource(io.BytesIO(made.data)), made.trust, verifiers())
    (anchor,) = view_of(evidence, verdict, lambda _kind: "").anchors
    tokens = [parse_token(made.parts()[name]) for name in (FIRST, SECOND)]
    assert anchor.timestamped == tuple(
        ViewStamp(authority=name, time_ms=token.time_ms, serial=f"{token.serial:x}")
        for name, token in zip(("one", "two"), tokens, strict=True)
    )


def test_same_tokens_give_the_same_bytes_in_the_order_of_names(made: Made) -> None:
    assert made.sealed_again(made.parts()) == made.data
    assert put_together(made.parts()) == made.data
    names = [made.trust.authorities[i].name for i in (0, 1)]
    assert names == sorted(names)


def without(made: Made, **changes: Any) -> TrustRoots:
    return replace(made.trust, **{"authorities": (), "time_quorum": 0, **changes})


def test_tokens_of_nobody_who_is_pinned_are_not_considered_and_it_is_said(made: Made, one: Authority) -> None:
    nobody = judged(made.data, without(made))
    assert nobody.verdict is Finding.CONSISTENT
    assert step(nobody) == (Result.OK, "no authority is pinned; 2 tokens were not considered")
    assert nobody.records[0].timestamped_ms == 0
    half = judged(made.data, without(made, authorities=(one.root,)))
    assert step(half) == (
        Result.OK,
        "1 tokens of 1 authorities hold; 1 of authorities that are not pinned were not considered",
    )


def test_bundle_without_tokens_is_as_before(made: Made) -> None:
    parts = {name: data for name, data in made.parts().items() if name not in (FIRST, SECOND)}
    bare = made.sealed_again(parts)
    assert step(judged(bare, without(made))) == (Result.OK, "no authority is pinned")
    assert judged(bare, without(made)).verdict is Finding.CONSISTENT


def test_fewer_authorities_than_the_quorum_is_unverifiable(made: Made) -> None:
    parts = {name: data for name, data in made.parts().items() if name != SECOND}
    verdict = made.verify(made.sealed_again(parts))
    assert verdict.verdict is Finding.UNVERIFIABLE
    assert step(verdict) == (Result.NOT_RUN, "1 pinned authorities stamped checkpoint 0, 2 are needed")


def altered(made: Made, **parts: bytes) -> Verdict:
    names = {"first": FIRST, "second": SECOND}
    return made.verify(made.sealed_again({**made.parts(), **{names[n]: data for n, data in parts.items()}}))


def refused(verdict: Verdict) -> str:
    result, detail = step(verdict)
    assert (verdict.verdict, result) == (Finding.INCONSISTENT, Result.FAILED)
    return detail


def test_token_over_another_note(made: Made, one: Authority) -> None:
    token = forge(one, b"another note", parse_token(made.parts()[FIRST]).time_ms)
    assert refused(altered(made, first=token)) == f"timestamp: {FIRST}: one: Mismatch between messages"


def test_token_over_the_note_without_its_cosignature(made: Made, one: Authority) -> None:
    """What is stamped is the note as the court holds it, not as the log signed it."""
    lines = made.parts()[NOTE].splitlines(keepends=True)
    token = forge(one, b"".join(lines[:-1]), parse_token(made.parts()[FIRST]).time_ms)
    assert "Mismatch between messages" in refused(altered(made, first=token))


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (lambda anchored, _made: anchored - FUTURE_SKEW_S * 1000 - 2000, "is dated before the checkpoint was anchored"),
        (lambda _anchored, made: made + FUTURE_SKEW_S * 1000 + 3000, "is dated after the time that this bundle's seal"),
    ],
    ids=["before", "after"],
)
def test_token_outside_of_what_can_be(made: Made, one: Authority, when: Callable[[int, int], int], words: str) -> None:
    anchored_ms = made.verify(made.data).records[0].anchored_ms
    made_ms = parse_bundle_manifest(made.parts()["manifest.json"]).made_at_s * 1000
    token = forge(one, made.parts()[NOTE], when(anchored_ms, made_ms))
    assert words in refused(altered(made, first=token))


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clock_moved_by_ten_minutes_is_flagged(made: Made, one: Authority, two: Authority, minutes: int) -> None:
    anchored_ms = made.verify(made.data).records[0].anchored_ms
    note, at_ms = made.parts()[NOTE], anchored_ms + minutes * 60_000
    assert refused(altered(made, first=forge(one, note, at_ms), second=forge(two, note, at_ms)))


def test_clocks_that_disagree_within_what_the_step_allows_are_marked(tmp_path: Path, one: Authority) -> None:
    """The court's ledger runs eleven minutes ahead of authority and lender: no proof is contradicted, but it is marked."""
    ahead = make_stamped(tmp_path / "home", one, quorum=1, count=1, later_ms=11 * 60_000)
    (record,) = ahead.verify(ahead.data).records
    assert record.accepted_ms - record.anchored_ms == 11 * 60_000
    assert record.marks == ()
    parts = ahead.parts()
    parts[FIRST] = forge(one, parts[NOTE], record.anchored_ms + 1000)
    verdict = ahead.verify(ahead.sealed_again(parts))
    assert verdict.verdict is Finding.CONSISTENT
    assert verdict.records[0].marks == ("skew",)
    assert verdict.as_json()["records"][0]["marks"] == ["skew"]  # type: ignore[index]


def test_one_authority_counts_once(made: Made, one: Authority) -> None:
    again = forge(one, made.parts()[NOTE], parse_token(made.parts()[FIRST]).time_ms)
    assert refused(altered(made, second=again)) == f"timestamp: {SECOND}: a second token of one"


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 500, b"0" * 16_385])
def test_garbage_in_place_of_a_token(made: Made, data: bytes) -> None:
    assert refused(altered(made, first=data))


@pytest.mark.parametrize(
    "name", ["anchors/0001/timestamp-0.tst", "anchors/0000/timestamp-3.tst", "anchors/0000/timestamp"]
)
def test_stray_token_is_refused(made: Made, name: str) -> None:
    parts = made.parts()
    assert "belongs to no checkpoint" in refused(made.verify(made.sealed_again({**parts, name: parts[FIRST]})))


def test_all_tokens_are_examined_and_what_holds_counts(made: Made) -> None:
    verdict = altered(made, first=b"x")
    assert refused(verdict)
    assert verdict.records[0].timestamped_ms == parse_token(made.parts()[SECOND]).time_ms


def test_no_flip_of_a_token_is_ever_accepted_though_the_court_sealed_it(made: Made) -> None:
    """Every bit of the smaller token; with a quorum a signer's name that was flipped into nobody's does not help either."""
    parts = made.parts()
    token = parts[SECOND]
    accepted = []
    for offset in range(len(token)):
        bit = offset % 8
        changed = bytearray(token)
        changed[offset] ^= 1 << bit
        verdict = made.verify(made.sealed_again({**parts, SECOND: bytes(changed)}))
        if verdict.verdict is Finding.CONSISTENT:
            accepted.append((offset, bit))
    assert accepted == []


def test_flip_without_a_new_seal_is_refused_by_the_container(made: Made) -> None:
    at = made.data.index(made.parts()[FIRST])
    for offset in range(at, at + len(made.parts()[FIRST]), 11):
        changed = bytearray(made.data)
        changed[offset] ^= 1
        assert step(made.verify(bytes(changed)), 1)[0] is Result.FAILED


def test_too_many_tokens_for_one_checkpoint_cannot_be_read_past_the_bound(made: Made) -> None:
    parts = made.parts()
    many = {f"anchors/0000/timestamp-{n}.tst": parts[FIRST] for n in range(2, 18)}
    assert refused(made.verify(made.sealed_again({**parts, **many})))
    with pytest.raises(Malformed):
        parse_token(b"")
