"""The one error after which a process must not go on."""

from __future__ import annotations


class StorageFailed(Exception):
    """A write, commit or fsync failed: what is on disk is unknown. The process ends (exit code 70) and a restart reads it.

    Deliberately no RelayError: nothing that answers a caller's mistake may catch it by accident.
    """
