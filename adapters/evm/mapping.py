"""The tables `[[projection]]` of a configuration: which events of which contracts, and which of their fields say what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.evm.config import ADDRESS, HEIGHT_MAX
from adapters.evm.declaration import EventDeclaration, Field, parse_declaration
from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.projection import PLACE_MAX, LedgerEvent
from relay.ports.projection import EventSource

MAPPINGS_MAX: Final = 16
_WHAT: Final = "configuration"
_EVENT: Final = "event"

KNOWN: Final[Mapping[str, str]] = {
    "address": "the contract: 0x and 40 lower-case hex digits",
    "event": 'its event, such as "RecordStored(bytes32 indexed loan, bytes32 digest, uint64 time)"',
    "digest": "the field with the record's digest; of type bytes32",
    "dossier": "the field that says to which loan it belongs; no array",
    "time": "the field with the time, an unsigned integer; without it the block's time in seconds",
    "from_block": "the first block whose events count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """One table. `time` is empty where the block's own time counts."""

    place: str
    chain_id: int
    address: bytes
    event: EventDeclaration
    digest: str
    dossier: str
    time: str
    start: int

    @property
    def emitter(self) -> str:
        """Chain and contract in one name (CAIP-10)."""
        return f"eip155:{self.chain_id}:0x{self.address.hex()}"

    @property
    def source(self) -> EventSource:
        """The mapping's one spelling."""
        said = {
            "digest": self.digest,
            "dossier": self.dossier,
            "emitter": self.emitter,
            "event": self.event.text,
            "from_block": self.start,
            "time": self.time,
        }
        return EventSource(text=dumps(said).decode(), start=self.start)

    def read(
        self, topics: Sequence[bytes], data: bytes, *, height: int, block_hash: bytes, log: int, time_s: int
    ) -> LedgerEvent:
        """What one log of ours says. Raises `Malformed`; `Misdeclared` when the declaration does not fit the contract."""
        try:
            values = self.event.decode(topics, data)
        except Malformed as error:
            if error.what == _WHAT:
                raise type(error)(_WHAT, f"{self.place}.event", error.reason) from None
            raise
        time = int.from_bytes(values[self.time], "big") if self.time else time_s
        if time > PLACE_MAX:
            raise Malformed(_EVENT, self.time, f"is {time}; at most {PLACE_MAX}")
        return LedgerEvent(
            emitter=self.emitter,
            kind=self.event.topic,
            height=height,
            block_hash=block_hash,
            log=log,
            dossier=values[self.dossier],
            digest=values[self.digest],
            time=time,
        )


def read_mappings(tables: Sequence[Mapping[str, object]], chain_id: int) -> tuple[EventMapping, ...]:
    """Every table, in order. Raises `Malformed` naming table and key."""
    if not 1 <= len(tables) <= MAPPINGS_MAX:
        raise Malformed(_WHAT, "projection", f"{len(tables)} tables; must be 1 to {MAPPINGS_MAX}")
    read = tuple(_mapping(table, f"projection[{i}]", chain_id) for i, table in enumerate(tables))
    seen: dict[tuple[bytes, bytes], str] = {}
    for one in read:
        other = seen.setdefault((one.address, one.event.topic), one.place)
        if other != one.place:
            raise Malformed(_WHAT, f"{one.place}.event", f"of that contract is mapped by {other} already")
    return read


def _mapping(table: Mapping[str, object], place: str, chain_id: int) -> EventMapping:
    def refuse(key: str, reason: str) -> Malformed:
        return Malformed(_WHAT, f"{place}.{key}", reason)

    def text(key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            raise refuse(key, f"must be given as a string: {KNOWN[key]}")
        return value

    unknown = sorted(set(table) - set(KNOWN))
    if unknown:
        raise refuse(unknown[0], f"is unknown; known are {', '.join(KNOWN)}")
    address = text("address")
    if ADDRESS.fullmatch(address) is None:
        raise refuse("address", f"must be {KNOWN['address']}")
    event = parse_declaration(text("event"), _WHAT, f"{place}.event")
    fields = {key: _field(event, text(key), key, refuse) for key in ("digest", "dossier")}
    if "time" in table:
        fields["time"] = _field(event, text("time"), "time", refuse)
    start = table.get("from_block")
    if not isinstance(start, int) or isinstance(start, bool) or not 0 <= start <= HEIGHT_MAX:
        raise refuse("from_block", f"must be a whole number from 0 to {HEIGHT_MAX}: {KNOWN['from_block']}")
    return EventMapping(
        place=place,
        chain_id=chain_id,
        address=bytes.fromhex(address[2:]),
        event=event,
        digest=fields["digest"].name,
        dossier=fields["dossier"].name,
        time=fields["time"].name if "time" in fields else "",
        start=max(1, start),
    )


def _field(event: EventDeclaration, name: str, key: str, refuse: Callable[[str, str], Malformed]) -> Field:
    """The named field, of a type that its use allows."""
    found = event.field(name)
    if found is None:
        names = ", ".join(one.name for one in event.fields if one.name) or "none"
        raise refuse(key, f"{name[:64]!a} is no field of {event.name}; named are {names}")
    fits = {
        "digest": found.type == "bytes32",
        "dossier": not found.type.endswith("]"),
        "time": found.type.startswith("uint") and found.static,
    }
    if not fits[key]:
        raise refuse(key, f"{name} is of type {found.type}; {KNOWN[key]}")
    return found
