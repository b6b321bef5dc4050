"""Telling a broker what has happened, and reading on where notices were lost."""
