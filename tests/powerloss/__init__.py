"""The power goes at every single operation on a disk: the real stores over the real SQLite, on a file system in memory."""
