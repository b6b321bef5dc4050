"""What every role's process shares: signals, exit codes, logging, clock, and the frame in which workers run."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import secrets
import signal
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from relay.app.exits import EXIT_OK, exit_code, last_line
from relay.app.heap import giving_back, keep_few_holes
from relay.core.errors import RelayError
from relay.durable.errors import StorageFailed, storage_failures
from relay.services.backoff import delays
from relay.services.standing import Behind
from relay.telemetry.events import WORKER_CRASHED, log_event, printable
from relay.telemetry.trace import current_trace_id

log = logging.getLogger(__name__)
PROJECT: Final = Path(__file__).resolve().parents[2] / "pyproject.toml"
SWITCH_S: Final = 0.0005
LIBRARY: Final = "library"
"""The event of a line that is none of ours."""
MESSAGE_CHARS_MAX: Final = 4000
EXCEPTION_CHARS_MAX: Final = 20_000
"""Of a traceback, counted from its end, where the error is."""


def program_version() -> str:
    """Of this program. From a folder that is not installed: what its project file says, marked; `unknown` where there is none."""
    with suppress(PackageNotFoundError):
        return version("courtrelay")
    if not PROJECT.is_file():
        return "unknown"
    return f"{tomllib.loads(PROJECT.read_text())['project']['version']}+source"


class SystemClock:
    """The only reader of the system's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000


random_bytes: Callable[[int], bytes] = secrets.token_bytes


def backoff() -> Iterator[float]:
    """Delays between tries: 50 ms growing to 5 s, with jitter."""
    return delays(0.05, 5.0, random.random)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC, milliseconds), level, logger, event, message; fields and trace_id where there are any.

    What is no event of ours comes from a library. Whatever a text holds, it cannot end the line or begin another.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        seconds, milliseconds = divmod(int(record.created * 1000), 1000)
        line = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", LIBRARY),
            "message": printable(record.getMessage(), MESSAGE_CHARS_MAX),
        }
        if fields := getattr(record, "fields", None):
            line["fields"] = fields
        if trace_id := current_trace_id():
            line["trace_id"] = trace_id
        if record.exc_info:
            told = self.formatException(record.exc_info)[-EXCEPTION_CHARS_MAX:]
            shown = "\n".join(printable(one, 2 * EXCEPTION_CHARS_MAX) for one in told.split("\n"))
            line["exception"] = shown[-EXCEPTION_CHARS_MAX:]
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(level: str = "INFO") -> None:
    """Log to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


@asynccontextmanager
async def workers(*jobs: tuple[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Named workers that run while the body runs. A crash in one cancels the body and all others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job, name=name) for name, job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def until_signalled() -> None:
    """Return at the first SIGTERM or SIGINT. Raises the first `StorageFailed` of the process, whoever met it.

    A call that meets it is answered like any other that fails; without this, a process whose disk has failed would go on refusing.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end(failure: StorageFailed | None) -> None:
        if not ended.done():
            ended.set_result(None) if failure is None else ended.set_exception(failure)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, None)
    with storage_failures(lambda failure: _tell(loop, end, failure)):
        await ended


def _tell(loop: asyncio.AbstractEventLoop, end: Callable[[StorageFailed | None], None], failure: StorageFailed) -> None:
    loop.call_soon_threadsafe(end, failure)


def announce(role: str, address: str) -> None:
    """The one line a supervisor waits for.

    What is in memory by then stays: the collector, whose whole rounds stop the process for some 20 ms, need not walk over it.
    """
    gc.collect()
    gc.freeze()
    print(f"{role} ready at {address}", flush=True)


def share_fairly() -> None:
    """The loop gets the interpreter back from a busy worker thread after half a millisecond, not after five."""
    sys.setswitchinterval(SWITCH_S)


def run_process(main: Coroutine[Any, Any, None], config: Path | None = None) -> int:
    """Run a role to its end and turn the outcome into an exit code; one line, and no traceback, for what a person can mend.

    `config` is the file to name for an error of a part that does not know it.
    """
    keep_few_holes()
    share_fairly()
    try:
        asyncio.run(giving_back(main))
    except BaseExceptionGroup as group:
        return _ended(_first(group), config)
    except (RelayError, StorageFailed, Behind, OSError) as error:
        return _ended(error, config)
    return EXIT_OK


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _ended(error: BaseException, config: Path | None) -> int:
    with suppress(OSError):  # the log may be on the very disk that is full; the code is told all the same
        if line := last_line(error, config):
            print(f"error: {line}", file=sys.stderr, flush=True)
        else:
            log_event(log, WORKER_CRASHED, exc_info=error)
    return exit_code(error)
