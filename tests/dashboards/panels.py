"""What the dashboards in deploy/grafana show: one row a panel. `python3 run.py dashboards --write` makes the files from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["stat", "timeseries", "state-timeline"]
Unit = Literal["short", "s", "percentunit", "bytes", "ops", "bool"]
"""Grafana's names: seconds, a share of 1, bytes, a second, 1 or 0 as up or down."""
OF: Final = 'origin=~"$origin"'
AT: Final = 'court=~"$court"'
SMALL: Final = 4
HALF: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`queries` are (PromQL, legend). `red`: from this value on a number is red. `wide` of 24 columns."""

    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    kind: Kind = "timeseries"
    unit: Unit = "short"
    wide: int = HALF
    red: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """`choices`: what a reader may choose, with the query that lists it."""

    name: str
    title: str
    choices: Mapping[str, str]
    panels: tuple[Panel, ...]


def stat(
    title: str,
    says: str,
    query: str,
    legend: str = "",
    unit: Unit = "short",
    red: float | None = None,
    wide: int = SMALL,
) -> Panel:
    """A number, the newest."""
    return Panel(title=title, says=says, queries=((query, legend),), kind="stat", unit=unit, red=red, wide=wide)


def graph(title: str, says: str, *queries: tuple[str, str], unit: Unit = "short", wide: int = HALF) -> Panel:
    """Lines over time."""
    return Panel(title=title, says=says, queries=queries, unit=unit, wide=wide)


def rate(metric: str, by: str, chosen: str = "") -> str:
    """How many a second."""
    return f"sum by ({by}) (rate(courtrelay_{metric}{{{chosen}}}[$__rate_interval]))"


def quantiles(metric: str, by: str = "", chosen: str = "", legend: str = "") -> tuple[tuple[str, str], ...]:
    """The median and one in a hundred, of each `by`."""
    labels = f"{by}, le" if by else "le"
    inner = f"sum by ({labels}) (rate(courtrelay_{metric}_bucket{{{chosen}}}[$__rate_interval]))"
    beside = f" {legend}" if legend else ""
    return (
        (f"histogram_quantile(0.5, {inner})", f"half{beside}"),
        (f"histogram_quantile(0.99, {inner})", f"99 in 100{beside}"),
    )


ORIGIN_CHOICE: Final = {"origin": "label_values(courtrelay_proven_contiguous_height, origin)"}
COURT_CHOICE: Final = {"court": "label_values(courtrelay_outbox_items, court)"}

OVERVIEW: Final = Dashboard(
    name="overview",
    title="courtrelay: overview",
    choices={},
    panels=(
        stat("Alerts", "How many fire now.", 'count(ALERTS{alertstate="firing"}) or vector(0)', "firing", red=1),
        stat("Oldest waiting", "The oldest final checkpoint without a receipt. A day is promised.", "max(courtrelay_outbox_oldest_age_seconds)", "oldest", "s", 43_200),
        stat("Late in 30 days", "Checkpoints without a receipt within 60 s, without the court's outages. 0.1 % is allowed.", "max(courtrelay:forward_late:ratio30d)", "late", "percentunit", 0.001),
        stat("Failed in 30 days", "Retrievals that nobody refused and that failed. 0.1 % is allowed.", "max(courtrelay:disclosure_failed:ratio30d) or vector(0)", "failed", "percentunit", 0.001),
        stat("Halted origins", "They stand still until a person has looked.", "sum(max by (origin) (courtrelay_origin_halted)) or vector(0)", "halted", red=1),
        stat("In quarantine", "Checkpoints set aside for a person.", "sum(max by (origin) (courtrelay_quarantine_items)) or vector(0)", "items", red=1),
        Panel(title="Components", says="Whether what the roles use answers them, and they answer Prometheus.", queries=(("courtrelay:component_up:min", "{{component}} {{name}}"),), kind="state-timeline", unit="bool", wide=HALF),
        Panel(title="Ready, and what is a role's own", says="A role without its database, disk or clock is not ready.", queries=(("courtrelay_ready", "{{role}} ready"), ('courtrelay_component_up{component=~"database|disk|clock"}', "{{role}}: {{component}} {{name}}")), kind="state-timeline", unit="bool", wide=HALF),
        graph("Checkpoints", "Final on the lenders' ledgers, and with an effect at the court.", ("sum(rate(courtrelay_commitments_finalized_total[$__rate_interval]))", "final"), ("sum by (outcome) (rate(courtrelay_commitments_forwarded_total[$__rate_interval]))", "{{outcome}}"), unit="ops"),
        graph("On their way", "Checkpoints without a receipt, by state.", ('sum by (state) (courtrelay_outbox_items{state!~"confirmed|covered|orphaned|discarded"})', "{{state}}")),
        graph("Clocks", "A peer's clock less the role's own. More than 2 s is an alert.", ("courtrelay_clock_offset_seconds", "{{role}} of {{peer}}"), unit="s"),
        graph("Until credentials end", "The first of each kind to end. Less than 7 days is an alert.", ("min by (kind) (courtrelay_credential_expiry_timestamp_seconds) - time()", "{{kind}}"), unit="s"),
        graph("Versions that run", "One line a version.", ("count by (role, version) (courtrelay_build_info)", "{{role}} {{version}}")),
        graph("Notices", "To the MQTT broker, and given up as too old. Empty without one.", (rate("mqtt_published_total", "topic_class"), "{{topic_class}}"), (rate("mqtt_dropped_total", "topic_class"), "{{topic_class}} given up"), unit="ops"),
    ),
)  # fmt: skip

ORIGIN: Final = Dashboard(
    name="origin",
    title="courtrelay: origins",
    choices=ORIGIN_CHOICE,
    panels=(
        stat("Halted", "1: it stands still until a person has looked.", f"max(courtrelay_origin_halted{{{OF}}}) or vector(0)", "halted", red=1),
        stat("In quarantine", "Checkpoints set aside.", f"sum(courtrelay_quarantine_items{{{OF}}}) or vector(0)", "items", red=1),
        stat("Contradictions", "Signed trees that contradict. Any is an alert.", f"sum(courtrelay_equivocations_total{{{OF}}}) or vector(0)", "found", red=1),
        stat("Wrong roots", "Anchored roots that are not the entries'. Any is an alert.", f"sum(courtrelay_root_mismatch_total{{{OF}}}) or vector(0)", "found", red=1),
        stat("Not compared", "Heights that a rescan has still to read.", f"max(courtrelay_sequence_gaps{{{OF}}})", "heights"),
        stat("Grants", "That would permit a request now.", f"sum(courtrelay_grants_active{{{OF}}})", "active"),
        graph("Seen, final, orphaned", "Anchored checkpoints on the lender's ledger. What a rescan finds, the feed had left out.", (rate("commitments_observed_total", "source", OF), "seen by {{source}}"), (rate("commitments_finalized_total", "origin", OF), "final"), (rate("commitments_orphaned_total", "origin", OF), "orphaned"), unit="ops"),
        graph("Forwarded", "With an effect at the court: new, there already, covered by a larger one.", (rate("commitments_forwarded_total", "outcome", OF), "{{outcome}}"), unit="ops"),
        graph("Heights", "As the ledger's node says, and up to which the feed was read.", ("courtrelay_ledger_head_height", "{{ledger}} {{kind}}"), (f"courtrelay_proven_contiguous_height{{{OF}}}", "read {{origin}}")),
        graph("Heights not compared yet", "They fall at each rescan, every minute.", (f"courtrelay_sequence_gaps{{{OF}}}", "{{origin}}")),
        graph("From finality to receipt", "60 s is promised for 99.9 %.", *quantiles("forward_duration_seconds", "origin", OF, "{{origin}}"), unit="s"),
        graph("Making a proof", "Work of the relay.", *quantiles("proof_build_duration_seconds", "origin", OF, "{{origin}}"), unit="s"),
        graph("Proofs that did not hold", "By what was wrong. Empty: none.", (rate("proof_verify_failures_total", "origin, reason", OF), "{{reason}} {{origin}}"), unit="ops"),
        graph("From a revocation to the court's ledger", "Until then the grant still counts there. Empty: none was revoked.", *quantiles("grant_revocation_lag_seconds", "", OF), unit="s"),
    ),
)  # fmt: skip

COURT: Final = Dashboard(
    name="court",
    title="courtrelay: the court's side",
    choices=COURT_CHOICE,
    panels=(
        stat("Oldest waiting", "The oldest final checkpoint without a receipt.", f"max(courtrelay_outbox_oldest_age_seconds{{{AT}}})", "oldest", "s", 43_200),
        stat("Court away", "1 from the outage on until what waited has its receipts. That time does not count.", "max(courtrelay:court_outage) or vector(0)", "outage", red=1),
        stat("Late in an hour", "0.1 % is allowed; 1.44 % is an alert.", f"max(courtrelay:forward_late:ratio1h{{{AT}}})", "late", "percentunit", 0.0144),
        stat("Late in 3 days", "0.1 % is allowed.", f"max(courtrelay:forward_late:ratio3d{{{AT}}})", "late", "percentunit", 0.001),
        stat("Differences", "Between the court's ledger and the relay's record. Any is an alert.", f"sum(courtrelay_reconcile_discrepancies_total{{{AT}}}) or vector(0)", "found", red=1),
        stat("Stale replies", "To attempts that another had overtaken. Harmless.", f"sum(courtrelay_stale_replies_ignored_total{{{AT}}}) or vector(0)", "ignored"),
        graph("On their way", "Checkpoints without a receipt, by state.", (f'sum by (state) (courtrelay_outbox_items{{{AT}, state!~"confirmed|covered|orphaned|discarded"}})', "{{state}}")),
        graph("Age of the oldest", "60 s is promised for 99.9 %, a day for all.", (f"courtrelay_outbox_oldest_age_seconds{{{AT}}}", "{{court}}"), unit="s"),
        graph("From finality to receipt", "Of all origins.", *quantiles("forward_duration_seconds", "", AT), unit="s"),
        graph("Submissions", "Unknown: the answer was lost, and the ledger is asked.", (rate("submit_attempts_total", "outcome", AT), "{{outcome}}"), unit="ops"),
        graph("Late, by window", "The objective allows 0.1 %.", (f"courtrelay:forward_late:ratio5m{{{AT}}}", "5 min"), (f"courtrelay:forward_late:ratio30m{{{AT}}}", "30 min"), (f"courtrelay:forward_late:ratio1h{{{AT}}}", "1 h"), (f"courtrelay:forward_late:ratio6h{{{AT}}}", "6 h"), unit="percentunit"),
        graph("Confirmed in all", "Checkpoints whose receipt is here.", (f'sum by (state) (courtrelay_outbox_items{{{AT}, state=~"confirmed|covered"}})', "{{state}}")),
    ),
)  # fmt: skip

DISCLOSURES: Final = Dashboard(
    name="disclosures",
    title="courtrelay: disclosures",
    choices=COURT_CHOICE,
    panels=(
        stat("Failed in an hour", "Nobody refused, and it failed. 1.44 % is an alert.", "max(courtrelay:disclosure_failed:ratio1h) or vector(0)", "failed", "percentunit", 0.0144, 6),
        stat("99 in 100 within", "From a request to its last byte, at the court; 150 ms is the aim.", "max(courtrelay:disclosure_duration_seconds:p99)", "p99", "s", 0.15, 6),
        stat("Grants", "That would permit a request now.", "sum(courtrelay_grants_active)", "active", wide=6),
        stat("Events not kept", "Custody events that could not be stored. Any is an alert.", "sum(courtrelay_audit_append_failures_total) or vector(0)", "lost", red=1, wide=6),
        graph("Requests", "Each of the three roles counts its own decision.", (rate("disclosure_requests_total", "job, decision, reason_class", AT), "{{job}} {{decision}} {{reason_class}}"), unit="ops"),
        graph("How long", "From a request to its last byte.", *quantiles("disclosure_duration_seconds", "job", AT, "{{job}}"), unit="s"),
        graph("Failed, by window", "The objective allows 0.1 %. Empty: none failed.", ("courtrelay:disclosure_failed:ratio5m", "5 min"), ("courtrelay:disclosure_failed:ratio30m", "30 min"), ("courtrelay:disclosure_failed:ratio1h", "1 h"), ("courtrelay:disclosure_failed:ratio6h", "6 h"), unit="percentunit"),
        graph("Signatures", "By purpose. Ten times the usual is an alert.", (rate("signatures_total", "job, purpose"), "{{job}} {{purpose}}"), unit="ops"),
        graph("Custody events that could not be kept", "By log. Empty: none.", (rate("audit_append_failures_total", "sink"), "{{sink}}"), unit="ops"),
        graph("Calls refused before their handler", "By why. Empty: none.", (rate("rpc_rejected_total", "job, reason"), "{{job}} {{reason}}"), unit="ops"),
    ),
)  # fmt: skip

STORE: Final = Dashboard(
    name="store",
    title="courtrelay: stores and processes",
    choices={},
    panels=(
        graph("Commits", "One transaction, fsync and all: 99 in 100 within.", quantiles("db_commit_duration_seconds", "job, store", "", "{{job}} {{store}}")[1], unit="s"),
        graph("Commits a second", "Writes that wait together share one.", (rate("db_commit_duration_seconds_count", "job, store"), "{{job}} {{store}}"), unit="ops"),
        graph("Room on disk", "Where a role's data are.", ("courtrelay_disk_free_bytes", "{{role}}"), unit="bytes"),
        graph("Event loop", "How late it was: something else uses the processor.", quantiles("loop_lag_seconds", "job", "", "{{job}}")[1], unit="s"),
        graph("Calls served", "By service.", (rate("rpc_server_duration_seconds_count", "job, service"), "{{job}} {{service}}"), unit="ops"),
        graph("Calls that failed", "By method and code. NOT_FOUND is often an answer.", (rate("rpc_server_duration_seconds_count", "method, code", 'code!="OK"'), "{{method}} {{code}}"), unit="ops"),
        graph("How long calls take", "99 in 100 within; streams that live on are left out.", ('histogram_quantile(0.99, sum by (service, le) (rate(courtrelay_rpc_server_duration_seconds_bucket[$__rate_interval])))', "{{service}}"), unit="s"),
        Panel(title="Leases", says="Which worker holds which job. Empty unless several workers share a PostgreSQL.", queries=(("courtrelay_leader", "{{job}} {{instance}} {{exported_job}}"),), kind="state-timeline", unit="bool"),
        graph("Lease numbers", "They only grow. Empty unless workers share their jobs.", ("courtrelay_fencing_token", "{{instance}} {{exported_job}}")),
        Panel(title="Database", says="Whether a transaction goes through.", queries=(('courtrelay_component_up{component="database"}', "{{role}} {{name}}"),), kind="state-timeline", unit="bool"),
    ),
)  # fmt: skip

DASHBOARDS: Final = (OVERVIEW, ORIGIN, COURT, DISCLOSURES, STORE)
