"""Ledger families, one folder each. They see ports, core, transport and durable only."""
