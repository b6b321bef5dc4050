"""The court's statement on where a dossier ends: what it looked up in its own mirror, and found or did not find.

An inclusion proof shows that something is in a log; no Merkle proof shows that something is not. That a tag is absent is therefore the
court's own signed observation, of a named tree, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from relay.core.canonical import Fields
from relay.core.dossier import HASH_BYTES
from relay.core.errors import Malformed
from relay.core.jose import Jws, parse_jws, sign_jws
from relay.core.limits import RECORDS_PER_DOSSIER_MAX, TREE_SIZE_MAX

TYP: Final = "courtrelay-completeness+jwt"
BYTES_MAX: Final = 4 * 1024 * 1024
LOOK_AHEAD: Final = 64
"""Tags looked up beyond the first absent one, so that a hole followed by later records shows too."""
SCOPE: Final = (
    "tags derived from the dossier key were looked up in this court's own mirror of the whole log at this size;"
    " this covers what was logged, not what never was"
)
DOUBLED_PLACES_MAX: Final = 64
"""Further places of one tag that a statement names."""
NOTHING_DOUBLED: Final[Mapping[int, Sequence[int]]] = MappingProxyType({})
_WHAT: Final = "completeness statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """`indices[seq]` is where tag `seq` first stands in the log, None for a hole; tags from `count` on, `looked_ahead` of them, are absent.

    `doubled[seq]` are further places of a tag. `first_size` is how big the log was at this court's first disclosure of the dossier, at
    `first_at` (seconds since 1970 UTC); 0 when this is the first.
    """

    jws: Jws
    iss: str
    origin: str
    dossier: str
    size: int
    root: bytes
    count: int
    absent_tag: bytes
    indices: tuple[int | None, ...]
    doubled: Mapping[int, tuple[int, ...]]
    looked_ahead: int
    first_size: int
    first_at: int
    iat: int

    @property
    def holes(self) -> tuple[int, ...]:
        """Sequence numbers below the last one logged that are not logged."""
        return tuple(seq for seq, index in enumerate(self.indices) if index is None)


def make_completeness(
    *,
    iss: str,
    origin: str,
    dossier: str,
    size: int,
    root: bytes,
    absent_tag: bytes,
    indices: Sequence[int | None],
    looked_ahead: int,
    iat: int,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
    doubled: Mapping[int, Sequence[int]] = NOTHING_DOUBLED,
    first_size: int = 0,
    first_at: int = 0,
) -> str:
    """Sign the statement with the court's seal key. Raises `Malformed`."""
    payload: dict[str, object] = {
        "iss": iss,
        "origin": origin,
        "dossier": dossier,
        "size": size,
        "root": root.hex(),
        "count": len(indices),
        "absent_tag": absent_tag.hex(),
        "indices": list(indices),
        "looked_ahead": looked_ahead,
        "iat": iat,
        "scope": SCOPE,
    }
    if doubled:
        payload["doubled"] = [{"seq": seq, "indices": list(places)} for seq, places in sorted(doubled.items())]
    if first_size:
        payload["first_disclosure"] = {"at": first_at, "size": first_size}
    token = sign_jws(TYP, payload, public_key, sign)
    parse_completeness(token)
    return token


def parse_completeness(token: str | bytes) -> Completeness:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=BYTES_MAX)
    fields = jws.fields()
    fields.literal("scope", SCOPE)
    size = fields.integer("size", low=1, high=TREE_SIZE_MAX)
    indices = _indices(fields.array("indices", count_max=RECORDS_PER_DOSSIER_MAX, empty=True), size)
    doubled = fields.objects("doubled", count_max=RECORDS_PER_DOSSIER_MAX) if fields.has("doubled") else []
    first_size, first_at = _first(fields.nested("first_disclosure"), size) if fields.has("first_disclosure") else (0, 0)
    statement = Completeness(
        jws=jws,
        iss=fields.party("iss", "court"),
        origin=fields.identifier("origin"),
        dossier=fields.dossier(),
        size=size,
        root=bytes.fromhex(fields.digest("root")),
        count=fields.integer("count", high=RECORDS_PER_DOSSIER_MAX),
        absent_tag=bytes.fromhex(fields.digest("absent_tag", size=HASH_BYTES)),
        indices=indices,
        doubled=_doubled(doubled, indices, size),
        looked_ahead=fields.integer("looked_ahead", high=RECORDS_PER_DOSSIER_MAX),
        first_size=first_size,
        first_at=first_at,
        iat=fields.time_s("iat"),
    )
    fields.done()
    if len(statement.indices) != statement.count:
        raise fields.refuse("indices", f"has {len(statement.indices)} values, count is {statement.count}")
    return statement


def _indices(values: Sequence[object], size: int) -> tuple[int | None, ...]:
    made = [None if value is None else _index(value, f"indices[{i}]", size) for i, value in enumerate(values)]
    if made and made[-1] is None:
        raise Malformed(_WHAT, "indices", "must not end with a hole: `count` is behind the last tag that is logged")
    found = [index for index in made if index is not None]
    if len(set(found)) != len(found):
        raise Malformed(_WHAT, "indices", "one index stands twice")
    return tuple(made)


def _index(value: object, place: str, size: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < size:
        raise Malformed(_WHAT, place, f"must be a log index below {size}")
    return value


def _doubled(values: Sequence[Fields], indices: Sequence[int | None], size: int) -> dict[int, tuple[int, ...]]:
    """Further places of a tag: each behind its first one, ascending."""
    made: dict[int, tuple[int, ...]] = {}
    for fields in values:
        seq = fields.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1)
        places = [_index(value, "doubled", size) for value in fields.array("indices", count_max=DOUBLED_PLACES_MAX)]
        fields.done()
        first = indices[seq] if seq < len(indices) else None
        if first is None or any(later <= earlier for earlier, later in pairwise([first, *places])):
            raise fields.refuse("indices", f"must ascend behind the first place of seq {seq}")
        if made and seq <= max(made):
            raise fields.refuse("seq", "must ascend, each once")
        made[seq] = tuple(places)
    return made


def _first(fields: Fields, size: int) -> tuple[int, int]:
    found = fields.integer("size", low=1, high=size), fields.time_s("at")
    fields.done()
    return found
