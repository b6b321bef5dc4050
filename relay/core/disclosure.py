"""Disclosure: the manifest that lists every sequence number as disclosed or withheld.

The frames in which it travels, with records and payloads, are written and read by `relay.core.frames`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields
from relay.core.dossier import DOSSIER_KEY_BYTES
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
from relay.core.limits import MANIFEST_BYTES_MAX, REASON_CHARS_MAX, RECORDS_PER_DOSSIER_MAX, TREE_SIZE_MAX
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
_WHAT: Final = "disclosure manifest"


EntryStatus = Literal["disclosed", "withheld"]
"""Whether a record is in the disclosure or only named."""
ENTRY_STATUSES: Final[tuple[EntryStatus, ...]] = get_args(EntryStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One record of the dossier. `index` is its place in the evidence log; `reason` is empty unless it is withheld."""

    seq: int
    index: int
    kind: str
    event_time_s: int
    status: EntryStatus
    reason: str = ""


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
) -> str:
    """Sign the manifest of a disclosure; entries are seq 0, 1, 2, … without gaps. Raises `Malformed`."""
    payload = {
        "iss": iss,
        "aud": aud,
        "grant": grant.hex(),
        "request": request.hex(),
        "dossier": dossier,
        "dossier_key": b64url_encode(dossier_key),
        "iat": iat,
        "entries": [_entry_claims(entry) for entry in entries],
    }
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
    if entry.status == "withheld":
        claims["reason"] = entry.reason
    return claims


def parse_manifest(token: str | bytes) -> DisclosureManifest:
    """Raises only `Malformed`, also when the entries are not seq 0 … n-1 in order or share a log index."""
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
    )
    fields.done()
    return manifest


def verify_manifest(manifest: DisclosureManifest, public_key: bytes) -> None:
    """Check the lender's signature. Raises `Unverified`."""
    verify_jws(manifest.jws, public_key)


def _entries(values: Iterable[Fields]) -> tuple[ManifestEntry, ...]:
    made: list[ManifestEntry] = []
    indices: set[int] = set()
    for expected, fields in enumerate(values):
        entry = _entry(fields)
        if entry.seq != expected:
            raise fields.refuse("seq", f"is {entry.seq}, expected {expected}: entries list every seq in order")
        if entry.index in indices:
            raise fields.refuse("index", f"{entry.index} is the place of another record too")
        indices.add(entry.index)
        made.append(entry)
    return tuple(made)


def _entry(fields: Fields) -> ManifestEntry:
    status = fields.literal("status", *ENTRY_STATUSES)
    entry = ManifestEntry(
        seq=fields.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1),
        index=fields.integer("index", high=TREE_SIZE_MAX - 1),
        kind=fields.token("kind"),
        event_time_s=fields.utc("event_time"),
        status=status,
        reason=fields.plain("reason", chars_max=REASON_CHARS_MAX) if status == "withheld" else "",
    )
    fields.done()
    return entry
