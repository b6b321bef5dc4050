"""`courtrelay catch-up`: a custodian whose data folder is older than its anchors gets its evidence log back from the relay's mirror.

What the relay gives is worth nothing by itself: it is taken when the tree over it has the root that the lender's ledger holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.app.adapters import load_adapter
from relay.app.custodian import MASTER_KEY_BYTES
from relay.app.runtime import SystemClock
from relay.app.standing import read_anchors
from relay.config.roles import CustodianConfig, read_custodian
from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.dossier import PROJECTED_ENTRY, parse_entry
from relay.core.errors import Malformed, Unverified
from relay.core.merkle import Frontier, leaf_hash
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.tombstone import make_tombstone
from relay.ports.custodian import LogCheckpoint
from relay.ports.ledgers import Anchor
from relay.private.references import read_secret
from relay.schemas import KindCatalogue, load_policy
from relay.services.standing import Behind, check_standing
from relay.setup.signers import open_signer
from relay.store.custodian import SqliteCustodianStore
from relay.store.custodian_restored import BASIS, LostRecords, LostStatement
from relay.transport.channels import channel
from relay.wire.relay_client import GrpcRelayLink

STEP: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """What was done. `custody` is empty, or says what a person must still decide."""

    entries: int
    size: int
    lost: tuple[tuple[str, int], ...]
    custody: str


async def catch_up(path: Path) -> CaughtUp:
    """The custodian must be stopped. Doing it again changes nothing.

    Raises `Conflict` (it runs), `Unavailable`, `NotFound` (the relay holds less than is anchored), `Unverified`, `Behind` (the log here is
    another one than what is anchored), `StorageFailed`.
    """
    config = read_custodian(path)
    async with AsyncExitStack() as stack:
        store = await SqliteCustodianStore.open(config.common.data, read_secret(config.master_key, MASTER_KEY_BYTES))
        stack.push_async_callback(store.close)
        source = await load_adapter(config.ledger.family).open_source(config.ledger.settings)
        stack.push_async_callback(source.close)
        anchors = await read_anchors(config, store, source)
        anchor, before = anchors.get(config.origin), store.size
        lost: list[LostRecords] = []
        if anchor is not None and anchor.size > before:
            link = GrpcRelayLink(await stack.enter_async_context(channel(config.relay, config.common.tls)))
            entries = await _fetch(config, store, link, anchor)
            lost = await _put_back(config, store, anchor, entries)
        await check_standing(config.origin, store.files, store.size, anchor)
        custody = await _custody(config, store, anchors.get(config.custody_origin))
        return CaughtUp(
            entries=store.size - before,
            size=store.size,
            lost=tuple((one.dossier, len(one.places)) for one in lost),
            custody=custody,
        )


async def _custody(config: CustodianConfig, store: SqliteCustodianStore, anchor: Anchor | None) -> str:
    """Nobody else has the custody log's events: it ends where it was anchored, and another one begins."""
    try:
        await check_standing(config.custody_origin, store.custody_files, store.custody_size, anchor)
    except Behind as behind:
        await store.spend_all_uses()
        return (
            f"{behind}. Nobody else holds its events: they are lost, and the anchors bear witness that they were."
            f" Give the log a new name (custody_origin, now {config.custody_origin!r}), pin its key under that name, and start"
        )
    return ""


async def _fetch(
    config: CustodianConfig, store: SqliteCustodianStore, link: GrpcRelayLink, anchor: Anchor
) -> list[bytes]:
    """The missing entries, checked against the anchored root. Raises `Unverified`."""
    start = store.size
    entries = await link.entries(config.origin, start, anchor.size)

    def root() -> bytes:
        tree = Frontier.empty()
        for at in range(0, start, STEP):
            tree.append_leaves([leaf_hash(one) for one in store.files.entries(at, min(at + STEP, start))])
        tree.append_leaves([leaf_hash(one) for one in entries])
        return tree.root()

    if len(entries) != anchor.size - start or await asyncio.to_thread(root) != anchor.root:
        raise Unverified(
            "catch-up",
            f"the relay's entries {start} to {anchor.size} after those held here do not have the root that is anchored on"
            f" {anchor.ledger} (block {anchor.height}); nothing was changed",
        )
    return entries


async def _put_back(
    config: CustodianConfig, store: SqliteCustodianStore, anchor: Anchor, entries: Sequence[bytes]
) -> list[LostRecords]:
    if any(parse_entry(one).version == PROJECTED_ENTRY for one in entries):
        raise Behind(
            "entries of projected events are missing: the place up to which the lender's contracts are projected would no longer be that of"
            " the log. Nothing was changed; restore a newer backup, or let a person decide (docs/backup.md)"
        )
    lost = await store.lost_records(entries)
    signer = open_signer(config.log_key)
    key = VerifierKey.ed25519(config.origin, signer.public_key)
    text = checkpoint_text(Checkpoint(origin=config.origin, size=anchor.size, root=anchor.root))
    note = format_note(Note(text=text, signatures=(sign_note(text, key, signer.sign),)))
    checkpoint = LogCheckpoint(size=anchor.size, root=anchor.root, note=note, anchored_height=anchor.height)
    await store.put_back(entries, [_state(config, one) for one in lost], checkpoint, anchor)
    return lost


def _state(config: CustodianConfig, lost: LostRecords) -> LostStatement:
    """The lender's word that records are gone, so that a court sees a stated loss and no hole. Raises `Malformed`."""
    if not config.common.operators:
        raise Malformed("catch-up", "operators", "the configuration names none, in whose name the loss is stated")
    policy = load_policy(config.retention, KindCatalogue().names())
    signer, at_s = open_signer(config.record_key), SystemClock().now_ms() // 1000
    token = make_tombstone(
        iss=config.common.identity,
        origin=config.origin,
        dossier=lost.dossier,
        scope="records",
        places=lost.places,
        actor=min(config.common.operators),
        basis=BASIS,
        policy=policy.name,
        policy_sha256=policy.digest.hex(),
        iat=at_s,
        public_key=signer.public_key,
        sign=signer.sign,
    )
    return LostStatement(lost=lost, token=token, at_s=at_s)
