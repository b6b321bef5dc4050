"""`courtrelay projection`: make a log's projected entries again from the lender's ledger, and compare; prove single events."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from adapters.tlog.entries import read_entries
from adapters.tlog.fetch import open_fetch
from adapters.tlog.tree import LogTiles
from relay.app.projection import open_ledger_events
from relay.app.runtime import SystemClock
from relay.app.trust import read_trust
from relay.config.projection import ProjectionConfig, read_projection
from relay.core.checkpoint import Checkpoint
from relay.core.dossier import PROJECTED_ENTRY
from relay.core.errors import Malformed, NotFound, Unavailable
from relay.core.limits import NOTE_BYTES_MAX
from relay.core.projected_proof import check_signatures, make_proof, verify_proof
from relay.core.projection import LedgerEvent, ProjectedEvent, Projection
from relay.core.times import format_utc
from relay.core.tlogproof import PROOF_BYTES_MAX
from relay.core.verdict import Finding
from relay.ports.projection import LedgerEvents, Place, Refusal

Advance = Callable[[int, int], None]
PROOFS_MAX: Final = 1000
REFUSALS_SHOWN: Final = 100
CHECKPOINT: Final = "checkpoint"


@dataclass(slots=True)
class Comparison:
    """What was found. `waiting`: final events that the checkpoint does not hold yet, and the first of them."""

    checkpoint: Checkpoint
    witnesses: tuple[tuple[str, int], ...]
    ledger: str
    upto: int
    verdict: Finding = Finding.CONSISTENT
    reason: str = ""
    wrong: int | None = None
    projected: int = 0
    others: int = 0
    waiting: int = 0
    first_waiting: str = ""
    refused: int = 0
    refusals: list[str] = field(default_factory=list)

    def fail(self, verdict: Finding, reason: str, index: int | None = None) -> None:
        """The first failure stays."""
        if not self.reason:
            self.verdict, self.reason, self.wrong = verdict, reason, index

    def as_json(self) -> dict[str, Any]:
        """The document of `--json`."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "first_wrong_entry": self.wrong,
            "origin": self.checkpoint.origin,
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "witnesses": [{"name": name, "at": format_utc(time_s)} for name, time_s in self.witnesses],
            "ledger": self.ledger,
            "upto": self.upto,
            "projected": self.projected,
            "others": self.others,
            "waiting": self.waiting,
            "first_waiting": self.first_waiting,
            "refused": self.refused,
            "refusals": self.refusals,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """A log at a checkpoint whose signature holds, and the events of the ledger."""

    note: bytes
    tiles: LogTiles
    comparison: Comparison
    events: LedgerEvents


def _address(log: str) -> str:
    """A folder's absolute path, or an address without a slash at its end."""
    return log.rstrip("/") if "://" in log else str(Path(log).resolve())


@asynccontextmanager
async def _open(config: ProjectionConfig, log: str) -> AsyncIterator[_Sides]:
    """The checkpoint is read before what is final: whatever it holds of an honest log is final by then.

    Raises `Malformed`, `Unverified`, `Unavailable`.
    """
    trust = read_trust(config.trust)
    async with AsyncExitStack() as stack:
        fetch = open_fetch(_address(log), config.tls)
        stack.push_async_callback(fetch.close)
        try:
            note = await fetch.get(CHECKPOINT, NOTE_BYTES_MAX)
        except NotFound as error:
            raise Unavailable(f"{error}; the address of a log ends with the hash of its origin") from None
        checkpoint, witnesses = check_signatures(note, trust, SystemClock().now_ms())
        if checkpoint.origin != config.origin:
            raise Malformed("projection", "--log", f"is the log {checkpoint.origin}, not {config.origin}")
        events = await open_ledger_events(config.ledger, config.tables)
        stack.push_async_callback(events.close)
        final = await events.final_height()
        comparison = Comparison(checkpoint=checkpoint, witnesses=witnesses, ledger=events.ledger, upto=final)
        yield _Sides(note=note, tiles=LogTiles(fetch), comparison=comparison, events=events)


async def _expected(sides: _Sides) -> AsyncGenerator[ProjectedEvent | Refusal, None]:
    """What the ledger gives, up to the block that is final."""
    made, upto = Projection(), sides.comparison.upto
    if upto < min(source.start for source in sides.events.sources):
        return  # the feed would wait for a block that no event counts before
    async with aclosing(sides.events.stretches(Place(height=0, block_hash=b""))) as feed:
        async for stretch in feed:
            for refusal in stretch.refused:
                yield refusal
            for event in stretch.events:
                if event.height <= upto:
                    yield made.take(event)
            if stretch.upto.height >= upto:
                return


async def _compare(sides: _Sides, seen: Callable[[int, ProjectedEvent], None], advance: Advance, until: int) -> None:
    """Fill the comparison. `seen` is given every projected entry that is right; `until`: all events up to there must be in the log."""
    found = sides.comparison
    async with aclosing(_expected(sides)) as feed:

        async def due() -> ProjectedEvent | None:
            async for one in feed:
                if isinstance(one, ProjectedEvent):
                    return one
                found.refused += 1
                found.refusals += [one.words()] if len(found.refusals) < REFUSALS_SHOWN else []
            return None

        index = 0
        async for entries in read_entries(sides.tiles, found.checkpoint, 0, found.checkpoint.size):
            for entry in entries:
                if entry[0] != PROJECTED_ENTRY:
                    found.others += 1
                elif not _matches(found, index, entry, await due(), seen):
                    return
                index += 1
            advance(index, found.checkpoint.size)
        while (one := await due()) is not None:
            found.waiting += 1
            found.first_waiting = found.first_waiting or _named(one.event)
            if one.event.height <= until:
                found.fail(Finding.INCONSISTENT, f"the log lacks the {_named(one.event)}")
    if found.waiting:
        reason = (
            f"{found.waiting} final events are in no entry of this checkpoint, the first is the {found.first_waiting}"
        )
        found.fail(Finding.PENDING_FINALITY, reason)


def _matches(
    found: Comparison, index: int, entry: bytes, due: ProjectedEvent | None, seen: Callable[[int, ProjectedEvent], None]
) -> bool:
    if due is None:
        reason = (
            f"entry {index} is of no event up to block {found.upto}, the last that is final at this node; ask again when"
            " more are: if it stays so, the entry was put in"
        )
        found.fail(Finding.UNVERIFIABLE, reason, index)
        return False
    if entry != due.entry:
        reason = (
            f"entry {index} is not that of the {_named(due.event)}, which is the next one: altered, left out or put in"
        )
        found.fail(Finding.INCONSISTENT, reason, index)
        return False
    found.projected += 1
    seen(index, due)
    return True


def _named(event: LedgerEvent) -> str:
    return f"event in block {event.height}, log {event.log} of {event.emitter}"


async def check(config: Path, log: str, until: int, advance: Advance) -> Comparison:
    """Compare a whole log with the ledger. Raises `Malformed`, `Unverified` (the checkpoint's signatures), `Unavailable`."""
    async with _open(read_projection(config), log) as sides:
        found = sides.comparison
        if until > found.upto:
            raise Malformed("projection check", "--upto", f"{until} is not final yet: block {found.upto} is the last")
        await _compare(sides, lambda _index, _one: None, advance, until)
        return found


async def prove(config: Path, log: str, digest: bytes, out: Path, advance: Advance) -> tuple[Comparison, list[Path]]:
    """Write a proof of every event with that digest into a new folder; the log is compared as in `check`.

    Nothing is written when the log is not as the ledger has it. Raises also `NotFound`.
    """
    wanted: list[tuple[int, ProjectedEvent]] = []

    def seen(index: int, one: ProjectedEvent) -> None:
        if one.event.digest == digest and len(wanted) < PROOFS_MAX:
            wanted.append((index, one))

    async with _open(read_projection(config), log) as sides:
        await _compare(sides, seen, advance, 0)
        if sides.comparison.wrong is not None:
            return sides.comparison, []
        if not wanted:
            raise NotFound(f"no projected event of {sides.comparison.checkpoint.origin} has the digest {digest.hex()}")
        tree = await sides.tiles.at(sides.comparison.checkpoint)
        proofs = {index: make_proof(one, index, await tree.inclusion_of(index), sides.note) for index, one in wanted}
    return sides.comparison, await asyncio.to_thread(_write, out, proofs)


def _write(out: Path, proofs: Mapping[int, bytes]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    paths = {out / f"{index}.tlog-proof": proof for index, proof in proofs.items()}
    for path, proof in paths.items():
        path.write_bytes(proof)
    return list(paths)


def verify(proof: Path, trust: Path, payload: Path | None) -> dict[str, Any]:
    """What a proof shows, offline; with `payload`, that the event's digest is the file's SHA-256. Raises `Malformed`, `Unverified`."""
    with proof.open("rb") as file:
        data = file.read(PROOF_BYTES_MAX + 1)
    shown = verify_proof(data, read_trust(trust), SystemClock().now_ms())
    event = shown.event
    matches = None if payload is None else sha256_of(payload) == event.digest
    return {
        "origin": shown.checkpoint.origin,
        "index": shown.index,
        "size": shown.checkpoint.size,
        "root": shown.checkpoint.root.hex(),
        "witnesses": [{"name": name, "at": format_utc(time_s)} for name, time_s in shown.witnesses],
        "emitter": event.emitter,
        "kind": event.kind.hex(),
        "height": event.height,
        "block_hash": event.block_hash.hex(),
        "log": event.log,
        "dossier": event.dossier.hex(),
        "digest": event.digest.hex(),
        "time": event.time,
        "seq": shown.seq,
        "payload": matches,
    }


def sha256_of(path: Path) -> bytes:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
