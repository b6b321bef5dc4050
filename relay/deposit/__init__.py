"""Deposit folders on disk: records.jsonl plus the files it names (docs/spec/deposit.md)."""
