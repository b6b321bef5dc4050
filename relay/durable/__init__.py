"""SQLite in a thread of its own, append-only files, and the lock on a data folder: what every store stands on."""
