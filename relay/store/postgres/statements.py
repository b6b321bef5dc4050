"""What happens inside the relay's transactions. Each condition stands in the statement that depends on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from relay.core.errors import Conflict
from relay.core.lifecycle import ItemState
from relay.ports.ledgers import Anchor, AnchorBlock
from relay.store.postgres.database import Connection
from relay.store.postgres.notices import Tell
from relay.store.rows import BLOCKS_REMEMBERED, ITEM_COLUMNS, NEW_ITEM_ENDS, new_item_values, state_in

NOW_MS: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
"""Milliseconds since 1970 UTC by the database's own clock."""
_INSERT_ANCHOR: Final = (
    f"INSERT INTO item ({ITEM_COLUMNS}, final_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, {NEW_ITEM_ENDS},"
    f" CASE $10 WHEN 'final' THEN {NOW_MS} ELSE 0 END)"
    " ON CONFLICT (id) DO UPDATE SET height = excluded.height, block_hash = excluded.block_hash,"
    " tx_id = excluded.tx_id, time_ms = excluded.time_ms, state = excluded.state, final_ms = excluded.final_ms"
    " WHERE item.state = 'orphaned'"
)


async def changed(c: Connection, sql: str, *values: object) -> int:
    """How many rows a statement changed."""
    return int((await c.execute(sql, *values)).rpartition(" ")[2])


async def insert_anchor(c: Connection, anchor: Anchor, tell: Tell, state: ItemState = ItemState.SEEN) -> int:
    """A new item; one that was orphaned and is now in another block comes back. 1 when it was new, which is told."""
    new = await changed(c, _INSERT_ANCHOR, *new_item_values(anchor, state))
    if new:
        await tell(c, "anchored", anchor.origin, anchor.size)
    return new


async def insert_anchors(
    c: Connection, anchors: Sequence[Anchor], tell: Tell, state: ItemState = ItemState.SEEN
) -> Counter[str]:
    """Those that are new, by origin."""
    new: Counter[str] = Counter()
    for anchor in anchors:
        if await insert_anchor(c, anchor, tell, state):
            new[anchor.origin] += 1
    return new


async def by_origin(c: Connection, sql: str, *values: object) -> Counter[str]:
    """How many rows a statement changed that returns their origins."""
    return Counter(row[0] for row in await c.fetch(sql, *values))


async def take_block(c: Connection, ledger: str, block: AnchorBlock, tell: Tell) -> Counter[str]:
    """Cursor, items and the block's hash. Raises `Conflict` unless the block extends the cursor."""
    await c.execute("INSERT INTO cursor VALUES ($1, 0, '') ON CONFLICT DO NOTHING", ledger)
    extends = await changed(
        c,
        "UPDATE cursor SET height = $2, block_hash = $3"
        " WHERE ledger = $1 AND height = $2 - 1 AND (height = 0 OR block_hash = $4)",
        *(ledger, block.height, block.block_hash, block.parent_hash),
    )
    if not extends:
        raise Conflict(f"block {block.height} of {ledger} does not extend the last block as recorded")
    new = await insert_anchors(c, block.anchors, tell, state_in(block))
    await c.execute(
        "INSERT INTO block VALUES ($1, $2, $3) ON CONFLICT (ledger, height) DO UPDATE SET block_hash = excluded.block_hash",
        *(ledger, block.height, block.block_hash),
    )
    await c.execute("DELETE FROM block WHERE ledger = $1 AND height <= $2", ledger, block.height - BLOCKS_REMEMBERED)
    return new


async def rewind(c: Connection, ledger: str, height: int) -> Counter[str]:
    """Cursor back, blocks above forgotten, items above orphaned. Returns how many items, by origin."""
    await c.execute("SELECT 1 FROM cursor WHERE ledger = $1 FOR UPDATE", ledger)
    held = await c.fetchval("SELECT block_hash FROM block WHERE ledger = $1 AND height = $2", ledger, height)
    to = (height, held) if held is not None else (0, b"")
    await c.execute("UPDATE cursor SET height = $2, block_hash = $3 WHERE ledger = $1", ledger, *to)
    await c.execute("DELETE FROM block WHERE ledger = $1 AND height > $2", ledger, height)
    sql = "UPDATE item SET state = 'orphaned' WHERE ledger = $1 AND height > $2 AND state = 'seen' RETURNING origin"
    return await by_origin(c, sql, ledger, height)


async def move(c: Connection, item: bytes, old: ItemState, new: ItemState, reason: str) -> None:
    """Compare-and-swap of an item's state. Raises `Conflict`."""
    done = await changed(
        c,
        "UPDATE item SET state = $3, reason = $4 WHERE id = $1 AND state = $2",
        *(item, old.value, new.value, plain(reason)),
    )
    if not done:
        raise Conflict(f"the item is not {old.value} any more")


def plain(text: str) -> str:
    """A reason as PostgreSQL's text takes it: without the one character it has no place for."""
    return text.replace("\x00", "\\0")
