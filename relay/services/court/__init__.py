"""What the court gateway does: mirror and cosign, read the court ledger itself, retrieve under grants, write bundles."""
