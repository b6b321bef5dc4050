"""Run checks one after the other: each with its own deadline, each ending in exactly one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final

from relay.conformance.bench import Bench, open_bench
from relay.conformance.check import CHECKS, Check, Fault, NotRun
from relay.conformance.owner import Owner
from relay.core.errors import Malformed, RelayError

DEADLINE_S: Final = 60.0
LEAVE_S: Final = 5.0
"""What a check that missed its deadline has for ending; after that it is left behind."""


class Outcome(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A check and how it ended. `reason` is empty only for a passed one."""

    check: Check
    outcome: Outcome
    reason: str = ""


def select(only: Sequence[str] = ()) -> list[Check]:
    """Checks by name or pattern (`court.submit.*`), all without any. Raises `Malformed` for what names no check."""
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in CHECKS):
            raise Malformed("checks", pattern[:80], "is not the name of a check, nor a pattern of any")
    return [c for name, c in CHECKS.items() if not only or any(fnmatchcase(name, pattern) for pattern in only)]


async def run_checks(owner: Owner, checks: Sequence[Check], *, deadline_s: float = DEADLINE_S) -> AsyncIterator[Result]:
    """Results in the order of the checks. Raises what opening the adapter raises."""
    async with open_bench(owner) as bench:
        for one in checks:
            yield await run_check(bench, one, deadline_s)


async def run_check(bench: Bench, one: Check, deadline_s: float) -> Result:
    """One check. Nothing but the end of this task leaves it."""
    for need in one.needs:
        reason = bench.missing(need)
        if reason:
            return Result(check=one, outcome=Outcome.NOT_RUN, reason=reason)
    task = asyncio.ensure_future(one.run(bench))
    try:
        done, _ = await asyncio.wait({task}, timeout=deadline_s)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=LEAVE_S)
            reason = f"no end within {deadline_s:g} s: a call or a feed hangs"
            return Result(check=one, outcome=Outcome.FAILED, reason=reason)
    finally:
        task.cancel()
    return _judge(one, task)


def _judge(one: Check, task: asyncio.Future[None]) -> Result:
    if task.cancelled():
        reason = "CancelledError left the adapter though nobody cancelled"
        return Result(check=one, outcome=Outcome.FAILED, reason=reason)
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return Result(check=one, outcome=Outcome.PASSED)
    if isinstance(error, NotRun):
        return Result(check=one, outcome=Outcome.NOT_RUN, reason=str(error))
    if isinstance(error, Fault):
        return Result(check=one, outcome=Outcome.FAILED, reason=str(error))
    if isinstance(error, RelayError):
        reason = f"{type(error).__name__} where none is due: {error}"
        return Result(check=one, outcome=Outcome.FAILED, reason=reason)
    reason = f"what the adapter gave cannot be used: {type(error).__name__}: {error}"
    return Result(check=one, outcome=Outcome.FAILED, reason=reason)
