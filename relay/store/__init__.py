"""Stores: SQLite and append-only packs behind the ports."""
