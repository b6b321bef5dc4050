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
LEDGER_AWAITED: Final = Event(
    name="ledger_awaited",
    level=logging.WARNING,
    says="the logs are not compared with {ledger} yet, nothing is served: {reason}",
)
