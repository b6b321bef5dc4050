"""The entries of projected events: made of the events alone, the same however they arrive, and hiding what they hide."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.dossier import PROJECTED_ENTRY, parse_entry, tag
from relay.core.errors import Malformed
from relay.core.projection import LedgerEvent, Projection, commitment, dossier_id, dossier_key, project

EMITTERS = ("eip155:1:0x" + "aa" * 20, "eip155:1:0x" + "bb" * 20)
HASHES = st.binary(min_size=32, max_size=32)


def event(height: int = 5, log: int = 0, dossier: int = 1, **more: Any) -> LedgerEvent:
    values: dict[str, Any] = {
        "emitter": EMITTERS[0],
        "kind": bytes([9]) * 32,
        "height": height,
        "block_hash": hashlib.sha256(b"block" + height.to_bytes(8, "big")).digest(),
        "log": log,
        "dossier": bytes([dossier]) * 32,
        "digest": hashlib.sha256(f"{height}/{log}".encode()).digest(),
        "time": 1_700_000_000,
    }
    return LedgerEvent(**{**values, **more})


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerEvent]:
    """Events in ledger order, of few dossiers and two contracts."""
    places = sorted(draw(st.sets(st.tuples(st.integers(1, 9), st.integers(0, 4)), max_size=30)))
    return [
        event(height, log, draw(st.integers(1, 3)), emitter=draw(st.sampled_from(EMITTERS))) for height, log in places
    ]


def test_entry_is_made_as_the_document_says() -> None:
    one = event()
    emitter = hashlib.sha256(one.emitter.encode()).digest()
    name = hashlib.sha256(b"courtrelay/projected-dossier/v1" + emitter + one.dossier).digest()
    key = hashlib.sha256(b"courtrelay/projected-key/v1" + name + one.block_hash + bytes(8)).digest()
    hashed = hashlib.sha256(
        b"courtrelay/projected/v1" + emitter + one.kind + (5).to_bytes(8, "big") + one.block_hash + bytes(8)
        + one.dossier + one.digest + (1_700_000_000).to_bytes(8, "big")
    ).digest()  # fmt: skip
    (entry,), begun = project([one], {})
    assert entry == b"\x03" + tag(key, 0) + hashed
    assert (dossier_id(one), dossier_key(one, begun[name]), commitment(one)) == (name, key, hashed)
    read = parse_entry(entry)
    assert (read.version, read.tag, read.commitment) == (PROJECTED_ENTRY, tag(key, 0), hashed)


@given(ledgers(), st.data())
def test_entries_do_not_depend_on_how_the_events_arrive(events: list[LedgerEvent], data: st.DataObject) -> None:
    whole, begun = project(events, {})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    parts, known = [], {}
    for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        entries, changed = project(events[start:end], known)
        parts += entries
        known |= changed
    assert (parts, known) == (whole, begun)
    assert len(set(whole)) == len(whole)


@given(ledgers())
def test_a_dossiers_tags_count_its_events_and_the_first_absent_one_is_its_end(events: list[LedgerEvent]) -> None:
    entries, begun = project(events, {})
    tags = {parse_entry(entry).tag for entry in entries}
    for name, dossier in begun.items():
        own = [one for one in events if dossier_id(one) == name]
        key = dossier_key(own[0], dossier)
        assert [tag(key, seq) in tags for seq in range(len(own) + 1)] == [True] * len(own) + [False]


@pytest.mark.parametrize(
    "change",
    [
        {"emitter": EMITTERS[1]},
        {"kind": bytes(32)},
        {"height": 6},
        {"block_hash": bytes(32)},
        {"log": 1},
        {"dossier": bytes(32)},
        {"digest": bytes(32)},
        {"time": 0},
    ],
)
def test_every_part_of_an_event_counts(change: dict[str, Any]) -> None:
    assert commitment(replace(event(), **change)) != commitment(event())


@given(HASHES)
def test_without_the_blocks_hash_an_event_cannot_be_guessed_from_its_entry(block_hash: bytes) -> None:
    """Loan number and digest may be easy to guess; whoever does not read the ledger lacks the hash."""
    known = event()
    (guess,), _ = project([replace(known, block_hash=block_hash)], {})
    (entry,), _ = project([known], {})
    assert guess[1:33] != entry[1:33]
    assert guess[33:] != entry[33:]


def test_one_loan_number_in_two_contracts_is_two_dossiers() -> None:
    _, begun = project([event(log=0), event(log=1, emitter=EMITTERS[1])], {})
    assert [one.count for one in begun.values()] == [1, 1]


@pytest.mark.parametrize("places", [((5, 1), (5, 1)), ((5, 1), (5, 0)), ((5, 0), (4, 9))])
def test_events_out_of_order_are_our_own_mistake(places: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(RuntimeError, match="ledger order"):
        project([event(*place) for place in places], {})


@pytest.mark.parametrize(
    "change", [{"kind": b""}, {"digest": bytes(31)}, {"time": 2**53}, {"log": -1}, {"emitter": "a b"}]
)
def test_event_that_is_none_is_our_own_mistake(change: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError):
        event(**change)


def test_projection_says_each_events_place_in_its_dossier() -> None:
    made = Projection()
    taken = [made.take(event(log=log, dossier=d)) for log, d in enumerate((1, 2, 1))]
    assert [(one.seq, one.dossier.count, one.dossier.first_log) for one in taken] == [(0, 1, 0), (0, 1, 1), (1, 2, 0)]


def test_unknown_version_is_still_refused() -> None:
    with pytest.raises(Malformed, match="must be 1, 2 or 3"):
        parse_entry(b"\x04" + bytes(64))
