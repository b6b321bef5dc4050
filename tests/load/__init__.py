"""Real processes under load for long: a court ledger that goes silent, and backlogs of a million."""
