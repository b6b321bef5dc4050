"""Every metric of every role, in one place: name, labels, unit (docs/metrics.md shows them; a test compares).

Names follow Prometheus' practice for naming: one prefix, base units, `_total` on counters. Labels are names out of a configuration (an
origin, a court's ledger) or words of a fixed set, never anything that a caller chooses: no dossier, commitment, grant or person.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry(auto_describe=True)
WAY_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)
"""From finality to receipt, and what takes as long."""
WORK_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Work within a process, and calls."""


def _counter(name: str, says: str, *labels: str) -> Counter:
    return Counter(f"courtrelay_{name}", says, labels, registry=REGISTRY)


def _gauge(name: str, says: str, *labels: str) -> Gauge:
    return Gauge(f"courtrelay_{name}", says, labels, registry=REGISTRY)


def _histogram(name: str, says: str, *labels: str, buckets: tuple[float, ...] = WORK_S) -> Histogram:
    return Histogram(f"courtrelay_{name}", says, labels, registry=REGISTRY, buckets=buckets)


# --- the way of a commitment (relay)
commitments_observed = _counter(
    "commitments_observed_total", "Anchored checkpoints seen on a lender's ledger.", "origin", "source"
)
"""source: stream, rescan. What a rescan finds, the stream had left out."""
commitments_finalized = _counter("commitments_finalized_total", "Anchored checkpoints that became final.", "origin")
commitments_forwarded = _counter(
    "commitments_forwarded_total", "Checkpoints with an effect on the court's ledger.", "origin", "court", "outcome"
)
"""outcome: new, already_present, covered (a larger one stands for it)."""
commitments_orphaned = _counter("commitments_orphaned_total", "Anchors whose block left the ledger.", "origin")
ledger_head_height = _gauge("ledger_head_height", "Height of a lender's ledger as its node says.", "ledger", "kind")
"""kind: latest, final."""
proven_contiguous_height = _gauge(
    "proven_contiguous_height", "Height up to which every block of a lender's ledger was read and checked.", "origin"
)
sequence_gaps = _gauge("sequence_gaps", "Heights that a rescan has still to prove.", "origin")
outbox_items = _gauge("outbox_items", "Anchored checkpoints on their way, by state.", "court", "state")
outbox_oldest_age = _gauge(
    "outbox_oldest_age_seconds", "Age of the oldest final checkpoint without a receipt.", "court"
)
forward_duration = _histogram(
    "forward_duration_seconds", "From finality on the source to the receipt.", "origin", "court", buckets=WAY_S
)
proof_build_duration = _histogram("proof_build_duration_seconds", "Making the proof of one checkpoint.", "origin")
proof_verify_failures = _counter("proof_verify_failures_total", "Proofs that did not hold.", "origin", "reason")
root_mismatches = _counter("root_mismatch_total", "Anchored roots that are not the mirror's.", "origin")
equivocations = _counter("equivocations_total", "Two signed trees of one origin that contradict.", "origin")
origin_halted = _gauge("origin_halted", "1 while an origin stands still until a person has looked.", "origin")
submit_attempts = _counter("submit_attempts_total", "Calls that would have an effect at the court.", "court", "outcome")
"""outcome: ok, unknown, rejected, timeout."""
stale_replies_ignored = _counter(
    "stale_replies_ignored_total", "Replies to an attempt that another has overtaken.", "court"
)
quarantine_items = _gauge("quarantine_items", "Checkpoints set aside for a person.", "origin")
reconcile_discrepancies = _counter(
    "reconcile_discrepancies_total", "What the court's ledger holds otherwise than this relay.", "court", "kind"
)
"""kind: missing, extra, differs."""

# --- disclosure (custodian, relay, court)
disclosure_requests = _counter(
    "disclosure_requests_total", "Requests for a dossier.", "court", "decision", "reason_class"
)
"""decision: allow, deny. reason_class: none, grant, request, signature, uses, time, unavailable."""
disclosure_duration = _histogram("disclosure_duration_seconds", "From a request to its last byte.", "court")
grants_active = _gauge("grants_active", "Grants that would permit a request now.", "origin")
grant_revocation_lag = _histogram(
    "grant_revocation_lag_seconds", "From a revocation to its entry on the court's ledger.", "origin", buckets=WAY_S
)
audit_append_failures = _counter("audit_append_failures_total", "Custody events that could not be kept.", "sink")
signatures = _counter("signatures_total", "Signatures made with a role's own keys.", "purpose")

# --- every process
rpc_server_duration = _histogram("rpc_server_duration_seconds", "Calls served.", "service", "method", "code")
rpc_rejected = _counter("rpc_rejected_total", "Calls refused before their handler.", "reason")
"""reason: no_deadline, too_large, rate, identity, certificate, role."""
db_commit_duration = _histogram("db_commit_duration_seconds", "Transactions committed, fsync and all.", "store")
leader = _gauge("leader", "1 while this worker holds the lease of a job.", "job")
fencing_token = _gauge("fencing_token", "Number of the lease that this worker holds.", "job")
credential_expiry = _gauge(
    "credential_expiry_timestamp_seconds", "When a certificate, list or trust root ends.", "kind", "name"
)
mqtt_published = _counter("mqtt_published_total", "Notices that the broker took.", "topic_class")
mqtt_dropped = _counter("mqtt_dropped_total", "Notices given up as too old.", "topic_class")
loop_lag = _histogram("loop_lag_seconds", "How late the event loop was.")
component_up = _gauge("component_up", "1 while a component that a role uses answers.", "role", "component", "name")
ready = _gauge("ready", "1 while a role does its work or safely waits.", "role")
clock_offset = _gauge("clock_offset_seconds", "A peer's clock less this process's.", "role", "peer")
disk_free = _gauge("disk_free_bytes", "Room left where the data folder is.", "role")
build_info = _gauge("build_info", "1, with the version that runs.", "role", "version")
