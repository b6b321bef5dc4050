"""Tombstone: the lender's signed word that records were erased: who, when, under what, which places of the log (docs/spec/erasure.md).

It holds nothing of what was erased. The log entries stay, so the tree verifies as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.canonical import Fields
from relay.core.disclosure import ManifestEntry
from relay.core.errors import Malformed, Unverified
from relay.core.jose import Jws, parse_jws, sign_jws, verify_jws
from relay.core.limits import REASON_CHARS_MAX, RECORDS_PER_DOSSIER_MAX, TREE_SIZE_MAX
from relay.core.times import format_utc
from relay.core.trust import TrustRoots

TYP: Final = "courtrelay-tombstone+jwt"
TOMBSTONE_BYTES_MAX: Final = 8 * 1024 * 1024
Scope = Literal["dossier", "records"]
_WHAT: Final = "tombstone"
_DOMAIN: Final = b"courtrelay/tombstone/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A parsed tombstone, its signature not yet checked. `places`: (seq, log index), ascending; `iat`: seconds."""

    jws: Jws
    iss: str
    origin: str
    dossier: str
    scope: Scope
    places: tuple[tuple[int, int], ...]
    actor: str
    basis: str
    policy: str
    policy_sha256: str
    iat: int

    @property
    def digest(self) -> bytes:
        """32 bytes that name it in custody events."""
        return tombstone_digest(self.jws.token)

    def words(self) -> str:
        """What a report says of a record that it names."""
        return erased_words(self.iat, self.basis)


def erased_words(at_s: int, basis: str) -> str:
    """`erased on DATE under BASIS`."""
    return f"erased on {format_utc(at_s)[:10]} under {basis}"


def tombstone_digest(token: str) -> bytes:
    """SHA-256 over the domain and the compact JWS."""
    return hashlib.sha256(_DOMAIN + token.encode("ascii")).digest()


def make_tombstone(
    *,
    iss: str,
    origin: str,
    dossier: str,
    scope: Scope,
    places: Sequence[tuple[int, int]],
    actor: str,
    basis: str,
    policy: str,
    policy_sha256: str,
    iat: int,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
) -> str:
    """Sign with the lender's record key. Raises `Malformed`."""
    payload = {
        "iss": iss,
        "origin": origin,
        "dossier": dossier,
        "scope": scope,
        "records": [{"seq": seq, "index": index} for seq, index in places],
        "actor": actor,
        "basis": basis,
        "policy": policy,
        "policy_sha256": policy_sha256,
        "iat": iat,
    }
    token = sign_jws(TYP, payload, public_key, sign)
    parse_tombstone(token)
    return token


def parse_tombstone(token: str | bytes) -> Tombstone:
    """Raises only `Malformed`, also for records that do not ascend, or a whole dossier with a gap."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=TOMBSTONE_BYTES_MAX)
    fields = jws.fields()
    scope: Scope = fields.literal("scope", "dossier", "records")
    tombstone = Tombstone(
        jws=jws,
        iss=fields.party("iss", "custodian"),
        origin=fields.identifier("origin"),
        dossier=fields.dossier(),
        scope=scope,
        places=_places(fields.objects("records", count_max=RECORDS_PER_DOSSIER_MAX), whole=scope == "dossier"),
        actor=fields.party("actor", "operator"),
        basis=fields.plain("basis", chars_max=REASON_CHARS_MAX),
        policy=fields.token("policy"),
        policy_sha256=fields.digest("policy_sha256"),
        iat=fields.time_s("iat"),
    )
    fields.done()
    return tombstone


def _places(values: Iterable[Fields], *, whole: bool) -> tuple[tuple[int, int], ...]:
    made: list[tuple[int, int]] = []
    for expected, fields in enumerate(values):
        seq = fields.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1)
        made.append((seq, fields.integer("index", high=TREE_SIZE_MAX - 1)))
        fields.done()
        if whole and seq != expected:
            raise fields.refuse("seq", f"is {seq}, expected {expected}: a whole dossier has every seq")
        if len(made) > 1 and seq <= made[-2][0]:
            raise fields.refuse("seq", "records must ascend by seq")
    if len({index for _, index in made}) != len(made):
        raise Malformed(_WHAT, "records", "one log index stands twice")
    return tuple(made)


def verify_tombstone(tombstone: Tombstone, trust: TrustRoots) -> None:
    """The lender of the log signed it with a record key valid when it was made. Raises `Unverified`, `Unpinned`."""
    if trust.log(tombstone.origin).party != tombstone.iss:
        raise Unverified(_WHAT, f"the log {tombstone.origin} is not of {tombstone.iss}")
    key = trust.key_for_kid("record", tombstone.jws.kid, tombstone.iss, tombstone.iat * 1000)
    verify_jws(tombstone.jws, key.public_key)


def check_erased(
    entries: Sequence[ManifestEntry], tokens: Sequence[str], *, lender: str, dossier: str, trust: TrustRoots
) -> None:
    """Every erased entry of a lender's list is named by exactly one signed tombstone, and no tombstone names another entry.

    Raises `Unverified`, `Unpinned`, `Malformed`.
    """
    named: dict[int, tuple[int, Tombstone]] = {}
    for token in tokens:
        tombstone = parse_tombstone(token)
        if (tombstone.iss, tombstone.dossier, tombstone.scope) != (lender, dossier, "records"):
            raise Unverified(_WHAT, "is of another lender, of another dossier, or of a whole dossier")
        verify_tombstone(tombstone, trust)
        for seq, index in tombstone.places:
            if seq in named:
                raise Unverified(_WHAT, f"seq {seq} is named by two tombstones")
            named[seq] = index, tombstone
    for entry in entries:
        index, found = named.pop(entry.seq, (0, None))
        if (entry.status == "erased") != (found is not None):
            said = f"is listed as {entry.status}, " + (
                "and a tombstone names it" if found else "and no tombstone names it"
            )
            raise Unverified(_WHAT, f"seq {entry.seq} {said}")
        if found and (entry.index, entry.erased_s, entry.reason) != (index, found.iat, found.basis):
            raise Unverified(_WHAT, f"seq {entry.seq}: index, time or basis are not those of its tombstone")
    if named:
        raise Unverified(_WHAT, f"names seq {min(named)}, which the lender's list does not have")
