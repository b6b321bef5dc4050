"""What is logged: events with stable names, each with its fields (docs/events.md describes them; a test compares).

    log_event(log, SOME_EVENT, origin=origin, reason=reason)

Fields hold names out of a configuration, sizes, heights, reasons: never a record's content, a person, a key.
"""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass
from typing import Final

FIELD_CHARS_MAX: Final = 1000
"""Of one field; what a peer says of itself is not to fill the disk."""
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that end a line, turn its direction, or show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`name` never changes; `says` is a template over the fields."""

    name: str
    level: int
    says: str


def log_event(
    log: logging.Logger, event: Event, *, exc_info: BaseException | bool | None = None, **fields: object
) -> None:
    """One line; the formatter writes name and fields beside the message. `exc_info`: an error whose traceback goes with it."""
    if not log.isEnabledFor(event.level):
        return
    shown = {name: _bounded(value) for name, value in fields.items()}
    extra = {"event": event.name, "fields": shown}
    log.log(event.level, event.says.format(**shown), exc_info=exc_info, extra=extra, stacklevel=2)


def printable(text: str, chars_max: int = FIELD_CHARS_MAX) -> str:
    """On one line and no longer than that: what is hidden is written as an escape, what is left out as three dots."""
    cut = text[: chars_max + 1]
    if not cut.isprintable():  # the common case needs no walk
        cut = "".join(one if unicodedata.category(one) not in _HIDDEN else _escape(one) for one in cut)
    return cut if len(cut) <= chars_max else f"{cut[: chars_max - 3]}..."


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _bounded(value: object) -> int | float | str:
    return value if isinstance(value, int | float) else printable(str(value))


# --- every process
OPS_LISTENING: Final = Event(name="ops_listening", level=logging.INFO, says="metrics and health at {address}")
LOGS_SERVED: Final = Event(name="logs_served", level=logging.INFO, says="logs are served at {address}")
WORKER_CRASHED: Final = Event(name="worker_crashed", level=logging.CRITICAL, says="a worker crashed")
LOOK_FAILED: Final = Event(name="look_failed", level=logging.ERROR, says="looking at {component} {name} failed")
HEALTH_NOT_TOLD: Final = Event(name="health_not_told", level=logging.ERROR, says="health could not be told")
EXPIRY_NOT_KNOWN: Final = Event(
    name="expiry_not_known", level=logging.WARNING, says="when {what} ends is not known: {reason}"
)
LEDGER_AWAITED: Final = Event(
    name="ledger_awaited",
    level=logging.WARNING,
    says="the logs are not compared with {ledger} yet, nothing is served: {reason}",
)
THREAD_JOB_FAILED: Final = Event(
    name="thread_job_failed", level=logging.ERROR, says="a job of the thread {thread} failed"
)
INTERNAL_ERROR: Final = Event(name="internal_error", level=logging.ERROR, says="{what} failed (log id {number})")
CALL_DENIED: Final = Event(name="call_denied", level=logging.INFO, says="{method} denied: {reason}")
REVOCATION_LIST_IN_FORCE: Final = Event(
    name="revocation_list_in_force", level=logging.INFO, says="revocation list {number} of {domain} is in force"
)
REVOCATION_LIST_REFUSED: Final = Event(
    name="revocation_list_refused",
    level=logging.ERROR,
    says="the revocation list of {domain} stays as it was: {reason}",
)
LOG_NOT_ITS_CHECKPOINT: Final = Event(
    name="log_not_its_checkpoint",
    level=logging.ERROR,
    says="the entries of {origin} up to {size} do not have the root of its checkpoint",
)
LOG_REQUEST_FAILED: Final = Event(name="log_request_failed", level=logging.WARNING, says="{method} {path}: {reason}")
SPANS_DROPPED: Final = Event(
    name="spans_dropped", level=logging.WARNING, says="{count} spans did not reach {endpoint}: {reason}"
)

# --- custodian
ANCHORED: Final = Event(name="anchored", level=logging.INFO, says="anchored {origin} at size {size} in block {height}")
ANCHORING_TROUBLE: Final = Event(
    name="anchoring_trouble", level=logging.WARNING, says="anchoring on {ledger}: {reason}"
)
ANCHOR_LOOK_TROUBLE: Final = Event(
    name="anchor_look_trouble", level=logging.INFO, says="looking for the last anchor on {ledger}: {reason}"
)
ANCHOR_LOST: Final = Event(
    name="anchor_lost", level=logging.WARNING, says="{ledger} has lost the anchor of {origin} at size {size}"
)
CUSTODY_ANCHORING_TROUBLE: Final = Event(
    name="custody_anchoring_trouble", level=logging.WARNING, says="anchoring the custody log: {reason}"
)
PUSH_TROUBLE: Final = Event(name="push_trouble", level=logging.INFO, says="pushing to the relay: {reason}")
CHECKPOINT_LEFT_OUT: Final = Event(
    name="checkpoint_left_out", level=logging.INFO, says="the checkpoint of size {size} is left out: {reason}"
)
NEWEST_NOT_TAKEN: Final = Event(
    name="newest_not_taken", level=logging.INFO, says="the newest of many, of size {size}, is not taken yet: {reason}"
)
RECEIPT_HOLDS: Final = Event(name="receipt_holds", level=logging.INFO, says="receipt for size {size} on {ledger} holds")
RECEIPTS_TROUBLE: Final = Event(name="receipts_trouble", level=logging.INFO, says="receipts from the relay: {reason}")
REQUEST_STREAM_TROUBLE: Final = Event(
    name="request_stream_trouble", level=logging.INFO, says="request stream: {reason}"
)
ANSWER_BROKE_OFF: Final = Event(name="answer_broke_off", level=logging.WARNING, says="an answer broke off: {reason}")
REFUSAL_NOT_DELIVERED: Final = Event(
    name="refusal_not_delivered", level=logging.INFO, says="the refusal could not be delivered: {reason}"
)
GRANTS_TROUBLE: Final = Event(name="grants_trouble", level=logging.INFO, says="registering grants: {reason}")
GRANT_TOLD_LATER: Final = Event(
    name="grant_told_later", level=logging.INFO, says="the court ledger will be told later: {reason}"
)
ERASURE_BEGUN: Final = Event(name="erasure_begun", level=logging.INFO, says="an erasure of {records} records has begun")
ERASURE_COMPLETE: Final = Event(name="erasure_complete", level=logging.INFO, says="an erasure is complete")
ERASING_TROUBLE: Final = Event(name="erasing_trouble", level=logging.WARNING, says="erasing: {reason}")
EVENTS_PROJECTED: Final = Event(
    name="events_projected", level=logging.INFO, says="projected {count} events up to block {height}"
)
EVENT_NOT_PROJECTED: Final = Event(name="event_not_projected", level=logging.WARNING, says="not projected: {reason}")
EVENTS_NOT_PROJECTED: Final = Event(
    name="events_not_projected", level=logging.WARNING, says="not projected: {count} more up to block {height}"
)
PROJECTING_TROUBLE: Final = Event(
    name="projecting_trouble", level=logging.WARNING, says="projecting {ledger}: {reason}"
)

# --- relay
ITEM_MOVED: Final = Event(name="item_moved", level=logging.INFO, says="{origin} size {size}: past {state}")
ITEMS_COVERED: Final = Event(
    name="items_covered", level=logging.INFO, says="{origin}: {count} items covered by size {size}"
)
ITEM_QUARANTINED: Final = Event(
    name="item_quarantined", level=logging.ERROR, says="{origin} size {size} quarantined: {reason}"
)
ADVANCING_TROUBLE: Final = Event(name="advancing_trouble", level=logging.WARNING, says="{origin}: {reason}")
ENTRIES_HELD: Final = Event(name="entries_held", level=logging.INFO, says="{origin}: all {size} entries held")
ANCHOR_LEFT_OUT: Final = Event(
    name="anchor_left_out", level=logging.ERROR, says="{ledger} left out the anchor of {origin} at size {size}"
)
EXHIBIT_WITHOUT_PROOF: Final = Event(
    name="exhibit_without_proof",
    level=logging.WARNING,
    says="the exhibit of {origin} has no ledger proof: {reason}",
)
FEED_TROUBLE: Final = Event(name="feed_trouble", level=logging.WARNING, says="feed of {ledger}: {reason}")
ORIGIN_HALTED: Final = Event(name="origin_halted", level=logging.ERROR, says="{origin} is halted: {reason}")
FINAL_BLOCK_REPLACED: Final = Event(
    name="final_block_replaced", level=logging.ERROR, says="{origin} halts at size {size}: {reason}"
)
CHAIN_REORGANISED: Final = Event(
    name="chain_reorganised",
    level=logging.WARNING,
    says="{ledger} reorganised: block {height} left the chain, {orphaned} items orphaned",
)
RESCAN_TROUBLE: Final = Event(name="rescan_trouble", level=logging.WARNING, says="rescan of {ledger}: {reason}")
ANCHORS_MISSING: Final = Event(
    name="anchors_missing", level=logging.ERROR, says="{ledger}: {count} anchors were missing and are recorded now"
)
LEASE_TAKEN: Final = Event(name="lease_taken", level=logging.INFO, says="{job}: this worker's, number {number}")
LEASE_LOST: Final = Event(name="lease_lost", level=logging.WARNING, says="{job}: the lease is lost")
LEASES_TROUBLE: Final = Event(name="leases_trouble", level=logging.WARNING, says="leases: {reason}")
STANDING_ENDED: Final = Event(
    name="standing_ended",
    level=logging.WARNING,
    says="ended {count} database sessions of a worker that stands still in the middle of a transaction",
)

# --- court gateway
COSIGNED: Final = Event(name="cosigned", level=logging.INFO, says="cosigned {origin} at size {size}")
COURT_LEDGER_TROUBLE: Final = Event(name="court_ledger_trouble", level=logging.WARNING, says="court ledger: {reason}")
CUSTODY_HEAD_TROUBLE: Final = Event(name="custody_head_trouble", level=logging.WARNING, says="custody head: {reason}")
STATEMENT_TROUBLE: Final = Event(name="statement_trouble", level=logging.WARNING, says="platform statement: {reason}")
TIMESTAMP_TROUBLE: Final = Event(
    name="timestamp_trouble", level=logging.WARNING, says="timestamp authority {authority}: {reason}"
)
RETRIEVAL_ENDED: Final = Event(name="retrieval_ended", level=logging.INFO, says="a named retrieval ended: {reason}")
CASE_JOB_BROKE_OFF: Final = Event(name="case_job_broke_off", level=logging.ERROR, says="job {job} broke off: {reason}")
WITNESSED: Final = Event(name="witnessed", level=logging.INFO, says="witnessed {origin} at size {size}")
TWO_ROOTS_SIGNED: Final = Event(
    name="two_roots_signed", level=logging.ERROR, says="{origin} has signed two roots of size {size}"
)
MIRROR_SHOWN_OTHERWISE: Final = Event(
    name="mirror_shown_otherwise",
    level=logging.ERROR,
    says="{origin} shows the mirror another tree of size {size} than the witness",
)
PAGES_SERVED: Final = Event(name="pages_served", level=logging.INFO, says="pages are served at {url} (port {port})")
PAGE_DENIED: Final = Event(name="page_denied", level=logging.INFO, says="{method} {path} denied: {reason}")
API_DENIED: Final = Event(name="api_denied", level=logging.INFO, says="{operation}: {reason}")
REQUEST_BROKE_OFF: Final = Event(name="request_broke_off", level=logging.INFO, says="a request broke off: {reason}")
FORM_REFUSED: Final = Event(name="form_refused", level=logging.INFO, says="a form was refused: {reason}")
FILE_REFUSED: Final = Event(
    name="file_refused", level=logging.ERROR, says="a file was refused: {free} bytes are free in {folder}"
)

# --- ledger adapters
LOG_CONTRADICTS: Final = Event(name="log_contradicts", level=logging.ERROR, says="{reason}")
LOG_COSIGNED: Final = Event(
    name="log_cosigned", level=logging.INFO, says="{origin}: checkpoint of size {size} is cosigned"
)
BLOCK_NOT_FINAL: Final = Event(
    name="block_not_final", level=logging.WARNING, says="block {height} is not called final: {reason}"
)
EVENT_NOT_MAPPED: Final = Event(
    name="event_not_mapped",
    level=logging.INFO,
    says="block {height}: not a mapped contract and event: {first} and {more} more",
)
TRANSACTION_UNANSWERED: Final = Event(
    name="transaction_unanswered", level=logging.WARNING, says="no answer to transaction {transaction}: {reason}"
)
TRANSACTION_SENT_AGAIN: Final = Event(
    name="transaction_sent_again",
    level=logging.WARNING,
    says="transaction with nonce {nonce} waits; sent again with a fee of at most {fee} wei",
)
TRANSACTION_GIVEN_UP: Final = Event(
    name="transaction_given_up", level=logging.WARNING, says="nonce {nonce} of {account}: {reason}"
)

# --- notices over a broker
NOTICES_FAILED: Final = Event(name="notices_failed", level=logging.WARNING, says="{problem}")
"""A broker cannot be told now; `problem` names it. Said when it changes."""
NOTICES_NOT_PRUNED: Final = Event(
    name="notices_not_pruned", level=logging.WARNING, says="the outbox of notices could not be pruned: {problem}"
)
HINTS_FAILED: Final = Event(name="hints_failed", level=logging.WARNING, says="{problem}")
"""A gateway's announcements cannot be heard now; the ledger is read all the same."""
