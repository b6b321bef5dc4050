"""The relay's memory in PostgreSQL, shared by any number of workers."""
