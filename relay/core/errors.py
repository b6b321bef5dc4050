"""Every error a caller may see, and whose fault it is.

    RelayError
    ├── Malformed     their bytes: a parser refused them; names what, which field, and why
    ├── Denied        their right: deny by default; the reason is for our log, not for them
    ├── Unverified    their proof: a signature, digest or Merkle proof does not hold
    │   └── Contradicted  they have signed two things that cannot both be true; carries both
    ├── NotFound      no such thing
    ├── Conflict      it contradicts what is already stored
    ├── Unavailable   the outside is not reachable now; a retry may help
    │   └── Busy      it has had enough of this caller for a while
    └── Uncertain     a write may or may not have happened: stop, query, then decide

Mistakes of our own programmers are AssertionError or RuntimeError, never one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

About = Literal["grant", "request", "signature", "uses", "time"]
"""What a refusal is about, for those who count refusals."""


class RelayError(Exception):
    """Base of every error that is part of the contract between modules."""


class Malformed(RelayError):
    """Bytes or values from outside that a strict parser refuses.

    `what` names the document (a file, a message, a line), `field` the place in it, `reason` says what is wrong
    and, where that helps, what would be right.
    """

    def __init__(self, what: str, field: str, reason: str) -> None:
        super().__init__(f"{what}: {field}: {reason}" if field else f"{what}: {reason}")
        self.what = what
        self.field = field
        self.reason = reason

    def within(self, what: str) -> Malformed:
        """The same refusal, told from further out (file and line around a field)."""
        return Malformed(what, self.field, self.reason)


class Denied(RelayError):
    """The caller may not do this. `reason` is for the custody log; outside there is one answer for all reasons."""

    def __init__(self, reason: str, about: About = "request") -> None:
        super().__init__(reason)
        self.reason = reason
        self.about = about


class Unverified(RelayError):
    """A proof does not hold. `step` names the check that failed."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


class Contradicted(Unverified):
    """Whoever stands for a log or a ledger has signed what cannot be true beside what it signed before.

    `pieces` are the signed statements, by name, as an exhibit holds them (docs/spec/exhibit.md).
    """

    def __init__(self, step: str, reason: str, pieces: Mapping[str, bytes]) -> None:
        super().__init__(step, reason)
        self.pieces = dict(pieces)


class NotFound(RelayError):
    """Nothing is stored under that name."""


class Conflict(RelayError):
    """The request contradicts stored state, for example a checkpoint that does not extend the last."""


class Unavailable(RelayError):
    """The outside cannot be reached now. Retrying later may help."""


class Busy(Unavailable):
    """The caller asks for more than its share. Nothing was done; after `retry_s` seconds it may ask again."""

    def __init__(self, reason: str, retry_s: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_s = retry_s


class Uncertain(RelayError):
    """A write may have happened. The caller must query before it tries again."""
