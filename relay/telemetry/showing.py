"""How an overview is told, the same at a terminal and on a page: words, shapes, lengths of time.

A state is a word and a shape before it is a colour.
"""

from __future__ import annotations

from typing import Final

from relay.telemetry.health import State
from relay.telemetry.overview import Ending, OriginView, Overview

LATE_S: Final = 60.0
"""A final checkpoint without a receipt for longer than this is late: the service level of forwarding."""
UP: Final = "\N{BLACK CIRCLE}"
WAITS: Final = "\N{BLACK UP-POINTING TRIANGLE}"
DOWN: Final = "\N{HEAVY MULTIPLICATION X}"
NONE: Final = "\N{EN DASH}"
"""Where a role does not know a figure."""


def worries(seen: Overview) -> list[str]:
    """What an operator should look at, worst first; empty: all is well."""
    found = [] if seen.ready else ["stopping" if seen.stopping else "not ready"]
    found += [f"{one.origin} is halted: {one.halted}" for one in seen.origins if one.halted]
    found += [f"{one.origin}: {one.quarantined} in quarantine" for one in seen.origins if one.quarantined]
    found += [f"{one.kind} {one.name}: {one.problem}" for one in seen.components if one.problem]
    found += [
        f"{one.origin}: a final checkpoint waits for its receipt for {age(one.oldest_s)}"
        for one in seen.origins
        if one.oldest_s is not None and one.oldest_s > LATE_S
    ]
    found += [ends(one, seen.taken_ms) for one in seen.endings if one.urgent(seen.taken_ms)]
    return [*found, *([seen.problem] if seen.problem and seen.problem not in found else [])]


def ends(one: Ending, now_ms: int) -> str:
    """A credential's end in words."""
    left_ms = one.left_ms(now_ms)
    when = f"ended {age(-left_ms / 1000)} ago" if left_ms < 0 else f"ends in {age(left_ms / 1000)}"
    return f"{one.kind} {one.name} {when}"


def age(seconds: float) -> str:
    """A length of time in at most two units."""
    whole = max(0, int(seconds))
    for unit, length, below, lower in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // lower
            return f"{whole // length} {unit} {rest} {below}" if rest else f"{whole // length} {unit}"
    return f"{whole} s"


def plain(text: str) -> str:
    """One line that a terminal can be given, whatever a peer has put into its error: no control, no change of direction."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))


def state_word(one: State) -> tuple[str, str]:
    """Shape and word of a component."""
    if not one.problem:
        return UP, "ok"
    return (DOWN, "down") if one.needed else (WAITS, "waits")


def role_word(seen: Overview) -> tuple[str, str]:
    """Shape and word of a role."""
    if seen.stopping:
        return WAITS, "stopping"
    if not seen.ready:
        return DOWN, "not ready"
    return (WAITS, "ready, look") if worries(seen) else (UP, "ready")


def count(value: int | None) -> str:
    """A figure with its thousands apart."""
    return NONE if value is None else f"{value:,}"


def waiting(one: OriginView) -> str:
    """Backlog and the age of its oldest."""
    if not one.backlog or one.oldest_s is None:
        return count(one.backlog)
    return f"{one.backlog:,}, oldest {age(one.oldest_s)}"


def heights(one: OriginView) -> str:
    """Latest, final and proven of a role that follows the ledger."""
    known = (one.latest, one.final, one.proven)
    return NONE if known == (None, None, None) else " / ".join(map(count, known))
