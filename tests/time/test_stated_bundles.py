"""Step 16 on bundles: the version valid at anchoring is the one shown; what is bad fails; what is missing is no error."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import pytest

from relay.app.adapters import verifiers
from relay.core.bundlezip import FileSource
from relay.core.custody import make_event
from relay.core.errors import Conflict, Malformed, Unverified
from relay.core.statement import parse_statement
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding, Result, Verdict
from relay.core.verify import examine, verify_bundle
from relay.core.view import ViewStatement, view_of
from tests.support.bundles import Made, make_home, noon_of
from tests.support.way import open_way
from tests.time.stating import (
    FACTS,
    HOUR_MS,
    OPERATOR,
    Platform,
    bundle_of,
    made_of,
    make_stated,
    pin_platforms,
    published,
)

TOKEN, EVENT, PROOF, ANCHOR = (f"platform/00.{s}" for s in ("jwt", "event.json", "tlog-proof", "anchor.json"))
Stated = tuple[Made, Platform, Platform]


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Stated:
    return make_stated(tmp_path_factory.mktemp("stated") / "home")


def step(verdict: Verdict) -> tuple[Result, str]:
    found = verdict.steps[15]
    assert (found.number, found.name) == (16, "platform statement")
    return found.result, found.detail


def views(made: Made) -> tuple[ViewStatement, ...]:
    verdict, evidence = examine(FileSource(io.BytesIO(made.data)), made.trust, verifiers())
    assert verdict.verdict is Finding.CONSISTENT
    return view_of(evidence, verdict, lambda _kind: "").statements


def test_statements_published_in_time_are_shown_for_both_ledgers(stated: Stated) -> None:
    made, *platforms = stated
    assert step(made.verify(made.data)) == (Result.OK, "2 platform statements")
    anchored = made.verify(made.data).records[0].anchored_ms
    for view, platform in zip(views(made), sorted(platforms, key=lambda p: p.ledger), strict=True):
        assert (view.ledger, view.party, view.version, view.anchors) == (platform.ledger, OPERATOR, 1, (0,))
        assert (view.facts, view.stated_later) == (FACTS, False)
        assert view.published_ms == anchored - HOUR_MS
        assert view.digest == parse_statement(platform.state()).digest.hex()


def test_same_parts_give_the_same_bytes(stated: Stated) -> None:
    made = stated[0]
    assert made.sealed_again(made.parts()) == made.data


def test_none_is_no_error(stated: Stated) -> None:
    made = stated[0]
    bare = made.sealed_again({n: d for n, d in made.parts().items() if not n.startswith("platform/")})
    verdict = made.verify(bare)
    assert verdict.verdict is Finding.CONSISTENT
    assert step(verdict) == (Result.OK, "no platform statement")
    assert views(replace(made, data=bare)) == ()


def test_statement_published_after_anchoring_is_marked_as_stated_later(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    lender, _ = pin_platforms(home)
    made = made_of(home, asyncio.run(bundle_of(home, [], [lender.state()])))
    assert step(made.verify(made.data)) == (
        Result.OK,
        "1 platform statements, 1 of them stated later than what they cover",
    )
    (view,) = views(made)
    assert (view.stated_later, view.version) == (True, 1)


def test_later_version_dated_back_does_not_push_aside_the_one_that_was_valid(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    lender, court = pin_platforms(home)
    first = lender.state()
    soon_s = noon_of(home) // 1000 + 1
    made = made_of(home, asyncio.run(bundle_of(home, [first], [lender.after(first), court.state(valid_from=soon_s)])))
    by_ledger = {view.ledger: view for view in views(made)}
    assert (by_ledger[lender.ledger].version, by_ledger[lender.ledger].stated_later) == (1, False)
    assert by_ledger[court.ledger].stated_later


def test_version_that_is_valid_only_later_is_not_in_the_bundle(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    lender, _ = pin_platforms(home)
    first = lender.state()
    far_s = noon_of(home) // 1000 + 86_400
    made = made_of(home, asyncio.run(bundle_of(home, [first, lender.after(first, valid_from=far_s)], [])))
    assert [view.version for view in views(made)] == [1]
    assert not [name for name in made.parts() if name.startswith("platform/01")]


def failing(made: Made, **changes: bytes | None) -> str:
    names = {"token": TOKEN, "event": EVENT, "proof": PROOF, "anchor": ANCHOR}
    parts = {**made.parts(), **{names[n]: d for n, d in changes.items() if d is not None}}
    for name in (names[n] for n, d in changes.items() if d is None):
        del parts[name]
    verdict = made.verify(made.sealed_again(parts))
    result, detail = step(verdict)
    assert (verdict.verdict, result) == (Finding.INCONSISTENT, Result.FAILED)
    return detail


@pytest.mark.parametrize("part", ["event", "proof", "anchor", "token"])
def test_part_left_out(stated: Stated, part: str) -> None:
    assert "missing" in failing(stated[0], **{part: None})


@pytest.mark.parametrize("part", ["event", "proof", "anchor", "token"])
@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"a.b.c", b"[" * 5000])
def test_garbage(stated: Stated, part: str, data: bytes) -> None:
    assert failing(stated[0], **{part: data})


def test_statement_that_was_never_published(stated: Stated) -> None:
    made, *platforms = stated
    first = min(platforms, key=lambda p: p.ledger)
    assert "the event's statement" in failing(made, token=first.state(valid_from=1).encode())


def test_event_that_was_never_logged(stated: Stated) -> None:
    made, *platforms = stated
    token = min(platforms, key=lambda p: p.ledger).state(valid_from=1)
    event = make_event(
        at_ms=1,
        actor=OPERATOR,
        action="statement",
        subject={"statement": parse_statement(token).digest.hex()},
        outcome="published",
        detail="",
        random_bytes=bytes,
    )
    assert failing(made, token=token.encode(), event=event)


def test_event_of_another_kind(stated: Stated) -> None:
    made = stated[0]
    event = made.parts()[EVENT].replace(b'"published"', b'"refused"')
    assert "action and outcome" in failing(made, event=event)


def test_proof_of_another_statement(stated: Stated) -> None:
    made = stated[0]
    assert failing(made, proof=made.parts()["platform/01.tlog-proof"])


def test_ledger_proof_of_something_else(stated: Stated) -> None:
    made = stated[0]
    parts = made.parts()
    assert "the ledger's type" in failing(made, anchor=parts["anchors/0000/receipt.json"])


def test_statement_about_a_ledger_that_nothing_stands_on(stated: Stated) -> None:
    made, lender, _ = stated
    assert "on which nothing of this bundle stands" in failing(made, token=lender.state(ledger="other").encode())


def test_stray_parts(stated: Stated) -> None:
    made = stated[0]
    for name in ("platform/03.jwt", "platform/00.more", "platform/readme"):
        verdict = made.verify(made.sealed_again({**made.parts(), name: b"x"}))
        assert "belongs to no statement" in step(verdict)[1]


def test_one_version_twice(stated: Stated) -> None:
    made = stated[0]
    parts = made.parts()
    doubled = {name.replace("/00.", "/02."): data for name, data in parts.items() if name.startswith("platform/00.")}
    assert "stands twice" in step(made.verify(made.sealed_again({**parts, **doubled})))[1]


def judged(made: Made, trust: TrustRoots) -> Verdict:
    return verify_bundle(FileSource(io.BytesIO(made.data)), trust, verifiers())


def without_keys(made: Made, *ledgers: str) -> TrustRoots:
    kept = tuple(k for k in made.trust.pinned_keys if not (k.use == "platform" and k.name in ledgers))
    return replace(made.trust, pinned_keys=kept)


def test_platform_of_which_no_key_is_pinned_is_not_considered(stated: Stated) -> None:
    made, lender, court = stated
    verdict = judged(made, without_keys(made, lender.ledger, court.ledger))
    assert verdict.verdict is Finding.CONSISTENT
    assert step(verdict) == (
        Result.OK,
        "0 platform statements; 2 of platforms without a pinned key were not considered",
    )


def test_other_key_pinned_for_the_ledger_is_unverifiable(stated: Stated) -> None:
    made, lender, court = stated
    other = next(k for k in made.trust.pinned_keys if k.use == "platform" and k.name == court.ledger)
    trust = without_keys(made, lender.ledger)
    swapped = replace(other, name=lender.ledger)
    verdict = judged(made, replace(trust, pinned_keys=(*trust.pinned_keys, swapped)))
    assert verdict.verdict is Finding.UNVERIFIABLE
    assert step(verdict)[0] is Result.NOT_RUN


def test_key_that_was_revoked_before_the_statement_was_published(stated: Stated) -> None:
    made = stated[0]
    published_ms = views(made)[0].published_ms
    keys = tuple(replace(k, revoked_from_ms=published_ms) if k.use == "platform" else k for k in made.trust.pinned_keys)
    verdict = judged(made, replace(made.trust, pinned_keys=keys))
    assert (verdict.verdict, step(verdict)[0]) == (Finding.INCONSISTENT, Result.FAILED)
    assert "is revoked from" in step(verdict)[1]


def test_platform_key_of_a_ledger_that_is_not_pinned_is_refused(stated: Stated) -> None:
    made = stated[0]
    keys = [replace(k, name="nowhere") if k.use == "platform" else k for k in made.trust.pinned_keys]
    with pytest.raises(Malformed, match="nowhere is not among the ledgers"):
        replace(made.trust, pinned_keys=tuple(keys[:-1]))


def test_no_flip_of_a_statements_parts_is_ever_accepted_though_the_court_sealed_it(stated: Stated) -> None:
    made = stated[0]
    parts = made.parts()
    accepted = []
    judged_ones = 0
    for name in (TOKEN, EVENT, PROOF, ANCHOR):
        for offset in range(0, len(parts[name]), 5):
            changed = bytearray(parts[name])
            changed[offset] ^= 1 << (offset // 5 % 8)
            verdict = made.verify(made.sealed_again({**parts, name: bytes(changed)}))
            judged_ones += 1
            if verdict.verdict is Finding.CONSISTENT:
                accepted.append((name, offset))
    assert accepted == []
    assert judged_ones > 300


async def test_court_takes_the_next_version_alone(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    lender, court = pin_platforms(home)
    first = lender.state(valid_from=5)
    async with open_way(home, now_ms=noon_of(home), seed="taking") as way:
        stranger = replace(court, ledger=lender.ledger)
        with pytest.raises(Unpinned):
            await way.statements.publish(stranger.state().encode(), OPERATOR)
        with pytest.raises(Unverified):
            await way.statements.publish((first[:-8] + "AAAAAAAA").encode(), OPERATOR)
        with pytest.raises(Unpinned):
            await way.statements.publish(lender.state(ledger="nowhere").encode(), OPERATOR)
        with pytest.raises(Conflict, match="that is 1"):
            await way.statements.publish(lender.after(first).encode(), OPERATOR)
        size = (await way.court_store.custody_log()).size
        await published(way, first)
        for _ in range(2):
            await way.statements.publish(first.encode(), OPERATOR)
        assert (await way.court_store.custody_log()).size == size + 1
        with pytest.raises(Conflict, match="that is 2"):
            await way.statements.publish(lender.state().encode(), OPERATOR)
        with pytest.raises(Malformed, match="earlier time"):
            await way.statements.publish(lender.after(first, valid_from=4).encode(), OPERATOR)
        with pytest.raises(Malformed, match="names another"):
            await way.statements.publish(lender.state(2, valid_from=5, previous="00" * 32).encode(), OPERATOR)
        await published(way, lender.after(first, valid_from=5))
        held = await way.court_store.shown_statements([lender.ledger])
        assert [(kept.version, kept.shown is not None) for kept in held] == [(1, True), (2, True)]


async def test_statement_waits_for_a_head_that_holds_it(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    lender, _ = pin_platforms(home)
    async with open_way(home, now_ms=noon_of(home), seed="waiting") as way:
        await way.custody.note("check", {}, "made", "")
        await way.custody.publish()
        await way.statements.publish(lender.state().encode(), OPERATOR)
        assert await way.statements.show() == 1
        assert await way.court_store.shown_statements([lender.ledger]) == []
        await way.custody.publish()
        assert await way.statements.show() == 0
