"""Trust roots from their file, and the operators' gate: what every role does the same way."""

from __future__ import annotations

from pathlib import Path

from relay.core.errors import Malformed
from relay.core.identity import Identity, Role
from relay.core.trust import TrustRoots, parse_trust_roots
from relay.transport.servers import May


def read_trust(path: Path) -> TrustRoots:
    """Raises `Malformed` naming the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    try:
        return parse_trust_roots(data)
    except Malformed as error:
        raise error.within(str(path)) from None


def only(operators: frozenset[str]) -> May:
    """Operators by name; other roles are judged by their own service."""
    return lambda _method, identity: _may(identity, operators)


def _may(identity: Identity, operators: frozenset[str]) -> bool:
    return identity.role is not Role.OPERATOR or str(identity) in operators
