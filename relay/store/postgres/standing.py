"""Connections of a worker that stands still in the middle of a transaction: they are ended, for others wait for their locks.

The server's own `idle_in_transaction_session_timeout` runs only between two commands. A process that is stopped after a statement was
prepared and before it is run, or while it should read rows, has a session that counts as active and would keep its locks for as long
as the process stands.
"""

from __future__ import annotations

import logging
from typing import Final

from relay.store.postgres.database import APPLICATION_NAME, IDLE_MS, PostgresDatabase
from relay.telemetry.events import STANDING_ENDED, log_event

log = logging.getLogger(__name__)

_END: Final = (
    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND application_name = $1"
    " AND pid <> pg_backend_pid() AND state <> 'idle' AND xact_start IS NOT NULL AND wait_event_type = 'Client'"
    " AND state_change < clock_timestamp() - make_interval(secs => $2)"
)


async def end_standing(database: PostgresDatabase) -> int:
    """End sessions of this role whose client has said nothing for `IDLE_MS` though the server waits for it; how many.

    Safe at any time: what they had not committed did not happen, and whoever had begun it is told `Unavailable`.
    Raises what the database's `read` raises.
    """
    ended = int(await database.read(lambda c: c.fetchval(_END, APPLICATION_NAME, IDLE_MS / 1000)))
    if ended:
        log_event(log, STANDING_ENDED, count=ended)
    return ended
