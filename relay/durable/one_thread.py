"""A thread that does one job after the other.

An executor of one thread makes two futures and three locks a job. A store asks for some hundred jobs a second, most of them far
shorter than that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from relay.telemetry.events import THREAD_JOB_FAILED, log_event

log = logging.getLogger(__name__)


class OneThread:
    """Begins with the first job and ends with `shutdown`. A job takes its outcome, and what it raises, where they belong by itself."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # a process that never came to `shutdown` ends as by a crash, which all that is durable is made for
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def submit(self, job: Callable[[], None]) -> None:
        """Do it after all that was submitted before. Called in one and the same thread always, which is the event loop's."""
        if self._thread.ident is None:
            self._thread.start()
        self._jobs.put(job)

    def shutdown(self) -> None:
        """Return when everything submitted is done. No job may follow."""
        if self._thread.ident is not None:
            self._jobs.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # a mistake in the program: the jobs behind it are not to wait for ever
                log_event(log, THREAD_JOB_FAILED, thread=self._thread.name, exc_info=True)
