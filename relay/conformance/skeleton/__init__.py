"""The adapter that `courtrelay adapter new` writes: a ledger in memory that passes every check."""
