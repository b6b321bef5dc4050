"""What is logged: events with stable names, each with its fields (docs/events.md describes them; a test compares).

    log_event(log, SOME_EVENT, origin=origin, reason=reason)

Fields hold names out of a configuration, sizes, heights, reasons: never a record's content, a person, a key.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`name` never changes; `says` is a template over the fields."""

    name: str
    level: int
    says: str


def log_event(log: logging.Logger, event: Event, **fields: object) -> None:
    """One line; the formatter writes name and fields beside the message."""
    log.log(event.level, event.says.format(**fields), extra={"event": event.name, "fields": fields})


OPS_LISTENING: Final = Event(name="ops_listening", level=logging.INFO, says="metrics and health at {address}")
NOTICES_FAILED: Final = Event(name="notices_failed", level=logging.WARNING, says="{problem}")
"""A broker cannot be told now; `problem` names it. Said when it changes."""
NOTICES_NOT_PRUNED: Final = Event(
    name="notices_not_pruned", level=logging.WARNING, says="the outbox of notices could not be pruned: {problem}"
)
HINTS_FAILED: Final = Event(name="hints_failed", level=logging.WARNING, says="{problem}")
"""A gateway's announcements cannot be heard now; the ledger is read all the same."""
