"""Why a port cannot be listened on, and which process has it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from relay.core.errors import Malformed

_LISTENING: Final = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc(5))."""
_PROC: Final = Path("/proc")


def why_taken(listen: str) -> str:
    """Why `<address>:<port>` cannot be listened on, with its holder where the system tells; empty when it can be. Port 0 is any."""
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        return "must be <address>:<port>"
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _name, address in found[:1]:
            with socket.socket(family, kind, protocol) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(address)
                one.listen(1)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        held = holder(int(port))
        return f"{reason.lower()}{f', held by {held[1]}' if held else ''}"
    return ""


def refuse_listening(what: str, field: str, listen: str, error: str = "") -> Malformed:
    """The error for an address that a server could not take; `error` is the server's own word, for when the port is free by now."""
    reason = why_taken(listen) or error or "the system did not say why"
    return Malformed(
        what, field, f"cannot listen on {listen}: {reason}; end that process or choose another address", concern="port"
    )


def holder(port: int) -> tuple[int, str] | None:
    """Process id and `process 123 (name)` of whoever listens on this TCP port; None when nobody does, or nobody who can be seen."""
    inodes = set(_listening(port))
    for folder in _PROC.glob("[0-9]*") if inodes else ():
        with suppress(OSError):
            for entry in os.scandir(folder / "fd"):
                if _socket_of(entry.path) in inodes:
                    return int(folder.name), named(int(folder.name))
    return None


def named(process: int) -> str:
    """`process 123 (name)`, with the name where it can be read."""
    with suppress(OSError):
        return f"process {process} ({(_PROC / str(process) / 'comm').read_text().strip()})"
    return f"process {process}"


def _listening(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"


def _socket_of(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
