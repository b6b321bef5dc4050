"""Trust roots from their file, and the operators' gate: what every role does the same way."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Malformed
from relay.core.identity import Identity, Role
from relay.core.trust import TrustRoots, parse_trust_roots
from relay.durable.files import write_file
from relay.transport.gate import May

USED: Final = "trust-used.json"
USED_FORMAT: Final = "courtrelay-trust-used/v1"
USED_BYTES_MAX: Final = 1024


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


def use_trust(path: Path, data: Path) -> TrustRoots:
    """Trust roots for a role that owns the data folder, which remembers durably the newest version that it used.

    An older version is refused: it may trust a key that was revoked since (TUF's rollback attack). So is another file of the same
    version. Raises `Malformed` naming file and member, `StorageFailed`.
    """
    trust = read_trust(path)
    if check_used(trust, path, data):
        digest = hashlib.sha256(trust.to_json()).hexdigest()
        write_file(data / USED, dumps({"format": USED_FORMAT, "sha256": digest, "version": trust.version}))
    return trust


def check_used(trust: TrustRoots, path: Path, data: Path) -> bool:
    """Whether the file is newer than what the role has used; nothing is written. Raises `Malformed` as `use_trust` does."""
    digest = hashlib.sha256(trust.to_json()).hexdigest()
    memory = data / USED
    version, known = _last_used(memory)
    if trust.version < version:
        reason = f"is {trust.version}, but version {version} was in use here before ({memory}); get the current file"
        raise Malformed(str(path), "version", reason)
    if trust.version == version and digest != known:
        reason = (
            f"another file of version {version} was in use here before ({memory}); every change needs a new version"
        )
        raise Malformed(str(path), "version", reason)
    return trust.version > version


def _last_used(memory: Path) -> tuple[int, str]:
    """Version and digest, (0, "") when the role starts for the first time. Raises `Malformed`."""
    try:
        data = memory.read_bytes()
    except FileNotFoundError:
        return 0, ""
    except OSError as error:
        raise Malformed(str(memory), "", f"cannot be read: {error.strerror}") from None
    fields = Fields(loads(data, what=str(memory), bytes_max=USED_BYTES_MAX), what=str(memory))
    fields.literal("format", USED_FORMAT)
    version, digest = fields.integer("version", low=1), fields.digest("sha256")
    fields.done()
    return version, digest


def only(operators: frozenset[str]) -> May:
    """Operators by name; other roles are judged by their own service."""
    return lambda _method, identity: _may(identity, operators)


def _may(identity: Identity, operators: frozenset[str]) -> bool:
    return identity.role is not Role.OPERATOR or str(identity) in operators
