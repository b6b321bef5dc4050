"""The newest revocation lists that a role has used: an older one, put in its place while the role was down, is refused."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Final

from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Malformed
from relay.core.identity import TRUST_DOMAIN
from relay.durable.files import make_folder, one_at_a_time, write_file

USED: Final = "lists-used.json"
USED_FORMAT: Final = "courtrelay-lists-used/v1"
USED_BYTES_MAX: Final = 64 * 1024
DOMAINS_MAX: Final = 256
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,63}")
"""A CRLNumber has at most 20 octets (RFC 5280 section 5.2.3)."""
_LATEST_S: Final = 253_402_300_799  # the end of the year 9999


class ListsUsed:
    """Implements relay.transport.revocation.Memory with a small file in a folder that its role owns.

    Several workers of one relay may share the folder: none undoes what another has kept.
    """

    def __init__(self, data: Path) -> None:
        """Raises `Malformed` for a file that is there and cannot be used."""
        self._path = data / USED
        self._held = _read(self._path)

    def newest(self, domain: str) -> tuple[int, datetime.datetime] | None:
        """See the protocol."""
        return self._held.get(domain)

    def keep(self, domain: str, number: int, made: datetime.datetime) -> None:
        """See the protocol. Raises `StorageFailed`, and `Malformed` as `__init__` does."""
        make_folder(self._path.parent)  # a relay on PostgreSQL has no other reason to have one
        with one_at_a_time(self._path):
            held = _read(self._path)
            held[domain] = max(held.get(domain, (number, made)), (number, made))
            lists = [
                {"domain": name, "made_s": int(when.timestamp()), "number": str(which)}
                for name, (which, when) in sorted(held.items())
            ]
            write_file(self._path, dumps({"format": USED_FORMAT, "lists": lists}))
        self._held = held


def _read(path: Path) -> dict[str, tuple[int, datetime.datetime]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    fields = Fields(loads(data, what=str(path), bytes_max=USED_BYTES_MAX), what=str(path))
    fields.literal("format", USED_FORMAT)
    lists = fields.objects("lists", count_max=DOMAINS_MAX, empty=True)
    fields.done()
    held = {}
    for one in lists:
        number = int(one.matching("number", _NUMBER, "a whole number in decimal"))
        made = datetime.datetime.fromtimestamp(one.integer("made_s", high=_LATEST_S), datetime.UTC)
        held[one.matching("domain", TRUST_DOMAIN, "a trust domain")] = number, made
        one.done()
    return held
