"""Ports on loopback that nobody uses, for development networks.

Not the system's own choice for port 0: that lies in the range from which every outgoing connection takes its port, too, so that another
program's call can sit on it before the role that it was chosen for listens.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from itertools import count, islice
from typing import Final

from relay.core.errors import Unavailable

LOWEST: Final = 10_240
HIGHEST: Final = 32_767
"""Below the range of outgoing connections, as Linux (from 32,768) and IANA (from 49,152) have it."""
TRIES: Final = 1000

_offsets: Final = count(secrets.randbelow(HIGHEST - LOWEST + 1))
"""Onwards from a random place: what this process gave once it does not give again, although nobody listens there yet."""


def free_ports(wanted: int) -> list[int]:
    """So many different ports, each free while this looked. Raises `Unavailable` when there are none."""
    found: list[int] = []
    with ExitStack() as held:
        for offset in islice(_offsets, wanted + TRIES):
            port = LOWEST + offset % (HIGHEST - LOWEST + 1)
            one = held.enter_context(socket.socket())
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == wanted:
                return found
    raise Unavailable(f"no {wanted} free ports between {LOWEST} and {HIGHEST} on the loopback")


def free_port() -> int:
    """One. Raises `Unavailable`."""
    return free_ports(1)[0]
