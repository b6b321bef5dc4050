"""Every sentence about amounts, in English; catalogues have them in other languages. Places named `…_cents` hold amounts."""

from __future__ import annotations

from typing import Final

AmountWords = str

ABSENT: Final[dict[str, AmountWords]] = {
    "withheld": "Record {seq} ({kind}) is withheld.",
    "erased": "Record {seq} ({kind}) was erased.",
    "missing": "Record {seq} ({kind}) is missing.",
}
NOT_SHOWN: Final[AmountWords] = "The content of record {seq} ({kind}) was not shown."
NOT_HOLDING: Final[AmountWords] = "Record {seq} ({kind}) does not hold: {verdict}."
NOT_USABLE: Final[AmountWords] = "Record {seq} ({kind}) cannot be used: {reason}"
NOT_WHOLE: Final[AmountWords] = "That no record of this dossier was left out has not been shown (step 13)."
OF_NO_KIND: Final[AmountWords] = "Record {seq} is missing, and of what kind it was is not known."
CONTRADICTING: Final[AmountWords] = (
    "The schedule of record {seq} holds principal of {principal_cents}: neither the whole loan with the instalments before it, "
    "nor what was outstanding when it was made."
)
PAID_OUT: Final[AmountWords] = "paid out on {day}"
BY_CONTRACT: Final[AmountWords] = "principal by the contract"
FEES_BY_CONTRACT: Final[AmountWords] = "fees by the contract"
CONTRACTS: Final[AmountWords] = "The dossier holds {count} contracts."
NO_RECORD: Final[AmountWords] = "The dossier holds no record of kind {kind}."
RECEIVED: Final[AmountWords] = "received on {day}"
INSTALMENT: Final[AmountWords] = "instalment due on {day}"
ENFORCED: Final[AmountWords] = (
    "{amount_cents} came in by enforcement on {day} (record {seq}), and no record says what of the debt it pays."
)
MAY_CHANGE: Final[AmountWords] = (
    "Record {seq} ({kind}) may change what is owed or to whom; these figures are by contract and schedule."
)
INTEREST_OF: Final[AmountWords] = "interest of {count} instalments by version {version} of the schedule"
SCHEDULE_DIFFERS: Final[AmountWords] = (
    "The schedule's principal is {scheduled_cents}, what was paid out is {disbursed_cents}."
)
SETTLED: Final[AmountWords] = "paid until the loan was rescheduled on {day}, which settled what was due before"
OVERDUE: Final[AmountWords] = (
    "instalment of {day}: {base_cents} overdue for {days} days at {rate}% a year over {year} days"
)
OVERDUE_IN_PARTS: Final[AmountWords] = (
    "instalment of {day}: {base_cents} overdue, paid in parts within {days} days, at {rate}% a year over {year} days; "
    "sum of balance times days: {cent_days} cents"
)
COMPOUNDS: Final[AmountWords] = (
    "By the contract (record {seq}) interest compounds ({compounding}); only simple penalty interest is computed here."
)
RESCHEDULED: Final[AmountWords] = (
    "The loan was rescheduled on {day} while instalments were open; what penalty that left is not in the schedule."
)
