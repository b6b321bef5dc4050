"""Record: one item of evidence data as an SD-JWT signed by the lender (RFC 9901), and its commitment.

Every personal member is hidden behind a salted digest and can be shown or withheld on its own. The commitment covers
the issuer-signed part only, so it stays the same whatever is shown; its random salt keeps even an empty record hidden.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields
from relay.core.errors import Malformed
from relay.core.jose import Jws, parse_jws, sign_jws, verify_jws
from relay.core.limits import (
    PAYLOAD_BYTES_MAX,
    PAYLOAD_NAME_CHARS_MAX,
    PAYLOADS_PER_RECORD_MAX,
    RECORD_JSON_BYTES_MAX,
    RECORDS_PER_DOSSIER_MAX,
    SD_JWT_BYTES_MAX,
)
from relay.core.sdjwt import (
    RESERVED_NAMES,
    SALT_BYTES,
    disclosure_digest,
    make_disclosure,
    read_disclosed,
    read_members,
    split,
)
from relay.core.times import format_utc

TYP: Final = "courtrelay-record+sd-jwt"
PAYLOAD_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{PAYLOAD_NAME_CHARS_MAX - 1}}}")
"""File names that are safe on every system and say nothing personal by accident."""
MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
"""Lower-case, without parameters (RFC 6838 section 4.2)."""
_COMMITMENT_DOMAIN: Final = b"courtrelay/commitment/v1"
_WHAT: Final = "record"
_PROVENANCE: Final = ("source", "generation", "storage", "notarisation", "witnesses", "corroboration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the lender states of a record before anchoring (Online Litigation Rules art. 18). Empty: nothing stated."""

    source: str
    generation: str
    storage: str
    notarisation: str
    witnesses: str
    corroboration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadDigest:
    """One attached file. `size` in bytes, digests in lower-case hex; `sm3` (GB/T 32905) is optional."""

    name: str
    media_type: str
    size: int
    sha256: str
    sm3: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDraft:
    """All that the issuer puts into a record. Times: seconds since 1970 UTC; `fields`: the kind's own members."""

    iss: str
    dossier: str
    seq: int
    kind: str
    kind_version: int
    event_time_s: int
    recorded_time_s: int
    """The custodian's clock at signing."""
    confidentiality: str
    retention: str
    provenance: Provenance
    fields: Mapping[str, object]
    payloads: tuple[PayloadDigest, ...] = ()
    supersedes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedRecord:
    """What signing made. `disclosures` stand in the order of their digests in `fields._sd`."""

    jws: str
    disclosures: tuple[str, ...]
    commitment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A parsed record whose signature is not yet checked: see `verify_record`."""

    jws: Jws
    iss: str
    dossier: str
    seq: int
    kind: str
    kind_version: int
    event_time_s: int
    recorded_time_s: int
    confidentiality: str
    retention: str
    provenance: Provenance
    clear: dict[str, object]
    """Members that are not personal."""
    disclosed: dict[str, object]
    """Personal members that were shown."""
    hidden: int
    """How many personal members were withheld."""
    payloads: tuple[PayloadDigest, ...]
    supersedes: int | None
    disclosures: tuple[str, ...]

    @property
    def fields(self) -> dict[str, object]:
        """Every member that can be read."""
        return {**self.clear, **self.disclosed}

    @property
    def commitment(self) -> bytes:
        """The commitment of this record."""
        return commitment(self.jws.token)


def commitment(jws_token: str) -> bytes:
    """SHA-256 over the domain and the ASCII bytes of the issuer-signed compact JWS."""
    return hashlib.sha256(_COMMITMENT_DOMAIN + jws_token.encode("ascii")).digest()


def issue_record(
    draft: RecordDraft,
    personal: Collection[str],
    public_key: bytes,
    sign: Callable[[bytes], bytes],
    random_bytes: Callable[[int], bytes],
) -> IssuedRecord:
    """Sign a record; members of `fields` named in `personal` become disclosures.

    Raises `Malformed`, which names the member, for a draft that no reader would accept.
    """
    by_digest: dict[str, str] = {}
    clear: dict[str, object] = {}
    for name, value in draft.fields.items():
        if name in personal:
            text = make_disclosure(name, value, random_bytes(SALT_BYTES))
            by_digest[disclosure_digest(text)] = text
        else:
            clear[name] = value
    if RESERVED_NAMES & set(draft.fields):
        raise Malformed(_WHAT, "fields", "_sd and ... are reserved names (RFC 9901 section 4.1)")
    if by_digest:
        clear["_sd"] = sorted(by_digest)
    jws = sign_jws(TYP, _claims(draft, clear, random_bytes(SALT_BYTES)), public_key, sign)
    disclosures = tuple(by_digest[digest] for digest in sorted(by_digest))
    parse_sd_jwt(sd_jwt_text(jws, disclosures))
    return IssuedRecord(jws=jws, disclosures=disclosures, commitment=commitment(jws))


def _claims(draft: RecordDraft, clear: dict[str, object], salt: bytes) -> dict[str, object]:
    claims: dict[str, object] = {
        "iss": draft.iss,
        "dossier": draft.dossier,
        "seq": draft.seq,
        "kind": draft.kind,
        "kind_version": draft.kind_version,
        "event_time": format_utc(draft.event_time_s),
        "recorded_time": format_utc(draft.recorded_time_s),
        "confidentiality": draft.confidentiality,
        "retention": draft.retention,
        "salt": b64url_encode(salt),
        "provenance": {name: getattr(draft.provenance, name) for name in _PROVENANCE},
        "fields": clear,
        "payloads": [_payload_claims(payload) for payload in draft.payloads],
        "_sd_alg": "sha-256",
    }
    if draft.supersedes is not None:
        claims["supersedes"] = draft.supersedes
    return claims


def _payload_claims(payload: PayloadDigest) -> dict[str, object]:
    claims: dict[str, object] = {
        "name": payload.name,
        "media_type": payload.media_type,
        "size": payload.size,
        "sha256": payload.sha256,
    }
    if payload.sm3 is not None:
        claims["sm3"] = payload.sm3
    return claims


def sd_jwt_text(jws: str, disclosures: Collection[str]) -> str:
    """`<jws>~<disclosure>~…~`, without key binding: the signed request binds the holder."""
    return "~".join((jws, *disclosures, ""))


def present(text: str, names: Collection[str] | None) -> str:
    """The same record showing only these personal members; None shows all it has, an empty collection none.

    Names the record does not have are passed over: members of a kind may be optional. Raises `Malformed`.
    """
    record = parse_sd_jwt(text)
    if names is None:
        return text
    shown = zip(record.disclosures, record.disclosed, strict=True)
    return sd_jwt_text(record.jws.token, [disclosure for disclosure, name in shown if name in names])


def verify_record(record: Record, public_key: bytes) -> None:
    """Check the lender's signature. Raises `Unverified`."""
    verify_jws(record.jws, public_key)


def parse_sd_jwt(text: str | bytes) -> Record:
    """Take a record apart; every disclosure must match its digest. Raises only `Malformed`."""
    token, disclosures = split(text)
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=SD_JWT_BYTES_MAX)
    claims = jws.fields()
    digests, clear = read_members(claims.nested("fields"))
    disclosed = read_disclosed(disclosures, digests, clear)
    if len(jws.signing_input) * 3 // 4 > RECORD_JSON_BYTES_MAX:
        raise Malformed(_WHAT, "payload", f"more than {RECORD_JSON_BYTES_MAX} bytes")
    claims.literal("_sd_alg", "sha-256")
    claims.b64url("salt", size=SALT_BYTES)
    seq = claims.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1)
    record = Record(
        jws=jws,
        iss=claims.party("iss", "custodian"),
        dossier=claims.dossier(),
        seq=seq,
        kind=claims.token("kind"),
        kind_version=claims.integer("kind_version", low=1),
        event_time_s=claims.utc("event_time"),
        recorded_time_s=claims.utc("recorded_time"),
        confidentiality=claims.token("confidentiality"),
        retention=claims.token("retention"),
        provenance=_provenance(claims.nested("provenance")),
        clear=clear,
        disclosed=disclosed,
        hidden=len(digests) - len(disclosed),
        payloads=_payloads(claims),
        # only a record that came before can be superseded
        supersedes=claims.integer("supersedes", high=seq - 1) if claims.has("supersedes") else None,
        disclosures=tuple(disclosures),
    )
    claims.done()
    return record


def _provenance(fields: Fields) -> Provenance:
    texts = {name: fields.plain(name, empty=True) for name in _PROVENANCE}
    fields.done()
    return Provenance(**texts)


def _payloads(claims: Fields) -> tuple[PayloadDigest, ...]:
    made: list[PayloadDigest] = []
    names: set[str] = set()
    for fields in claims.objects("payloads", count_max=PAYLOADS_PER_RECORD_MAX, empty=True):
        name = fields.matching("name", PAYLOAD_NAME, "a file name: letters, digits, . _ -, first a letter or digit")
        if name.lower() in names:
            raise fields.refuse("name", f"{name} stands twice (upper and lower case count as the same)")
        names.add(name.lower())
        made.append(
            PayloadDigest(
                name=name,
                media_type=fields.matching("media_type", MEDIA_TYPE, "a lower-case media type such as application/pdf"),
                size=fields.integer("size", high=PAYLOAD_BYTES_MAX),
                sha256=fields.digest("sha256"),
                sm3=fields.digest("sm3") if fields.has("sm3") else None,
            )
        )
        fields.done()
    return tuple(made)
