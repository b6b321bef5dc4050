"""Where each metric is shown to move. Every one of the registry stands here exactly once."""

from __future__ import annotations

from tests.telemetry.pages import ROLES

RELAY = ("relay",)
CUSTODIAN = ("custodian",)

IN_THE_SCENARIO: dict[str, tuple[str, ...]] = {
    "courtrelay_commitments_observed_total": RELAY,
    "courtrelay_commitments_finalized_total": RELAY,
    "courtrelay_commitments_forwarded_total": RELAY,
    "courtrelay_ledger_head_height": RELAY,
    "courtrelay_proven_contiguous_height": RELAY,
    "courtrelay_sequence_gaps": RELAY,
    "courtrelay_outbox_items": RELAY,
    "courtrelay_outbox_oldest_age_seconds": RELAY,
    "courtrelay_forward_duration_seconds": RELAY,
    "courtrelay_proof_build_duration_seconds": RELAY,
    "courtrelay_origin_halted": RELAY,
    "courtrelay_submit_attempts_total": RELAY,
    "courtrelay_disclosure_requests_total": ROLES,
    "courtrelay_disclosure_duration_seconds": ROLES,
    "courtrelay_grants_active": CUSTODIAN,
    "courtrelay_grant_revocation_lag_seconds": CUSTODIAN,
    "courtrelay_signatures_total": ("custodian", "court"),
    "courtrelay_rpc_server_duration_seconds": ROLES,
    "courtrelay_db_commit_duration_seconds": ROLES,
    "courtrelay_credential_expiry_timestamp_seconds": ROLES,
    "courtrelay_loop_lag_seconds": ROLES,
    "courtrelay_component_up": ROLES,
    "courtrelay_ready": ROLES,
    "courtrelay_clock_offset_seconds": ROLES,
    "courtrelay_disk_free_bytes": ROLES,
    "courtrelay_build_info": ROLES,
}
"""Metric → the roles in which it moves while real processes do their work (test_scenario.py)."""

BY_A_FAULT: dict[str, str] = {
    "courtrelay_commitments_orphaned_total": "test_reorganised_anchor",
    "courtrelay_proof_verify_failures_total": "test_checkpoint_of_a_stranger",
    "courtrelay_root_mismatch_total": "test_entries_without_the_anchored_root",
    "courtrelay_equivocations_total": "test_two_roots_of_one_size",
    "courtrelay_stale_replies_ignored_total": "test_reply_that_another_attempt_has_overtaken",
    "courtrelay_quarantine_items": "test_refused_again_and_again",
    "courtrelay_reconcile_discrepancies_total": "test_court_ledger_that_holds_something_else",
    "courtrelay_audit_append_failures_total": "test_custody_event_that_cannot_be_kept",
    "courtrelay_rpc_rejected_total": "test_calls_that_are_refused_before_their_handler",
    "courtrelay_leader": "test_lease_taken_and_lost",
    "courtrelay_fencing_token": "test_lease_taken_and_lost",
}
"""Metric → the test of test_faults.py in which somebody cheats or something breaks."""

OF_THE_BROKER: dict[str, str] = {
    "courtrelay_mqtt_published_total": "notices that a broker took",
    "courtrelay_mqtt_dropped_total": "notices that became too old",
}
"""What moves only with a broker: the tests of the notices show it."""
