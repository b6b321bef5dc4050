"""Identities: SPIFFE ids `spiffe://<trust domain>/<role>/<name>` (SPIFFE-ID section 2)."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Malformed

TRUST_DOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_URI: Final = re.compile(rf"spiffe://({TRUST_DOMAIN.pattern})/([a-z]{{1,32}})/([a-z0-9][a-z0-9._-]{{0,127}})")
URI_CHARS_MAX: Final = 512


class Role(enum.Enum):
    """What a process or person is; the first segment of the path."""

    CUSTODIAN = "custodian"
    RELAY = "relay"
    COURT = "court"
    LEDGER = "ledger"
    OPERATOR = "operator"
    PERSON = "person"
    """Somebody who reads a court's pages, signed in by certificate or otherwise; never a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One party's identity. `str()` gives the URI."""

    trust_domain: str
    role: Role
    name: str

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}/{self.role.value}/{self.name}"


def parse_identity(uri: str, *, what: str = "identity", field: str = "") -> Identity:
    """Read a SPIFFE id of this project's form. Raises `Malformed`."""
    match = _URI.fullmatch(uri) if len(uri) <= URI_CHARS_MAX else None
    roles = {role.value: role for role in Role}
    if match is None or match[2] not in roles:
        known = ", ".join(roles)
        raise Malformed(what, field, f"must be spiffe://<trust domain>/<role>/<name>, role one of {known}")
    return Identity(trust_domain=match[1], role=roles[match[2]], name=match[3])
