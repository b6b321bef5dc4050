"""A PostgreSQL session whose client stops where the server's own timeout does not run: a statement is prepared, nothing is said any more.

PostgreSQL documentation, "Message Flow" and "Message Formats": after Parse and Flush without Sync the server waits in the middle of a
command, also inside a transaction.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Self

PORT = 5432


class StandingSession:
    """Opened by `StandingSession(folder of the server's socket, database)`; closed by `with`."""

    def __init__(self, folder: Path, database: str) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._line.connect(str(folder / f".s.PGSQL.{PORT}"))
        settings = {
            "user": "postgres", "database": database, "application_name": "courtrelay",
            "search_path": "courtrelay", "idle_in_transaction_session_timeout": "500",
        }  # fmt: skip
        pairs = b"".join(f"{name}\0{value}\0".encode() for name, value in settings.items())
        body = struct.pack("!I", 196608) + pairs + b"\0"
        self._line.sendall(struct.pack("!I", len(body) + 4) + body)
        self._until(b"Z")

    def run(self, sql: str) -> None:
        """A simple query, to its end."""
        self._send(b"Q", sql.encode() + b"\0")
        self._until(b"Z")

    def stand(self) -> None:
        """Prepare a statement in whatever transaction is open; then say nothing more."""
        self._send(b"P", b"\0SELECT 1\0" + struct.pack("!H", 0))
        self._send(b"H", b"")
        self._until(b"1")

    @property
    def ended(self) -> bool:
        """Whether the server has closed the session."""
        self._line.settimeout(0.0)
        try:
            while self._line.recv(4096):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return True

    def _send(self, kind: bytes, body: bytes) -> None:
        self._line.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _until(self, wanted: bytes) -> None:
        while True:
            head = self._exactly(5)
            body = self._exactly(struct.unpack("!I", head[1:])[0] - 4)
            assert head[:1] != b"E", body
            if head[:1] == wanted:
                return

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self._line.recv(length - len(data))
            assert more, "the server has closed the session"
            data += more
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
