"""What a check is, how it says that a promise is broken, and the registry of all of them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from relay.core.errors import RelayError

if TYPE_CHECKING:
    from relay.conformance.bench import Bench

_NAME: Final = re.compile(r"(source|court)(\.[a-z]+(-[a-z]+)*){2}")

Run = Callable[["Bench"], Awaitable[None]]


class Fault(Exception):
    """The adapter breaks the promise under test. The text says what was seen and what was due."""


class NotRun(Exception):
    """The check cannot judge here; the text says why. It counts neither as passed nor as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise of the port. `needs` names what `Bench.missing` must have for it to run."""

    name: str
    promise: str
    needs: tuple[str, ...]
    run: Run


CHECKS: Final[dict[str, Check]] = {}
"""By name, in the order in which they run: checks that need an unused ledger come first."""


def check(name: str, promise: str, *needs: str) -> Callable[[Run], Run]:
    """Register a check. The part before the first dot names the port, which it needs in any case."""
    port = name.partition(".")[0]
    if _NAME.fullmatch(name) is None or name in CHECKS or not promise.endswith("."):
        raise RuntimeError(f"{name!r} is no new name of a check with a sentence")

    def register(run: Run) -> Run:
        CHECKS[name] = Check(name=name, promise=promise, needs=(port, *needs), run=run)
        return run

    return register


def demand(holds: bool, reason: str) -> None:
    """Raises `Fault` unless it holds."""
    if not holds:
        raise Fault(reason)


def equal(found: object, due: object, what: str) -> None:
    """Raises `Fault` that shows both when they differ."""
    if found != due:
        raise Fault(f"{what} is {shown(found)}, due is {shown(due)}")


async def refused(answer: Awaitable[object], *kinds: type[RelayError], what: str) -> None:
    """The call must raise one of these errors. Any other domain error, or an answer, is a `Fault`."""
    names = " or ".join("a domain error" if kind is RelayError else kind.__name__ for kind in kinds)
    try:
        value = await answer
    except kinds:
        return
    except RelayError as error:
        raise Fault(f"{what}: {type(error).__name__} ({error}), due is {names}") from None
    raise Fault(f"{what}: was answered with {shown(value)}, due is {names}")


ANY: Final = RelayError
"""For refusals whose kind is the ledger's own affair."""


def shown(value: object) -> str:
    """A value in a reason, cut so that it stays readable."""
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 240 else text[:240] + "…"
