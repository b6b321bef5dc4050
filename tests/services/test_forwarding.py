"""The relay's way with somebody cheating or something breaking: what it stores, what it refuses, when it halts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.errors import Conflict, Denied, Malformed, RelayError, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import ItemState
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.package import Package, package_borders
from relay.services.custodian.custody import CustodyAnchor
from relay.services.mirroring import make_packages
from relay.setup.keys import FileSigner, load_signing_key, make_signing_key
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import no_waits, settle
from tests.support.lines import small_dossier
from tests.support.links import DirectRelayLink, announced
from tests.support.way import Way, open_way

LENDER = "spiffe://courtrelay.example/custodian/lender"


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="forwarding") as opened:
        yield opened


def link(way: Way) -> DirectRelayLink:
    made: Any = way.pusher._relay
    assert isinstance(made, DirectRelayLink)
    return made


def note_of(way: Way, checkpoint: Checkpoint, key: FileSigner | None = None) -> bytes:
    signer = key or load_signing_key(way.home / "custodian/keys/log.pem")
    text = checkpoint_text(checkpoint)
    name = VerifierKey.ed25519(checkpoint.origin, signer.public_key)
    return format_note(Note(text=text, signatures=(sign_note(text, name, signer.sign),)))


async def anchored(way: Way, count: int) -> bytes:
    """A deposit of `count` records, anchored; the checkpoint's note."""
    await way.deposit(f"loan of {count}", small_dossier(count))
    done = await way.anchoring.now()
    assert done is not None
    await settle(lambda: way.relay_store.find_item(way.origin, way.custodian_store.size), "the relay sees the anchor")
    return done[0].note


async def push(way: Way, note: bytes, packages: list[Package], caller: str = LENDER) -> list[int]:
    """Push these packages whatever the relay asks for."""

    async def groups() -> AsyncIterator[list[Package]]:
        for package in packages:
            yield [package]

    return [index async for index in link(way)._intake.push(caller, note, groups())]


def packages(way: Way, start: int, size: int) -> list[Package]:
    return make_packages(way.custodian_store.files, package_borders(start, size), size)


def spoiled(package: Package) -> Package:
    """The same with another last bit, so that it is never what it was."""
    return replace(package, entries=package.entries[:-1] + bytes([package.entries[-1] ^ 1]))


async def test_anchor_is_confirmed_exactly_once(way: Way) -> None:
    await way.deposit("loan", small_dossier(3))
    await way.forward()
    counts = await way.relay_store.counts()
    assert (counts["confirmed"], sum(counts.values())) == (1, 1)
    receipt = await way.registry.latest(way.origin)
    assert receipt.size == 3
    assert way.custodian_store.size == (await way.court_store.log(way.origin)).size == 3


async def test_checkpoint_the_ledger_does_not_show_is_not_taken(way: Way) -> None:
    await way.deposit("loan", small_dossier(3))
    root = way.custodian_store.files.root(3)
    with pytest.raises(Unavailable, match="no anchor"):
        await push(way, note_of(way, Checkpoint(origin=way.origin, size=3, root=root)), [])


async def test_push_by_somebody_else_is_denied(way: Way) -> None:
    note = await anchored(way, 3)
    with pytest.raises(Denied):
        await push(way, note, [], caller="spiffe://courtrelay.example/custodian/other")


async def test_unknown_origin_is_denied_as_somebody_elses_is(way: Way) -> None:
    note = note_of(way, Checkpoint(origin="other.example/log", size=1, root=bytes(32)))
    with pytest.raises(Denied):
        await push(way, note, [])


async def test_wrong_key_on_a_checkpoint_is_unverified(way: Way, tmp_path: Path) -> None:
    await anchored(way, 3)
    root = way.custodian_store.files.root(3)
    stranger = make_signing_key(tmp_path / "stranger.pem")
    with pytest.raises(Unverified):
        await push(way, note_of(way, Checkpoint(origin=way.origin, size=3, root=root), stranger), [])


@pytest.mark.parametrize("note", [b"", b"x", b"a\nb\nc\n\n", b"\xff" * 100, b"lender.courtrelay.example/log/1\n"])
async def test_garbage_instead_of_a_checkpoint_is_an_error_of_the_contract(way: Way, note: bytes) -> None:
    with pytest.raises(RelayError):
        await push(way, note, [])


async def test_entries_with_another_root_than_the_anchor_are_never_stored(way: Way) -> None:
    note = await anchored(way, 3)
    (good,) = packages(way, 0, 3)
    forged = spoiled(good)
    with pytest.raises(Unverified):
        await push(way, note, [forged])
    assert (await way.relay_store.log(way.origin)).size == 0
    assert await push(way, note, [good]) == [0, 3]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"start": 1}, Malformed),
        ({"entries": b""}, Malformed),
        ({"entries": b"x" * 64}, Malformed),
        ({"entries": b"\x01" * 65 * 257}, Malformed),
        ({"proof": (bytes(32),)}, Unverified),
        ({"proof": (bytes(31),)}, Malformed),
        ({"proof": tuple(bytes(32) for _ in range(64))}, Malformed),
    ],
    ids=["out-of-order", "empty", "short", "oversized", "extra-hash", "short-hash", "too-many-hashes"],
)
async def test_package_with_one_thing_wrong_is_refused(
    way: Way, change: dict[str, Any], error: type[RelayError]
) -> None:
    note = await anchored(way, 3)
    with pytest.raises(error):
        await push(way, note, [replace(packages(way, 0, 3)[0], **change)])
    assert (await way.relay_store.log(way.origin)).size == 0


async def test_duplicate_push_changes_nothing(way: Way) -> None:
    note = await anchored(way, 3)
    assert await push(way, note, packages(way, 0, 3)) == [0, 3]
    assert await push(way, note, packages(way, 0, 3)) == [3]
    assert (await way.relay_store.log(way.origin)).size == 3


async def test_two_roots_of_one_size_halt_the_origin_with_the_exhibit(way: Way) -> None:
    """The lender anchors one history and signs another: both signed pieces are kept."""
    await way.deposit("loan", small_dossier(2))
    forged = Checkpoint(origin=way.origin, size=2, root=bytes(range(32)))
    await way.source.anchor(forged)
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    honest = note_of(way, Checkpoint(origin=way.origin, size=2, root=way.custodian_store.files.root(2)))
    with pytest.raises(Unverified, match="different roots"):
        await push(way, honest, packages(way, 0, 2))
    assert "different roots" in await way.relay_store.halted(way.origin)
    with pytest.raises(Conflict, match="halted"):
        await push(way, honest, packages(way, 0, 2))


async def test_court_refuses_what_the_relay_invents(way: Way) -> None:
    """A relay with a checkpoint the lender's ledger does not hold, or an anchor of another one, gets nowhere."""
    await way.deposit("loan", small_dossier(3))
    await way.forward()
    held = (await way.court_store.accepted(way.origin, []))[-1]
    invented = Checkpoint(origin=way.origin, size=4, root=bytes(32))
    with pytest.raises(Unverified):
        await way.mirror.add_checkpoint(announced(note_of(way, invented), 3, [], held.anchor))
    with pytest.raises(Conflict):
        await way.mirror.add_checkpoint(announced(note_of(way, invented), 0, [], held.anchor))
    other = LedgerProof(kind="quorum", ledger="embedded:court-1", body=held.anchor.body)
    again = Checkpoint(origin=way.origin, size=3, root=bytes(32))
    with pytest.raises((Unverified, Conflict)):
        await way.mirror.add_checkpoint(announced(note_of(way, again), 3, [], other))
    with pytest.raises(Denied):
        await way.mirror.latest("other.example/log")


async def test_court_does_not_cosign_before_it_holds_the_entries(way: Way) -> None:
    note = await anchored(way, 3)
    item = await way.relay_store.find_item(way.origin, 3)
    assert item is not None
    state = await way.mirror.add_checkpoint(announced(note, 0, [], await way.source.prove(item.anchor)))
    assert (state.cosigned, state.next_index) == (b"", 0)

    async def none() -> AsyncIterator[list[Package]]:
        empty: list[list[Package]] = []
        for group in empty:
            yield group

    with pytest.raises(Conflict, match="0 of 3"):
        async for _ in way.mirror.add_entries(way.origin, 3, none()):
            pass
    assert (await way.mirror.latest(way.origin)).cosigned == b""


async def test_receipt_of_another_checkpoint_is_not_believed(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lazy or lying relay: the custodian checks the court ledger's own proof."""
    await way.deposit("loan", small_dossier(2))
    await way.forward()
    await way.deposit("loan", small_dossier(4))
    await way.anchoring.now()
    old = (await link(way).receipts(way.origin, 0))[0]

    async def lying(_origin: str, _above: int) -> list[Any]:
        return [replace(old, size=4)]

    monkeypatch.setattr(link(way), "receipts", lying)
    with pytest.raises(Unverified, match="size"):
        await way.receipt_check.check()
    assert (await way.custodian_store.counts()).confirmed_size == 2


async def test_item_states_only_move_forward(way: Way) -> None:
    await way.deposit("loan", small_dossier(2))
    await way.forward()
    item = await way.relay_store.find_item(way.origin, 2)
    assert item is not None
    assert item.state is ItemState.CONFIRMED
    with pytest.raises(Conflict, match="cannot go"):
        await way.relay_store.move(item.id, ItemState.CONFIRMED, ItemState.SEEN)
    with pytest.raises(Conflict):
        await way.relay_store.move(item.id, ItemState.FINAL, ItemState.PROVEN)


async def test_anchors_of_origins_it_does_not_serve_are_passed_over(way: Way) -> None:
    """Another lender's log, or this lender's custody log, on the same ledger: no item, no halt."""
    await way.source.anchor(Checkpoint(origin="lender.courtrelay.example/custody/1", size=5, root=bytes(32)))
    await way.deposit("loan", small_dossier(2))
    await way.forward()
    counts = await way.relay_store.counts()
    assert sum(counts.values()) == counts["confirmed"] == 1


async def test_custody_log_of_the_lender_is_anchored_under_its_own_origin(way: Way) -> None:
    origin = "lender.courtrelay.example/custody/1"
    keeper = CustodyAnchor(store=way.custodian_store, source=way.source, origin=origin, backoff=no_waits)
    await way.deposit("loan", small_dossier(2))
    for _ in range(2):
        await keeper.now()
    anchor = await way.source.find(origin, way.custodian_store.custody_size)
    assert anchor.root == way.custodian_store.custody_files.root(anchor.size)
