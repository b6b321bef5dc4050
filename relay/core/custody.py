"""CustodyEvent: one access, refusal, disclosure, verification, hold or erasure, as it is logged for good.

The event stays with its keeper; its custody log holds 0x02 ‖ SHA-256("courtrelay/custody/v1" ‖ JCS) ‖ 32 zero bytes.
Sixteen random bytes in every event keep the digest from being guessed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from relay.core.base64strict import b64url_encode
from relay.core.canonical import Fields, dumps, loads
from relay.core.dossier import make_custody_entry
from relay.core.limits import CUSTODY_EVENT_BYTES_MAX, CUSTODY_SUBJECTS_MAX, REASON_CHARS_MAX

FORMAT: Final = "courtrelay-custody/v1"
SALT_BYTES: Final = 16
_DOMAIN: Final = b"courtrelay/custody/v1"
_WHAT: Final = "custody event"
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){1,64}")


CustodyAction = Literal[
    "deposit",
    "grant",
    "revoke",
    "request",
    "disclose",
    "resume",
    "refuse",
    "receive",
    "verify",
    "fetch",
    "hold",
    "release",
    "erase",
    "report",
    "sign_in",
    "view",
    "check",
    "invite",
    "object",
    "answer",
    "issue",
    "statement",
]
CUSTODY_ACTIONS: Final[tuple[CustodyAction, ...]] = get_args(CustodyAction)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyEvent:
    """`at_ms` is the keeper's clock; `subject` maps names such as `grant` to hex; `outcome` is a lower-case name."""

    salt: bytes
    at_ms: int
    actor: str
    action: CustodyAction
    subject: Mapping[str, str]
    outcome: str
    detail: str


def make_event(
    *,
    at_ms: int,
    actor: str,
    action: CustodyAction,
    subject: Mapping[str, str],
    outcome: str,
    detail: str,
    random_bytes: Callable[[int], bytes],
) -> bytes:
    """The event's canonical bytes, to be kept and logged. Raises `Malformed` for values that no reader would accept."""
    data = dumps(
        {
            "format": FORMAT,
            "salt": b64url_encode(random_bytes(SALT_BYTES)),
            "at_ms": at_ms,
            "actor": actor,
            "action": action,
            "subject": dict(subject),
            "outcome": outcome,
            "detail": detail,
        }
    )
    parse_event(data)
    return data


def parse_event(data: bytes) -> CustodyEvent:
    """Raises `Malformed`."""
    fields = Fields(loads(data, what=_WHAT, bytes_max=CUSTODY_EVENT_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    event = CustodyEvent(
        salt=fields.b64url("salt", size=SALT_BYTES),
        at_ms=fields.integer("at_ms"),
        actor=fields.party("actor"),
        action=fields.literal("action", *CUSTODY_ACTIONS),
        subject=_subject(fields),
        outcome=fields.token("outcome"),
        detail=fields.plain("detail", chars_max=REASON_CHARS_MAX, empty=True),
    )
    fields.done()
    return event


def custody_entry(event: bytes) -> bytes:
    """The 65-byte log entry of an event's canonical bytes."""
    return make_custody_entry(hashlib.sha256(_DOMAIN + event).digest())


def _subject(fields: Fields) -> dict[str, str]:
    subject = fields.nested("subject")
    names = subject.members(count_max=CUSTODY_SUBJECTS_MAX)
    return {name: subject.matching(name, _HEX, "1 to 64 bytes in lower-case hex") for name in names}
