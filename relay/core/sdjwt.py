"""SD-JWT, as far as a record needs it: salted disclosures of the members of one object (RFC 9901 section 4.2).

Disclosures stand in the order of their digests, each matches exactly one, and none hides inside another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import Fields, dumps, loads_canonical
from relay.core.errors import Malformed
from relay.core.jose import ascii_text
from relay.core.limits import DISCLOSURES_PER_RECORD_MAX, RECORD_JSON_BYTES_MAX, SD_JWT_BYTES_MAX

SALT_BYTES: Final = 16
RESERVED_NAMES: Final = frozenset({"_sd", "..."})
_WHAT: Final = "record"
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def make_disclosure(name: str, value: object, salt: bytes) -> str:
    """base64url of the JCS array [salt, name, value]."""
    return b64url_encode(dumps([b64url_encode(salt), name, value]))


def split(text: str | bytes) -> tuple[str, list[str]]:
    """The issuer-signed JWS and the disclosures of an SD-JWT without key binding. Raises `Malformed`."""
    if len(text) > SD_JWT_BYTES_MAX:
        raise Malformed(_WHAT, "", f"{len(text)} bytes; at most {SD_JWT_BYTES_MAX}")
    token, *disclosures = ascii_text(text, _WHAT).split("~")
    if not disclosures or disclosures.pop() != "":
        raise Malformed(_WHAT, "", "must end with ~ (an SD-JWT without key binding)")
    if len(disclosures) > DISCLOSURES_PER_RECORD_MAX:
        raise Malformed(_WHAT, "disclosures", f"{len(disclosures)}; at most {DISCLOSURES_PER_RECORD_MAX}")
    return token, disclosures


def read_members(fields: Fields) -> tuple[list[str], dict[str, object]]:
    """Digests of the personal members in the record's `fields`, and its members in clear. Raises `Malformed`."""
    digests: list[str] = []
    if fields.has("_sd"):
        meant = "a SHA-256 digest in base64url"
        digests = list(fields.names("_sd", _DIGEST, count_max=DISCLOSURES_PER_RECORD_MAX, meant=meant))
        for i, digest in enumerate(digests):
            b64url_decode(digest, what=_WHAT, field=f"fields._sd[{i}]")
    clear = fields.rest()
    _refuse_reserved(clear, "fields")
    return digests, clear


def read_disclosed(disclosures: list[str], digests: list[str], clear: Mapping[str, object]) -> dict[str, object]:
    """Names and values of disclosures, each of which must match its own digest. Raises `Malformed`."""
    positions = {digest: i for i, digest in enumerate(digests)}
    shown: dict[str, object] = {}
    last = -1
    for i, text in enumerate(disclosures):
        place = f"disclosures[{i}]"
        name, value = _read_disclosure(text, place)
        position = positions.get(disclosure_digest(text))
        if position is None:
            raise Malformed(_WHAT, place, "matches no digest in fields._sd")
        if position == last:
            raise Malformed(_WHAT, place, "stands twice")
        if position < last:
            raise Malformed(_WHAT, place, "is out of order: disclosures stand in the order of fields._sd, each once")
        if name in clear or name in shown:
            raise Malformed(_WHAT, place, f"discloses {name[:64]!a}, which the record already has")
        _refuse_reserved(value, place)
        shown[name] = value
        last = position
    return shown


def _read_disclosure(text: str, place: str) -> tuple[str, object]:
    data = b64url_decode(text, what=_WHAT, field=place)
    try:
        parts = loads_canonical(data, what=_WHAT, bytes_max=RECORD_JSON_BYTES_MAX)
    except Malformed as error:
        raise Malformed(_WHAT, place, error.reason) from None
    if not isinstance(parts, list) or len(parts) != 3:
        raise Malformed(_WHAT, place, "must be [salt, name, value]")
    salt, name, value = parts
    if not isinstance(salt, str) or len(b64url_decode(salt, what=_WHAT, field=f"{place} salt")) != SALT_BYTES:
        raise Malformed(_WHAT, place, f"the salt must be {SALT_BYTES} bytes in base64url")
    if not isinstance(name, str) or name in RESERVED_NAMES:
        raise Malformed(_WHAT, place, "the name must be a string other than _sd and ...")
    return name, value


def _refuse_reserved(value: object, place: str) -> None:
    """No digests hide deeper down: one level of disclosures, so that `hidden` counts everything withheld."""
    if isinstance(value, dict):
        if RESERVED_NAMES & value.keys():
            raise Malformed(_WHAT, place, "_sd and ... are allowed only directly in fields")
        for inner in value.values():
            _refuse_reserved(inner, place)
    elif isinstance(value, list):
        for inner in value:
            _refuse_reserved(inner, place)


def disclosure_digest(disclosure: str) -> str:
    """The digest that stands for a disclosure (RFC 9901 section 4.2.3)."""
    return b64url_encode(hashlib.sha256(disclosure.encode("ascii")).digest())
