"""A lender at work, and what an attacker outside its house gets hold of: files of all other roles and all traffic, before any grant."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from relay.core.tiles import decode_entries
from relay.sample import generate
from tests.attacker.program import Loot, Person
from tests.support.links import DirectCourtLink, DirectRelayLink
from tests.support.way import Way

OUTSIDE = ("relay", "court", "lender-ledger", "court-ledger")


class Tap:
    """Keeps every string of bytes or text that passes between roles."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def hear(self, value: Any) -> None:
        """Whatever is in it, however deep."""
        for piece in _bytes_of(value):
            self.heard += piece

    def on(self, target: Any, name: str) -> None:
        """Hear arguments and answers of one call, streams piece by piece."""
        inner = getattr(target, name)

        async def call(*arguments: Any) -> Any:
            self.hear(arguments)
            answer = await inner(*[self._stream(a) if hasattr(a, "__aiter__") else a for a in arguments])
            self.hear(answer)
            return answer

        setattr(target, name, call)

    async def _stream(self, pieces: Any) -> Any:
        async for piece in pieces:
            self.hear(piece)
            yield piece


def _bytes_of(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _bytes_of(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _bytes_of(getattr(value, field.name))


def tap_traffic(way: Way) -> Tap:
    """From custodian to relay and from relay to court gateway."""
    tap = Tap()
    relay: DirectRelayLink = way.pusher._relay  # type: ignore[assignment]
    for name in ("receipts", "record_grant", "refuse"):
        tap.on(relay, name)
    push = relay._intake.push

    async def pushed(custodian: str, checkpoint: bytes, groups: Any) -> Any:
        tap.hear([custodian, checkpoint])
        async for answer in push(custodian, checkpoint, tap._stream(groups)):
            yield answer

    relay._intake.push = pushed  # type: ignore[assignment, method-assign]
    court: DirectCourtLink = way.advancer._court  # type: ignore[assignment]
    for name in ("latest", "add_checkpoint", "add_entries"):
        tap.on(court, name)
    return tap


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Loans of a sample: lines with their payloads by reference, and who the borrowers are."""

    dossiers: dict[str, list[tuple[dict[str, Any], list[bytes]]]]
    people: list[Person]


def portfolio(folder: Path, loans: int, seed: int) -> Portfolio:
    """The sample, read back as a lender's system would send it."""
    generate(folder, loans, seed)
    dossiers: dict[str, list[tuple[dict[str, Any], list[bytes]]]] = {}
    people = []
    for text in (folder / "records.jsonl").read_text().splitlines():
        line = json.loads(text)
        contents = [(folder / payload["file"]).read_bytes() for payload in line["payloads"]]
        dossiers.setdefault(line.pop("dossier"), []).append((line, contents))
        if line["kind"] == "application":
            given = line["fields"]
            people.append(Person(name=given["applicant_name"], id_number=given["id_number"], phone=given["phone"]))
    return Portfolio(dossiers=dossiers, people=people)


async def day_of_work(way: Way, loans: Portfolio, records_each: int, seed: int) -> list[int]:
    """Records come as they happen, a loan's among all others'; the true dossier (by number) of every log index."""
    chosen = random.Random(seed)
    waiting = {n: iter(lines[:records_each]) for n, lines in enumerate(loans.dossiers.values())}
    references = list(loans.dossiers)
    truth: list[int] = []
    while waiting:
        number = chosen.choice(sorted(waiting))
        line = next(waiting[number], None)
        if line is None:
            del waiting[number]
            continue
        stored = await way.deposit(references[number], [line])
        assert stored.indices == (len(truth),)
        truth.append(number)
    return truth


def loot_of(way: Way, tap: Tap) -> Loot:
    """Every file of every other role, and the traffic."""
    blobs = {"traffic": bytes(tap.heard)}
    for role in OUTSIDE:
        for path in sorted((way.home / role / "data").rglob("*")):
            if path.is_file() and not path.name.endswith("-shm"):
                blobs[str(path.relative_to(way.home))] = path.read_bytes()
    packs = [blob for name, blob in blobs.items() if name.startswith("court/") and name.endswith("entries.pack")]
    entries = max((decode_entries(pack) for pack in packs), key=lambda found: sum(entry[0] == 1 for entry in found))
    return Loot(blobs=blobs, entries=entries)


def crowd(true: list[Person], size: int, seed: int) -> Iterator[Person]:
    """A list of so many candidates with the true ones somewhere in it."""
    chosen = random.Random(seed)
    places = dict(zip(chosen.sample(range(size), len(true)), true, strict=True))
    for number in range(size):
        other = f"990101{chosen.randrange(1950, 2006)}{chosen.randrange(1, 13):02d}{chosen.randrange(1, 29):02d}"
        serial = f"{chosen.randrange(10_000):04d}"
        yield places.get(number) or Person(name="王伟", id_number=other + serial, phone=f"12{number:09d}")
