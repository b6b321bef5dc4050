"""Secrets: where they may lie, and that nobody else can read them."""
