"""The one way to read a file that holds a secret: a key, a password, a PIN."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from relay.core.errors import Malformed

PRIVATE_BYTES_MAX: Final = 64 * 1024
_GROUP: Final = 0o070
_GROUP_READS: Final = 0o040
_OTHERS: Final = 0o007
_ROOT: Final = 0


def why_open(mode: int, owner: int, me: int) -> str:
    """Why a file of that mode and owner is not private to the user `me`; empty when it is.

    A file of root's may be readable for its group, as PostgreSQL allows it too (`ssl_key_file`): so a secret reaches a process without
    rights of its own, in Kubernetes (`fsGroup`) as well as in Debian (group ssl-cert).
    """
    shared = mode & _GROUP == _GROUP_READS and owner == _ROOT != me
    if not mode & _OTHERS and (shared or not mode & _GROUP):
        return ""
    open_to = "others" if mode & _OTHERS else "its group"
    return f"has mode {mode & 0o7777:04o}, open to {open_to}, and holds a secret: chmod 600 it; change the secret if others were here"


def read_private(path: Path, *, bytes_max: int = PRIVATE_BYTES_MAX) -> bytes:
    """The whole file. Raises `Malformed`: it cannot be read, is no file, is too large, or others than its owner may read it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise Malformed(
            str(path),
            "",
            f"cannot be read: {error.strerror}; it must belong to the user of this process",
            concern="access",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Malformed(
            str(path), "", f"cannot be read: {reason}; correct the path, or put the file there", concern="key"
        ) from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Malformed(str(path), "", "cannot be read: it is no file; correct the path", concern="key")
        if problem := why_open(found.st_mode, found.st_uid, os.geteuid()):
            raise Malformed(str(path), "", problem, concern="access")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(bytes_max + 1)
    finally:
        os.close(handle)
    if len(data) > bytes_max:
        raise Malformed(str(path), "", f"has more than {bytes_max} bytes: it is no such file", concern="key")
    return data
