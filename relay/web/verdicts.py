"""The seven verdicts in words for pages: a name, and what it means whatever was checked. Only CONSISTENT is ever green.

Chinese names are the terms of docs/words.md. Colours and shapes stand in page.css and templates/verdict.html.
"""

from __future__ import annotations

from typing import Final

from relay.words import Words

NAMES: Final[dict[str, Words]] = {
    "CONSISTENT": "Consistent since it was anchored",
    "INCONSISTENT": "Not consistent",
    "NOT_FOUND": "Not found",
    "PENDING_FINALITY": "Not final yet",
    "UNVERIFIABLE": "Cannot be verified now",
    "SUPERSEDED": "Replaced by a later record",
    "ORPHANED": "Its block is no longer part of the ledger",
}
MEANINGS: Final[dict[str, Words]] = {
    "CONSISTENT": "Every step ran and held: what is shown is what was anchored, unchanged since.",
    "INCONSISTENT": "A step ran and contradicts: what is shown is not what was anchored.",
    "NOT_FOUND": "The court and its ledger hold nothing of this.",
    "PENDING_FINALITY": "It is recorded, but a ledger has not made it final yet. Check again later.",
    "UNVERIFIABLE": "A step could not run, so nothing is said for or against it.",
    "SUPERSEDED": "It is consistent, and a later record of the lender replaces it. Both stay in the evidence.",
    "ORPHANED": "The block that held it was replaced by others. It counts as not anchored.",
}
