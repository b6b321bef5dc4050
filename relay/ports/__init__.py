"""What services need from the outside, as Protocols with their obligations.

`ledgers` is for adapter authors, `common` for every role; `custodian`, `forwarding` and `court` hold what one role alone needs.
"""

from __future__ import annotations

from relay.ports.common import Clock, LogFiles, RandomBytes, RecordCatalogue, Signer
from relay.ports.ledgers import (
    Anchor,
    AnchorBlock,
    AnchorSource,
    CourtRegistry,
    GrantState,
    LedgerHead,
    Receipt,
    Submission,
)

__all__ = [
    "Anchor",
    "AnchorBlock",
    "AnchorSource",
    "Clock",
    "CourtRegistry",
    "GrantState",
    "LedgerHead",
    "LogFiles",
    "RandomBytes",
    "Receipt",
    "RecordCatalogue",
    "Signer",
    "Submission",
]
