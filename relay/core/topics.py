"""Where a role's notices are on a broker: `<prefix>/<role>/<name>/<class>[/<origin>]`.

Every level is a word of this file or a name out of a configuration, escaped here: what a record, a request or a peer holds can never
choose a topic. MQTT 5.0 section 4.7: `+`, `#` and a leading `$` mean something to brokers, `/` parts levels, U+0000 is forbidden.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from relay.core.errors import Malformed
from relay.core.identity import Identity

HEALTH: Final = "health"
CLASSES: Final = {
    "anchored": "anchored",
    "confirmed": "confirmed",
    "halted": "halted",
    "resumed": "halted",
    "retrieval": "retrieval",
}
"""Event → the class under which it is published, which is also the label of its metrics."""
UNKNOWN: Final = "~unknown"
"""Instead of an origin that the configuration does not have any more; no escaped level begins so."""
LEVEL_CHARS_MAX: Final = 128
PREFIX_LEVELS_MAX: Final = 8
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
_PREFIX_LEVEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def level(name: str) -> str:
    """A name as one topic level: every byte of its UTF-8 but letters, digits, `-._` as %XX; an empty name is `%`.

    What would be longer than LEVEL_CHARS_MAX is cut and ends in `~` and 32 hex digits of its SHA-256. Two names never give one level.
    """
    data = name.encode("utf-8", "surrogatepass")
    escaped = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data) or "%"
    if len(escaped) <= LEVEL_CHARS_MAX:
        return escaped
    return f"{escaped[: LEVEL_CHARS_MAX - 33]}~{hashlib.sha256(data).hexdigest()[:32]}"


def check_prefix(prefix: str, what: str, field: str) -> str:
    """One to eight levels of letters, digits, `-._`, joined by `/`. Raises `Malformed`."""
    levels = prefix.split("/")
    if len(levels) > PREFIX_LEVELS_MAX or not all(_PREFIX_LEVEL.fullmatch(one) for one in levels):
        raise Malformed(what, field, "must be levels of letters, digits, - . _ joined by /, such as courts/relay")
    return prefix


class Topics:
    """The topics of one role. `origins` are those of its configuration."""

    def __init__(self, prefix: str, identity: Identity, origins: Iterable[str] = ()) -> None:
        self.base = f"{check_prefix(prefix, 'topics', 'prefix')}/{identity.role.value}/{level(identity.name)}"
        self._origins = {origin: level(origin) for origin in origins}

    @property
    def health(self) -> str:
        """Retained: whether the role is ready, or gone."""
        return f"{self.base}/{HEALTH}"

    @property
    def all(self) -> str:
        """The filter for everything of this role."""
        return f"{self.base}/#"

    def of(self, event: str, origin: str) -> str:
        """Where a notice goes. An event that is none of CLASSES is a mistake of ours: KeyError."""
        kind = CLASSES[event]
        return f"{self.base}/{kind}/{self._origins.get(origin, UNKNOWN)}" if origin else f"{self.base}/{kind}"
