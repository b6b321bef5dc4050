"""Counting at the place where a thing happens: how a call ended, how long work took, what could not be kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter

from relay.core.errors import (
    Busy,
    Conflict,
    Denied,
    Malformed,
    NotFound,
    RelayError,
    Unavailable,
    Uncertain,
    Unverified,
)
from relay.telemetry import metrics

OTHER: Final = "other"
PROOF_STEPS: Final = frozenset(
    {
        "log signature",
        "root",
        "entry",
        "tree",
        "consistency",
        "anchor",
        "quorum",
        "receipt",
        "signature",
        "witness",
        "seals",
    }
)
"""Steps of a check that are shown as they are. Any other step is `other`: a peer's words make no label."""


def stopwatch() -> Callable[[], float]:
    """Seconds since now, by a clock that never goes back."""
    begun = time.perf_counter()
    return lambda: time.perf_counter() - begun


def add(counter: Counter, by_origin: Mapping[str, int], *labels: str) -> None:
    """One counter for several origins; `labels` follow the origin's."""
    for origin, count in by_origin.items():
        counter.labels(origin, *labels).inc(count)


def proof_failed(origin: str, step: str) -> None:
    """A proof that has to do with an origin of the configuration did not hold."""
    reason = step if step in PROOF_STEPS else OTHER
    metrics.proof_verify_failures.labels(origin, reason.replace(" ", "_")).inc()


@contextmanager
def proofs_of(origin: str) -> Iterator[None]:
    """Around checks: what does not hold is counted, and raised on."""
    try:
        yield
    except Unverified as error:
        proof_failed(origin, error.step)
        raise


@contextmanager
def submitting(court: str) -> Iterator[None]:
    """Around one call that would have an effect on a court's ledger: how it ended, as the caller knows it."""
    outcome = "ok"
    try:
        yield
    except Uncertain:
        outcome = "unknown"
        raise
    except Unavailable:
        outcome = "timeout"
        raise
    except RelayError:
        outcome = "rejected"
        raise
    finally:
        metrics.submit_attempts.labels(court, outcome).inc()


@contextmanager
def keeping(sink: str, *by_rule: type[Exception]) -> Iterator[None]:
    """Around the storing of a custody event. What the store refuses by its rules is no failure (nor is `by_rule`); all else is."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (Denied, Conflict, NotFound, Malformed, *by_rule)):
            metrics.audit_append_failures.labels(sink).inc()
        raise


def reason_class(error: RelayError) -> str:
    """Why a request was refused, as a word of the fixed set."""
    if isinstance(error, Denied):
        return error.about
    if isinstance(error, Unverified):
        return "signature"
    if isinstance(error, NotFound):
        return "grant"
    return "unavailable" if isinstance(error, Unavailable | Uncertain | Busy) else "request"


def disclosure_decided(court: str, refusal: RelayError | None) -> None:
    """One request for a dossier, permitted (None) or refused."""
    if refusal is None:
        metrics.disclosure_requests.labels(court, "allow", "none").inc()
    else:
        metrics.disclosure_requests.labels(court, "deny", reason_class(refusal)).inc()
