"""The court's statement on where a dossier ends: what it looked up in its own mirror, and found or did not find.

An inclusion proof shows that something is in a log; no Merkle proof shows that something is not. That a tag is absent is therefore the
court's own signed observation, of a named tree, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.dossier import HASH_BYTES
from relay.core.errors import Malformed
from relay.core.jose import Jws, parse_jws, sign_jws
from relay.core.limits import RECORDS_PER_DOSSIER_MAX, TREE_SIZE_MAX

TYP: Final = "courtrelay-completeness+jwt"
BYTES_MAX: Final = 4 * 1024 * 1024
LOOK_AHEAD: Final = 64
"""Tags looked up beyond the first absent one, so that a hole followed by later records shows too."""
SCOPE: Final = (
    "tags derived from the dossier key were looked up in this court's own mirror of the whole log at this size"
)
_WHAT: Final = "completeness statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """`indices[seq]` is where tag `seq` stands in the log; tags `count` to `count + looked_ahead` are absent from it."""

    jws: Jws
    iss: str
    origin: str
    dossier: str
    size: int
    root: bytes
    count: int
    absent_tag: bytes
    indices: tuple[int, ...]
    looked_ahead: int
    iat: int


def make_completeness(
    *,
    iss: str,
    origin: str,
    dossier: str,
    size: int,
    root: bytes,
    absent_tag: bytes,
    indices: Sequence[int],
    looked_ahead: int,
    iat: int,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
) -> str:
    """Sign the statement with the court's seal key. Raises `Malformed`."""
    payload = {
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
    token = sign_jws(TYP, payload, public_key, sign)
    parse_completeness(token)
    return token


def parse_completeness(token: str | bytes) -> Completeness:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what=_WHAT, typ=TYP, bytes_max=BYTES_MAX)
    fields = jws.fields()
    fields.literal("scope", SCOPE)
    size = fields.integer("size", low=1, high=TREE_SIZE_MAX)
    statement = Completeness(
        jws=jws,
        iss=fields.party("iss", "court"),
        origin=fields.identifier("origin"),
        dossier=fields.dossier(),
        size=size,
        root=bytes.fromhex(fields.digest("root")),
        count=fields.integer("count", high=RECORDS_PER_DOSSIER_MAX),
        absent_tag=bytes.fromhex(fields.digest("absent_tag", size=HASH_BYTES)),
        indices=_indices(fields.array("indices", count_max=RECORDS_PER_DOSSIER_MAX, empty=True), size),
        looked_ahead=fields.integer("looked_ahead", high=RECORDS_PER_DOSSIER_MAX),
        iat=fields.time_s("iat"),
    )
    fields.done()
    if len(statement.indices) != statement.count:
        raise fields.refuse("indices", f"has {len(statement.indices)} values, count is {statement.count}")
    return statement


def _indices(values: Sequence[object], size: int) -> tuple[int, ...]:
    made: list[int] = []
    for i, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < size:
            raise Malformed(_WHAT, f"indices[{i}]", f"must be a log index below {size}")
        made.append(value)
    if len(set(made)) != len(made):
        raise Malformed(_WHAT, "indices", "one index stands twice")
    return tuple(made)
