"""What each verdict says in one sentence. No sentence claims more than docs/spec/verdict.md: nothing is called true, and what was before
anchoring is left to the court (Online Litigation Rules arts. 16 to 18).
"""

from __future__ import annotations

from typing import Final

from relay.core.verdict import Finding
from relay.words.language import Words

VERDICT_WORDS: Final[dict[Finding, Words]] = {
    Finding.CONSISTENT: "Everything examined agrees with what was anchored: unaltered since the anchoring time.",
    Finding.SUPERSEDED: "Agrees with what was anchored, and a later record of this dossier replaces it.",
    Finding.PENDING_FINALITY: "Signed by the lender, but no checkpoint that the court's ledger accepted covers it yet.",
    Finding.UNVERIFIABLE: "A check could not run, so nothing is shown either way.",
    Finding.ORPHANED: "The block that anchored it has left the lender's chain, so its anchoring no longer counts.",
    Finding.NOT_FOUND: "The lender lists it, but it is not in the court's mirror of the log.",
    Finding.INCONSISTENT: "A check ran and contradicts: what is here is not what was anchored.",
}
