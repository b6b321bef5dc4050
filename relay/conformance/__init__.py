"""The conformance kit: what relay/ports/ledgers.py promises, as named checks that run against any adapter."""

from __future__ import annotations

# the order in which checks run: what needs an unused log first, what ends connections and nodes last
from relay.conformance import (  # isort: skip
    source_head,
    source_feed,
    source_anchors,
    source_proofs,
    court_log,
    court_refusals,
    court_proofs,
    court_grants,
    source_life,
    court_life,
)
from relay.conformance.check import CHECKS, Check
from relay.conformance.owner import LEFT_OUT, NamedKey, Owner
from relay.conformance.runner import DEADLINE_S, Outcome, Result, run_checks, select

PARTS = (
    source_head,
    source_feed,
    source_anchors,
    source_proofs,
    court_log,
    court_refusals,
    court_proofs,
    court_grants,
    source_life,
    court_life,
)
"""Modules that hold checks."""

__all__ = [
    "CHECKS",
    "DEADLINE_S",
    "LEFT_OUT",
    "PARTS",
    "Check",
    "NamedKey",
    "Outcome",
    "Owner",
    "Result",
    "run_checks",
    "select",
]
