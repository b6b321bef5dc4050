"""A keeper's custody log for its own people: pages of events, the signed head, and every event with its proof.

The same for custodian and court gateway. Nothing is judged here: whoever asks verifies with trust roots of his own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.custody import CUSTODY_ACTIONS
from relay.core.errors import Malformed, RelayError
from relay.core.fields import DOSSIER, TOKEN
from relay.core.identity import parse_identity
from relay.core.limits import CUSTODY_PAGE_EVENTS_MAX
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.ports.common import LogFiles, Signer
from relay.ports.custody import AskLedger, CustodyFilter, CustodyRows, LedgerWord

SCAN_EVENTS: Final = 4096
"""Events looked at in one step, so that a search through a long log lets other work pass."""
ROWS_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRow:
    """One index: the stored event (empty when none is), the log's entry (empty when none is), the proof if asked for."""

    index: int
    event: bytes
    entry: bytes
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHead:
    """The signed head, the ledger's word with the proof from it to the head; `problem` says why there is no word."""

    keeper: str
    checkpoint: bytes
    size: int
    ledger: LedgerWord | None
    consistency: tuple[bytes, ...]
    problem: str


class CustodyReading:
    """Serves a custody desk. `size` is the committed size of the log now; `key` and `signer` are None without a custody key."""

    def __init__(
        self,
        *,
        keeper: str,
        rows: CustodyRows,
        size: Callable[[], int],
        files: LogFiles,
        key: VerifierKey | None,
        signer: Signer | None,
        ask_ledger: AskLedger,
    ) -> None:
        self._keeper = keeper
        self._rows = rows
        self._size = size
        self._files = files
        self._key = key
        self._signer = signer
        self._ask_ledger = ask_ledger

    async def find(self, wanted: CustodyFilter, start: int, limit: int) -> tuple[list[ReadRow], int]:
        """At most `limit` events from index `start` on, and where the next page begins (0 after the last one)."""
        check_filter(wanted)
        if not 1 <= limit <= CUSTODY_PAGE_EVENTS_MAX:
            raise Malformed("custody", "limit", f"must be 1 to {CUSTODY_PAGE_EVENTS_MAX}")
        end = await self._rows.end()
        found: list[ReadRow] = []
        at = start
        while at < end and len(found) < limit:
            upto = min(at + SCAN_EVENTS, end)
            rows = await self._rows.between(at, upto, wanted)
            found += [ReadRow(index=i, event=event, entry=b"") for i, event in rows[: limit - len(found)]]
            at = found[-1].index + 1 if len(found) == limit else upto
        return found, at if at < end else 0

    async def head(self) -> ReadHead:
        """The log as it is now. Raises `Malformed` without a custody key."""
        if self._key is None or self._signer is None:
            reason = "this keeper has no custody key; make one, name it in its configuration and pin it (docs/operate/reference.md)"
            raise Malformed("custody", "keys.custody", reason)
        word, problem = None, ""
        try:
            word = await self._ask_ledger()  # before the size is read: the log never is behind what it was asked after
        except RelayError as error:
            problem = f"the ledger could not be asked: {error}"
        size = self._size()
        root = await asyncio.to_thread(self._files.root, size)
        text = checkpoint_text(Checkpoint(origin=self._key.name, size=size, root=root))
        note = format_note(Note(text=text, signatures=(sign_note(text, self._key, self._signer.sign),)))
        consistency: tuple[bytes, ...] = ()
        if word is not None and word.size <= size:
            consistency = tuple(await asyncio.to_thread(self._files.consistency_proof, word.size, size))
        return ReadHead(
            keeper=self._keeper,
            checkpoint=note,
            size=size,
            ledger=word,
            consistency=consistency,
            problem=problem or ("" if word else "the ledger holds no head of this log yet"),
        )

    async def read(self, wanted: CustodyFilter, size: int, *, proofs: bool) -> AsyncIterator[list[ReadRow]]:
        """Groups of rows under a head of `size`.

        Without a filter every index of the log comes, event or not, and every stored event, logged or not.
        """
        check_filter(wanted)
        end = max(size, await self._rows.end()) if wanted.everything else size
        for start in range(0, end, SCAN_EVENTS):
            upto = min(start + SCAN_EVENTS, end)
            events = dict(await self._rows.between(start, upto, wanted))
            entries = await asyncio.to_thread(self._files.entries, min(start, size), min(upto, size))
            indices = range(start, upto) if wanted.everything else sorted(events)
            rows = [
                ReadRow(index=i, event=events.get(i, b""), entry=entries[i - start] if i < size else b"")
                for i in indices
                if i in events or i < size
            ]
            for at in range(0, len(rows), ROWS_AT_ONCE):
                group = rows[at : at + ROWS_AT_ONCE]
                yield await asyncio.to_thread(self._prove, group, size) if proofs else group

    def _prove(self, rows: list[ReadRow], size: int) -> list[ReadRow]:
        return [
            ReadRow(
                index=row.index,
                event=row.event,
                entry=row.entry,
                proof=tuple(self._files.inclusion_proof(row.index, size)) if row.index < size else (),
            )
            for row in rows
        ]


def check_filter(wanted: CustodyFilter) -> None:
    """Raises `Malformed` for what no event can have: a misspelt filter must not look like an empty log."""
    if wanted.action and wanted.action not in CUSTODY_ACTIONS:
        raise Malformed("custody", "action", f"must be {', '.join(CUSTODY_ACTIONS[:-1])} or {CUSTODY_ACTIONS[-1]}")
    if wanted.outcome and not TOKEN.fullmatch(wanted.outcome):
        raise Malformed("custody", "outcome", "must be a lower-case name, as `custody show` prints them")
    if wanted.actor:
        parse_identity(wanted.actor, what="custody", field="actor")
    if wanted.dossier and not DOSSIER.fullmatch(wanted.dossier):
        raise Malformed("custody", "dossier", "must be a dossier's id: 32 lower-case hex digits")
    for name in ("grant", "request"):
        value = getattr(wanted, name)
        if value and (len(value) != 64 or not set(value) <= set("0123456789abcdef")):
            raise Malformed("custody", name, "must be a digest: 64 lower-case hex digits")
    if wanted.from_ms < 0 or wanted.to_ms < 0 or (wanted.to_ms and wanted.to_ms <= wanted.from_ms):
        raise Malformed("custody", "time", "must be a period whose end is later than its beginning")
