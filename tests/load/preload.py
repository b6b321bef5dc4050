"""What is there before a relay starts: a log with its anchored checkpoints, or a million item rows in the relay's database."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from relay.app.adapters import load_adapter
from relay.app.custodian import MASTER_KEY_BYTES
from relay.app.initialise import LENDER_LEDGER, ORIGIN
from relay.app.runtime import backoff
from relay.config.roles import read_custodian
from relay.core.lifecycle import ItemState
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import Frontier, leaf_hash
from relay.core.note import VerifierKey
from relay.core.tiles import decode_entries
from relay.ports.ledgers import Anchor
from relay.private.references import read_secret
from relay.services.custodian.anchoring import Anchoring, AnchorPolicy
from relay.setup.signers import open_signer
from relay.store.custodian import SqliteCustodianStore
from relay.store.rows import ITEM_COLUMNS, new_item_values
from tests.support.compare import evidence_pack

ROWS_A_STEP = 20_000


async def anchor_entries(home: Path, entries: int, each: int, seed: int) -> int:
    """Append entries of nobody's records and anchor a checkpoint after every `each`, by the custodian's own store, keys and
    service, while its process does not run and the lender's ledger does. Returns the number of checkpoints.
    """
    config = read_custodian(home / "custodian" / "config.toml")
    store = await SqliteCustodianStore.open(config.common.data, read_secret(config.master_key, MASTER_KEY_BYTES))
    source = await load_adapter(config.ledger.family).open_source(config.ledger.settings)
    signer = open_signer(config.log_key)
    anchoring = Anchoring(
        store=store,
        source=source,
        log_key=VerifierKey.ed25519(config.origin, signer.public_key),
        signer=signer,
        policy=AnchorPolicy(interval_s=1.0, count=each),
        grown=asyncio.Event(),
        backoff=backoff,
    )
    made = random.Random(seed)
    checkpoints = 0
    try:
        for start in range(0, entries, each):
            count = min(each, entries - start)
            await store.append_entries([b"\x01" + made.randbytes(ENTRY_BYTES - 1) for _ in range(count)])
            await anchoring.now()
            checkpoints += 1
    finally:
        await source.close()
        await store.close()
    return checkpoints


def fill_items(home: Path) -> int:
    """While the relay does not run: one item for every size of its log that has none yet, with the true root, as if each had been
    anchored by the transaction of the log's first checkpoint. Odd sizes are FINAL, even ones SEEN. Returns how many were added.

    It is what a relay sees that joins late, or starts over with an empty store: all of these the court is past already.
    """
    database = sqlite3.connect(home / "relay/data/relay.sqlite", isolation_level=None)
    (before,) = database.execute("SELECT count(*) FROM item").fetchone()
    columns = ", ".join("?" * len(ITEM_COLUMNS.split(",")))
    statement = f"INSERT INTO item ({ITEM_COLUMNS}) VALUES ({columns}) ON CONFLICT DO NOTHING"
    taken = {size for (size,) in database.execute("SELECT size FROM item WHERE origin = ?", (ORIGIN,))}
    first = database.execute(
        "SELECT height, block_hash, tx_id, time_ms FROM item WHERE origin = ? ORDER BY size LIMIT 1", (ORIGIN,)
    ).fetchone()
    for rows in _item_rows(decode_entries(evidence_pack(home / "relay/data/logs")), taken, first):
        database.execute("BEGIN")
        database.executemany(statement, rows)
        database.execute("COMMIT")
    (after,) = database.execute("SELECT count(*) FROM item").fetchone()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return int(after - before)


def _item_rows(
    entries: Sequence[bytes], taken: set[int], first: tuple[int, bytes, bytes, int]
) -> Iterator[list[tuple[object, ...]]]:
    tree = Frontier.empty()
    rows: list[tuple[object, ...]] = []
    for entry in entries:
        tree.append_leaves([leaf_hash(entry)])
        if tree.size in taken:
            continue
        rows.append(_item_row(tree, *first))
        if len(rows) == ROWS_A_STEP:
            yield rows
            rows = []
    yield rows


def _item_row(tree: Frontier, height: int, block_hash: bytes, tx_id: bytes, time_ms: int) -> tuple[object, ...]:
    anchor = Anchor(
        ledger=LENDER_LEDGER,
        origin=ORIGIN,
        size=tree.size,
        root=tree.root(),
        height=height,
        block_hash=block_hash,
        tx_id=tx_id,
        time_ms=time_ms,
    )
    state = ItemState.FINAL if tree.size % 2 else ItemState.SEEN
    return *new_item_values(anchor)[:-1], state.value, 0, "", ""
