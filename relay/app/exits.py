"""How a role's process ends when it ends by itself: one line on standard error, and one code of this table (docs/exit-codes.md).

0 to 2 mean what they mean to every program. From 64 to 78 the numbers and meanings are those of sysexits.h where one fits; 79 to 82 are
free there. Nothing lies from 126 to 165, where shells and supervisors put what they have to say themselves.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.errors import Concern, Conflict, Malformed, RelayError, Unavailable
from relay.durable.errors import StorageFailed
from relay.services.standing import Behind


@dataclass(frozen=True, slots=True)
class ExitCode:
    """`sysexit`: its name in sysexits.h, empty where there is none. `meaning` and `remedy`: for people, a line each."""

    code: int
    sysexit: str
    meaning: str
    remedy: str


EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
EXIT_STORAGE: Final = 70
EXIT_IN_USE: Final = 75
EXIT_ACCESS: Final = 77
EXIT_CONFIG: Final = 78
EXIT_KEY: Final = 79
EXIT_PORT: Final = 80
EXIT_SCHEMA: Final = 81
EXIT_BEHIND: Final = 82

EXIT_CODES: Final = (
    ExitCode(EXIT_OK, "EX_OK", "ended in order, after SIGTERM or Ctrl-C", "nothing"),
    ExitCode(
        EXIT_FAILED,
        "",
        "a worker crashed, or an answer was refused that nobody here can mend",
        "start again; report it",
    ),
    ExitCode(EXIT_USAGE, "", "the command line is wrong", "see the line, and `courtrelay serve --help`"),
    ExitCode(
        EXIT_UNAVAILABLE,
        "EX_UNAVAILABLE",
        "something that is needed to begin did not answer: a database, a token",
        "see that it runs; start again, as a supervisor may",
    ),
    ExitCode(
        EXIT_STORAGE,
        "EX_SOFTWARE",
        "a write or fsync failed, or the disk is full: what is on disk is unknown until it is read again",
        "make room or mend the disk; start again",
    ),
    ExitCode(
        EXIT_IN_USE, "EX_TEMPFAIL", "another process has the data folder", "stop that process, or choose another folder"
    ),
    ExitCode(
        EXIT_ACCESS,
        "EX_NOPERM",
        "a file cannot be read or written by this user, or a secret can be read by others",
        "chown or chmod what the line names; change a secret that others could read",
    ),
    ExitCode(
        EXIT_CONFIG,
        "EX_CONFIG",
        "the configuration or a file that it names is wrong",
        "correct the key that the line names",
    ),
    ExitCode(
        EXIT_KEY,
        "",
        "a key, certificate or secret is not there, is damaged, or is of the wrong kind",
        "put the right one in its place",
    ),
    ExitCode(
        EXIT_PORT,
        "",
        "an address cannot be listened on, mostly because another process does",
        "end that process, or change the address",
    ),
    ExitCode(
        EXIT_SCHEMA,
        "",
        "the store is of a newer version or of another program",
        "run the version that the line names, or restore the backup made before the update",
    ),
    ExitCode(
        EXIT_BEHIND,
        "",
        "a ledger has more of this role's own log than the role itself, as after restoring a backup",
        "restore a newer backup, or `courtrelay catch-up`; starting again mends nothing",
    ),
)

_BY_CONCERN: Final[dict[Concern, int]] = {
    "": EXIT_CONFIG,
    "key": EXIT_KEY,
    "access": EXIT_ACCESS,
    "port": EXIT_PORT,
    "schema": EXIT_SCHEMA,
}
_BY_ERRNO: Final = {
    errno.EACCES: EXIT_ACCESS,
    errno.EPERM: EXIT_ACCESS,
    errno.EROFS: EXIT_ACCESS,
    errno.ENOSPC: EXIT_STORAGE,
    errno.EDQUOT: EXIT_STORAGE,
    errno.EIO: EXIT_STORAGE,
    errno.EADDRINUSE: EXIT_PORT,
}
_FULL: Final = ("disk is full", "no space left", "quota exceeded")
_PLACES: Final = frozenset({"configuration", "http", "limits", "ops", "web"})
"""What errors name that come from a part which does not know the file that it was configured by."""


def exit_code(error: BaseException) -> int:
    """The code for what ended the process."""
    if isinstance(error, StorageFailed):
        return EXIT_ACCESS if isinstance(error.__cause__, PermissionError) else EXIT_STORAGE
    if isinstance(error, Behind):
        return EXIT_BEHIND
    if isinstance(error, Malformed):
        return _BY_CONCERN[error.concern]
    if isinstance(error, Conflict):
        return EXIT_IN_USE
    if isinstance(error, Unavailable):
        return EXIT_UNAVAILABLE
    if isinstance(error, OSError) and error.errno is not None:
        return _BY_ERRNO.get(error.errno, EXIT_FAILED)
    return EXIT_FAILED


def last_line(error: BaseException, config: Path | None) -> str:
    """What a person reads: what is wrong, where, and what to do. Empty for a mistake of our own, which is told with its trace."""
    denied = error.__cause__ if isinstance(error, StorageFailed) else error
    if isinstance(denied, PermissionError) and denied.filename:
        return _one(f"{denied.filename}: {denied.strerror}; it must belong to the user of this process: chown it")
    if isinstance(error, StorageFailed):
        full = any(word in str(error).lower() for word in _FULL)
        return f"{_one(str(error))}; {'make room' if full else 'look at the disk'}, then start again: what was acknowledged is kept"
    if isinstance(error, Malformed) and config is not None and error.what in _PLACES:
        table = "" if error.what == "configuration" or error.field.startswith(error.what) else f"{error.what}."
        return _one(str(Malformed(str(config), f"{table}{error.field}", error.reason)))
    return _one(str(error)) if isinstance(error, RelayError | Behind | OSError) else ""


def _one(text: str) -> str:
    return " ".join(text.split())
