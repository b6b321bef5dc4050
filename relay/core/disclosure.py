"""Disclosure: the manifest that lists every sequence number as disclosed, withheld or erased.

The frames in which it travels, with records and payloads, are written and read by `relay.core.frames`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields
from relay.core.dossier import DOSSIER_KEY_BYTES
from relay.core.fields import TOKEN
from relay.core.frames import (
    End,
    Event,
    FrameDecoder,
    FrameEncoder,
    ManifestFrame,
    PayloadData,
    PayloadEnd,
    PayloadStart,
    RecordFrame,
)
from relay.core.jose import Jws, parse_jws, sign_jws, verify_jws
from relay.core.limits import (
    DISCLOSURES_PER_RECORD_MAX,
    MANIFEST_BYTES_MAX,
    PAYLOADS_PER_RECORD_MAX,
    REASON_CHARS_MAX,
    RECORDS_PER_DOSSIER_MAX,
    TREE_SIZE_MAX,
)
from relay.core.records import PAYLOAD_NAME
from relay.core.times import format_utc

__all__ = [
    "DisclosureManifest",
    "End",
    "EntryStatus",
    "Event",
    "FrameDecoder",
    "FrameEncoder",
    "ManifestEntry",
    "ManifestFrame",
    "PayloadData",
    "PayloadEnd",
    "PayloadStart",
    "RecordFrame",
    "make_manifest",
    "parse_manifest",
    "verify_manifest",
]

TYP: Final = "courtrelay-disclosure+jwt"
TOMBSTONES_MAX: Final = 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_WHAT: Final = "disclosure manifest"


PayloadWhy = Literal["withheld", "lost", "altered"]
"""Why a payload is not sent: outside the grant, or the lender's own check found its file gone or changed."""
PAYLOAD_WHYS: Final[tuple[PayloadWhy, ...]] = get_args(PayloadWhy)
EntryStatus = Literal["disclosed", "withheld", "erased"]
"""Whether a record is in the disclosure, only named, or no longer there (then a tombstone names it)."""
ENTRY_STATUSES: Final[tuple[EntryStatus, ...]] = get_args(EntryStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One record of the dossier. `index` is its place in the evidence log; `reason` is why it is withheld, or the basis of its erasure.

    Of a disclosed record, `members` are the personal members that are withheld, `unsent` the payloads that are not sent, each with why.
    `erased_s`: when it was erased, 0 unless it was.
    """

    seq: int
    index: int
    kind: str
    event_time_s: int
    status: EntryStatus
    reason: str = ""
    members: tuple[str, ...] = ()
    unsent: Mapping[str, PayloadWhy] = field(default_factory=dict)
    erased_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureManifest:
    """A parsed manifest whose signature is not yet checked. `grant`, `request`: digests in hex; `iat`: seconds."""

    jws: Jws
    iss: str
    aud: str
    grant: str
    request: str
    dossier: str
    dossier_key: bytes
    iat: int
    entries: tuple[ManifestEntry, ...]
    """Ascending by seq; a lender that names not every number shows a hole."""
    tombstones: tuple[str, ...] = ()
    """Tokens, unchecked: `relay.core.tombstone.check_erased`."""

    def entry(self, seq: int) -> ManifestEntry | None:
        """The entry of a sequence number."""
        place = bisect_left(self.entries, seq, key=lambda entry: entry.seq)
        return self.entries[place] if place < len(self.entries) and self.entries[place].seq == seq else None


def make_manifest(
    *,
    iss: str,
    aud: str,
    grant: bytes,
    request: bytes,
    dossier: str,
    dossier_key: bytes,
    iat: int,
    entries: Collection[ManifestEntry],
    public_key: bytes,
    sign: Callable[[bytes], bytes],
    tombstones: Collection[str] = (),
) -> str:
    """Sign the manifest of a disclosure; entries ascend by seq, tombstones are sorted. Raises `Malformed`."""
    payload: dict[str, object] = {
        "iss": iss,
        "aud": aud,
        "grant": grant.hex(),
        "request": request.hex(),
        "dossier": dossier,
        "dossier_key": b64url_encode(dossier_key),
        "iat": iat,
        "entries": [_entry_claims(entry) for entry in entries],
    }
    if tombstones:
        payload["tombstones"] = list(tombstones)
    token = sign_jws(TYP, payload, public_key, sign)
    parse_manifest(token)
    return token


def _entry_claims(entry: ManifestEntry) -> dict[str, object]:
    claims: dict[str, object] = {
        "seq": entry.seq,
        "index": entry.index,
        "kind": entry.kind,
        "event_time": format_utc(entry.event_time_s),
        "status": entry.status,
    }
    if entry.status != "disclosed":
        claims["reason"] = entry.reason
    if entry.members:
        claims["members_withheld"] = sorted(entry.members)
    if entry.unsent:
        claims["payloads_not_sent"] = [{"name": name, "why": why} for name, why in sorted(entry.unsent.items())]
    if entry.status == "erased":
        claims["erased_at"] = format_utc(entry.erased_s)
    return claims


def parse_manifest(token: str | bytes) -> DisclosureManifest:
    """Raises only `Malformed`, also when the entries do not ascend by seq or two share a log index."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=MANIFEST_BYTES_MAX)
    fields = jws.fields()
    manifest = DisclosureManifest(
        jws=jws,
        iss=fields.party("iss", "custodian"),
        aud=fields.party("aud", "court"),
        grant=fields.digest("grant"),
        request=fields.digest("request"),
        dossier=fields.dossier(),
        dossier_key=fields.b64url("dossier_key", size=DOSSIER_KEY_BYTES),
        iat=fields.time_s("iat"),
        entries=_entries(fields.objects("entries", count_max=RECORDS_PER_DOSSIER_MAX)),
        tombstones=fields.names("tombstones", _TOKEN, count_max=TOMBSTONES_MAX, meant="a compact JWS")
        if fields.has("tombstones")
        else (),
    )
    fields.done()
    return manifest


def verify_manifest(manifest: DisclosureManifest, public_key: bytes) -> None:
    """Check the lender's signature. Raises `Unverified`."""
    verify_jws(manifest.jws, public_key)


def _entries(values: Iterable[Fields]) -> tuple[ManifestEntry, ...]:
    made: list[ManifestEntry] = []
    indices: set[int] = set()
    for fields in values:
        entry = _entry(fields)
        if made and entry.seq == made[-1].seq:
            raise fields.refuse("seq", f"{entry.seq} is doubled: entries list every seq once")
        if made and entry.seq < made[-1].seq:
            raise fields.refuse("seq", f"{entry.seq} comes after {made[-1].seq}: entries ascend by seq")
        if entry.index in indices:
            raise fields.refuse(
                "index", f"{entry.index} is the place of another record too, seq {entry.seq} is doubled"
            )
        indices.add(entry.index)
        made.append(entry)
    return tuple(made)


def _entry(fields: Fields) -> ManifestEntry:
    status = fields.literal("status", *ENTRY_STATUSES)
    shown = status == "disclosed"
    entry = ManifestEntry(
        seq=fields.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1),
        index=fields.integer("index", high=TREE_SIZE_MAX - 1),
        kind=fields.token("kind"),
        event_time_s=fields.utc("event_time"),
        status=status,
        reason="" if shown else fields.plain("reason", chars_max=REASON_CHARS_MAX),
        members=_members(fields) if shown and fields.has("members_withheld") else (),
        unsent=_unsent(fields) if shown and fields.has("payloads_not_sent") else {},
        erased_s=fields.utc("erased_at") if status == "erased" else 0,
    )
    fields.done()
    return entry


def _members(fields: Fields) -> tuple[str, ...]:
    return fields.names("members_withheld", TOKEN, count_max=DISCLOSURES_PER_RECORD_MAX, meant="a lower-case name")


def _unsent(fields: Fields) -> dict[str, PayloadWhy]:
    made: dict[str, PayloadWhy] = {}
    for one in fields.objects("payloads_not_sent", count_max=PAYLOADS_PER_RECORD_MAX):
        name = one.matching("name", PAYLOAD_NAME, "a payload's file name")
        if made and name <= max(made):
            raise one.refuse("name", "must be sorted, each name once")
        made[name] = one.literal("why", *PAYLOAD_WHYS)
        one.done()
    return made
