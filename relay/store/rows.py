"""What a row of the relay's tables holds, the same in every database."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import OPEN_STATES, ItemState, item_id
from relay.ports.forwarding import Confirmation, Exhibit, Item, Waiting
from relay.ports.ledgers import Anchor, AnchorBlock, Receipt

BLOCKS_REMEMBERED: Final = 4096
"""Heights of a ledger whose hashes are kept: how far back a reorganisation can be followed."""
ITEM_COLUMNS: Final = "id, ledger, origin, size, root, height, block_hash, tx_id, time_ms, state, attempt, reason"
NEXT_LOOKED_AT: Final = 64
"""Of an origin's next items, so many are looked at for the oldest."""
CONFIRMATION_COLUMNS: Final = "origin, size, root, ledger, height, tx_id, time_ms, kind, proof, cosigned"
EXHIBIT_COLUMNS: Final = "number, origin, reason, pieces, resumed"
OPEN_WORDS: Final = ", ".join(f"'{state.value}'" for state in ItemState if state in OPEN_STATES)
"""As written in the partial index `item_next`, which is used only for the same words."""

FINAL_WORDS: Final = ", ".join(
    f"'{state.value}'" for state in ItemState if state not in {ItemState.SEEN, ItemState.ORPHANED, ItemState.DISCARDED}
)
"""The states of an item whose block was taken for final, in SQL."""


WAITING_WORDS: Final = ", ".join(
    f"'{state.value}'" for state in ItemState if state in OPEN_STATES and state is not ItemState.SEEN
)


def waiting_sql(origin: str, now_ms: str) -> str:
    """How many items of an origin wait, and for how many milliseconds the oldest; `origin` is how the dialect names its parameter.

    What a receipt of a larger size covers does not wait: such items are few, and gone with the next turn.
    """
    confirmed = f"(SELECT coalesce(max(size), 0) FROM confirmation WHERE origin = {origin})"
    final = f"SELECT final_ms FROM item WHERE origin = {origin} AND state IN ({OPEN_WORDS}) AND final_ms > 0 AND size"
    counted = f"SELECT coalesce(sum(items), 0) FROM item_count WHERE origin = {origin} AND state IN ({WAITING_WORDS})"
    return (
        f"SELECT ({counted}) - (SELECT count(*) FROM ({final} <= {confirmed}) AS covered), {now_ms}"
        f" - (SELECT min(final_ms) FROM ({final} > {confirmed} ORDER BY size LIMIT {NEXT_LOOKED_AT}) AS coming)"
    )


def waiting_from(row: Any) -> Waiting:
    """A row of `waiting_sql`. No age is below 0, for a clock may be set back."""
    return Waiting(items=int(row[0]), oldest_s=max(0, row[1] or 0) / 1000)


def item_from(row: Any) -> Item:
    """A row of ITEM_COLUMNS."""
    id_, ledger, origin, size, root, height, block_hash, tx_id, time_ms, state, attempt, reason = row
    anchor = Anchor(
        ledger=ledger,
        origin=origin,
        size=size,
        root=root,
        height=height,
        block_hash=block_hash,
        tx_id=tx_id,
        time_ms=time_ms,
    )
    return Item(id=id_, anchor=anchor, state=ItemState(state), attempt=attempt, reason=reason)


def new_item_values(a: Anchor, state: ItemState = ItemState.SEEN) -> tuple[object, ...]:
    """The first ten of ITEM_COLUMNS for an anchor that was just seen."""
    identity = item_id(a.ledger, a.origin, a.size, a.root)
    return identity, a.ledger, a.origin, a.size, a.root, a.height, a.block_hash, a.tx_id, a.time_ms, state.value


def state_in(block: AnchorBlock) -> ItemState:
    """What its anchors begin as: final at once where the block was given as final itself."""
    return ItemState.FINAL if block.final_height >= block.height else ItemState.SEEN


def tally(rows: Iterable[Any]) -> dict[str, dict[str, int]]:
    """Rows of (origin, state, items), each origin with all states."""
    found: dict[str, dict[str, int]] = {}
    for origin, state, items in rows:
        found.setdefault(origin, {state.value: 0 for state in ItemState})[state] = items
    return found


def of_all(by_origin: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The same without the origins."""
    return {state.value: sum(one[state.value] for one in by_origin.values()) for state in ItemState}


def confirmation_from(row: Any) -> Confirmation:
    """A row of CONFIRMATION_COLUMNS."""
    origin, size, root, ledger, height, tx_id, time_ms, kind, proof, cosigned = row
    return Confirmation(
        receipt=Receipt(
            ledger=ledger, origin=origin, size=size, root=root, height=height, tx_id=tx_id, time_ms=time_ms
        ),
        proof=LedgerProof(kind=kind, ledger=ledger, body=proof),
        cosigned=cosigned,
    )


def confirmation_values(confirmation: Confirmation) -> tuple[object, ...]:
    """CONFIRMATION_COLUMNS."""
    r, proof = confirmation.receipt, confirmation.proof
    return (
        *(r.origin, r.size, r.root, r.ledger, r.height, r.tx_id, r.time_ms),
        *(proof.kind, proof.body, confirmation.cosigned),
    )


def pieces_to_text(pieces: Mapping[str, bytes]) -> str:
    """An exhibit's pieces as they are stored."""
    return json.dumps({name: b64encode(piece).decode() for name, piece in pieces.items()})


def exhibit_from(row: Any) -> Exhibit:
    """A row of EXHIBIT_COLUMNS."""
    number, origin, reason, pieces, resumed = row
    return Exhibit(
        number=number,
        origin=origin,
        reason=reason,
        pieces={name: b64decode(piece) for name, piece in json.loads(pieces).items()},
        resumed=resumed,
    )
