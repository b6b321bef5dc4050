"""The operator's verbs: `courtrelay relay …`. All but `fsck` and `exhibit check` ask a running relay."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from relay.app.adapters import verifiers
from relay.app.desk import open_desk
from relay.app.memory import open_memory
from relay.app.trust import read_trust
from relay.config.roles import read_relay
from relay.core.errors import Malformed, NotFound
from relay.core.exhibit import ANCHOR, CHECKPOINT, FORK, verify_exhibit
from relay.core.lifecycle import ItemState
from relay.core.merkle import leaf_hash
from relay.core.tiles import TileAppender
from relay.core.times import format_utc
from relay.ports.forwarding import RelayStore
from relay.wire.desks import RelayDeskClient
from relay.wire.v1 import relay_pb2

DESK: Final = "relay-desk"
STEP: Final = 65_536


def _item(row: relay_pb2.ItemRow) -> dict[str, Any]:
    return {
        "id": row.id.hex(),
        "origin": row.origin,
        "size": row.size,
        "root": row.root.hex(),
        "ledger": row.ledger,
        "height": row.height,
        "state": row.state,
        "attempts": row.attempt,
        "reason": row.reason,
    }


def _item_id(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise Malformed("relay", "item", "must be 64 hex digits, as `courtrelay relay backlog` shows them")
    return raw


async def backlog(home: Path, origin: str, limit: int, *, quarantined: bool) -> list[dict[str, Any]]:
    """Items under way, or quarantined ones."""
    async with open_desk(home, DESK) as (channel, _):
        rows = await RelayDeskClient(channel).items(origin, limit, quarantined=quarantined)
    return [_item(row) for row in rows]


async def item(home: Path, verb: str, item_id: str, reason: str) -> dict[str, Any]:
    """`show`, `retry` or `discard` one item."""
    async with open_desk(home, DESK) as (channel, _):
        return _item(await RelayDeskClient(channel).item(verb, _item_id(item_id), reason))


async def halt(home: Path, origin: str, reason: str, *, resume: bool) -> None:
    """Stop an origin, or let it go on."""
    async with open_desk(home, DESK) as (channel, _):
        await RelayDeskClient(channel).halt(origin, reason, resume=resume)


async def rescan(home: Path, ledger: str, *, from_start: bool) -> list[dict[str, Any]]:
    """Compare ledgers with what is recorded."""
    async with open_desk(home, DESK) as (channel, _):
        rows = await RelayDeskClient(channel).rescan(ledger, from_start=from_start)
    return [{"ledger": r.ledger, "blocks": r.blocks, "height": r.height, "missing": r.missing} for r in rows]


async def save_exhibits(home: Path, origin: str, out: Path) -> list[dict[str, Any]]:
    """Write the pieces of every exhibit of an origin into folders. Raises `NotFound` when there is none."""
    async with open_desk(home, DESK) as (channel, _):
        rows = await RelayDeskClient(channel).exhibits(origin)
    if not rows:
        raise NotFound(f"{origin} was never halted")
    saved = []
    for row in rows:
        folder = out / f"{row.number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for piece in row.pieces:
            (folder / Path(piece.name).name).write_bytes(piece.data)
        (folder / "reason.txt").write_text(row.reason + "\n")
        saved.append({"folder": str(folder), "reason": row.reason, "resumed": row.resumed})
    return saved


def check_exhibit(folder: Path, trust: Path) -> dict[str, Any]:
    """Whether an exhibit's pieces contradict each other, offline. Raises `Unverified` when they do not."""
    pieces: Mapping[str, bytes] = {
        name: (folder / name).read_bytes() for name in (CHECKPOINT, ANCHOR, FORK) if (folder / name).is_file()
    }
    found = verify_exhibit(pieces, read_trust(trust), verifiers())
    return {
        "origin": found.origin,
        "size": found.size,
        "signed root": found.signed_root.hex(),
        "anchored root": found.anchored_root.hex(),
        "anchored at": format_utc(found.anchored_ms // 1000),
    }


async def fsck(home: Path) -> list[str]:
    """Read a relay's whole memory and say what is not as it must be.

    Raises `Conflict` while a relay with SQLite runs; workers on PostgreSQL may go on meanwhile.
    """
    config = read_relay(home / "relay" / "config.toml")
    memory = await open_memory(config, check=True)
    try:
        findings = []
        for served in config.origins:
            findings += await _check_origin(memory.store, served.origin)
        return findings
    finally:
        await memory.close()


async def _confirmed_sizes(store: RelayStore, origin: str) -> set[int]:
    return {c.receipt.size for c in await store.confirmations(origin, 0, 1_000_000)}


async def _check_origin(store: RelayStore, origin: str) -> list[str]:
    findings = []
    before = await _confirmed_sizes(store, origin)
    mirror = await store.log(origin)
    items = await store.items(list(ItemState), origin, 1_000_000)
    roots = {item.anchor.size: item for item in items if item.state not in (ItemState.ORPHANED, ItemState.SEEN)}
    appender = TileAppender.empty()
    for size in sorted({*(s for s in roots if s <= mirror.size), mirror.size}):
        for start in range(appender.size, size, STEP):
            entries = await asyncio.to_thread(mirror.files.entries, start, min(start + STEP, size))
            appender.append_leaves([leaf_hash(entry) for entry in entries])
        root = appender.root()
        if root != await asyncio.to_thread(mirror.files.root, size):
            findings.append(
                f"{origin}: the tiles and the entries up to {size} have different roots; delete the tile packs (SQLite) or restore a backup"
            )
        held = roots.get(size)
        if held is not None and held.anchor.root != root and not await store.halted(origin):
            findings.append(
                f"{origin}: the entries up to {size} do not have the anchored root, and the origin is not halted"
            )
    after = await _confirmed_sizes(store, origin)
    return findings + [
        f"{origin}: the item of size {one.anchor.size} is {one.state.value}, its receipt says otherwise"
        for one in items
        if (one.anchor.size not in after and one.state is ItemState.CONFIRMED)
        or (one.anchor.size in before and one.state is not ItemState.CONFIRMED)
    ]
