"""One screen of all roles: roles and their components, what needs a look, each origin's way. Drawn for 80 columns and more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from relay.app.console import RoleSeen
from relay.telemetry.health import State
from relay.telemetry.overview import OriginView
from relay.telemetry.showing import DOWN, LATE_S, UP, WAITS, count, ends, plain, role_word, waiting, worries

COLOURS: Final = {UP: "green", WAITS: "yellow", DOWN: "bold red"}
WHOSE: Final = {"custodian": "lender", "relay": "relay", "court": "court"}
LINES_AN_ORIGIN: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Entries a second between two looks."""

    held: float
    confirmed: float


Rates = dict[str, Rate]
Views = dict[str, OriginView]
"""One origin as each role sees it."""


def rates(before: Sequence[RoleSeen], now: Sequence[RoleSeen]) -> Rates:
    """By origin, as the role sees it that comes first; nothing of a role that was not asked twice or whose clock was set back."""
    found: Rates = {}
    earlier = {one.role: one.overview for one in before}
    for one in now:
        old = earlier.get(one.role)
        if old is None or one.overview is None or one.overview.taken_ms <= old.taken_ms:
            continue
        seconds = (one.overview.taken_ms - old.taken_ms) / 1000
        known = {origin.origin: origin for origin in old.origins}
        for origin in one.overview.origins:
            was = known.get(origin.origin)
            if was is not None:
                rate = Rate(
                    held=((origin.held or 0) - (was.held or 0)) / seconds,
                    confirmed=((origin.confirmed or 0) - (was.confirmed or 0)) / seconds,
                )
                found.setdefault(origin.origin, rate)
    return found


def screen(seen: Sequence[RoleSeen], speed: Rates, *, lines: int = 0) -> RenderableType:
    """`lines`: how many rows there are; 0: as many as it takes."""
    problems = _problems(seen)
    parts: list[RenderableType] = [_head(seen, bool(problems)), Text(), _roles(seen, cut=bool(lines))]
    used = 4 + 2 * len(seen) + 2
    shown = problems if not lines else problems[: max(3, lines // 4)]
    if shown:
        parts += [Text("\nNeeds a look", style="bold"), *(_line(one, cut=bool(lines)) for one in shown)]
        used += 3 + len(shown)
        if len(shown) < len(problems):
            parts.append(Text(f"  and {len(problems) - len(shown)} more: courtrelay status"))
    endings = _endings(seen)
    if endings:
        parts += [Text("\nEnd soon", style="bold"), *(_line(one, cut=bool(lines)) for one in endings)]
        used += 2 + len(endings)
    parts += _origins(seen, speed, max(1, (lines - used) // LINES_AN_ORIGIN) if lines else 0)
    return Group(*parts)


def _line(text: str, *, cut: bool) -> Text:
    """Whole, or cut at the screen's edge so that the rest stays where it was."""
    return Text(f"  {text}", no_wrap=cut, overflow="ellipsis" if cut else "fold")


def _head(seen: Sequence[RoleSeen], problems: bool) -> Text:
    away = sum(one.overview is None for one in seen)
    text = Text("courtrelay  ", style="bold")
    if away:
        return text.append(f"{DOWN} {away} of {len(seen)} roles cannot be asked", style=COLOURS[DOWN])
    if problems:
        return text.append(f"{WAITS} something needs a look", style=COLOURS[WAITS])
    return text.append(f"{UP} all is well", style=COLOURS[UP])


def _roles(seen: Sequence[RoleSeen], *, cut: bool) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in seen:
        if one.overview is None:
            grid.add_row(one.role, _word(DOWN, "cannot be asked"), _line(plain(one.reason), cut=cut))
        else:
            grid.add_row(one.role, _word(*role_word(one.overview)), _components(one.overview.components))
    return grid


def _word(shape: str, word: str) -> Text:
    return Text(f"{shape} {word}", style=COLOURS[shape])


def _components(states: Iterable[State]) -> Columns:
    """Kinds in order, each with its worst shape; how many of how many are up where there are several."""
    kinds: dict[str, list[State]] = {}
    for one in states:
        kinds.setdefault(one.kind, []).append(one)
    cells = []
    for kind, ones in kinds.items():
        up = sum(not one.problem for one in ones)
        down = any(one.problem and one.needed for one in ones)
        shape = UP if up == len(ones) else DOWN if down else WAITS
        some = "" if len(ones) == 1 else f" {up}/{len(ones)}"
        cells.append(Text(f"{shape} ", style=COLOURS[shape], no_wrap=True).append(f"{kind}{some}", style="default"))
    return Columns(cells, padding=(0, 2))


def _problems(seen: Sequence[RoleSeen]) -> list[str]:
    found = [f"{one.role} cannot be asked: {plain(one.reason)}" for one in seen if one.overview is None]
    for one in seen:
        if one.overview is not None:
            found += [f"{one.role}: {plain(worry)}" for worry in worries(one.overview)]
    return found


def _endings(seen: Sequence[RoleSeen]) -> list[str]:
    return [
        f"{one.role}: {plain(ends(ending, one.overview.taken_ms))}"
        for one in seen
        if one.overview is not None
        for ending in one.overview.endings
        if ending.soon(one.overview.taken_ms)
    ]


def _origins(seen: Sequence[RoleSeen], speed: Rates, most: int) -> list[RenderableType]:
    """The worst first, so that what is cut off is well."""
    origins: dict[str, Views] = {}
    for one in seen:
        if one.overview is not None:
            for origin in one.overview.origins:
                origins.setdefault(origin.origin, {})[one.role] = origin
    order = sorted(origins.items(), key=lambda pair: (*(-bad for bad in _badness(pair[1])), pair[0]))
    shown = order[:most] if most else order
    parts: list[RenderableType] = []
    for name, views in shown:
        parts += _origin(name, views, speed.get(name))
    if len(shown) < len(order):
        parts.append(Text(f"\nand {len(order) - len(shown)} origins more: courtrelay status"))
    return parts


def _badness(views: Views) -> tuple[bool, int, float]:
    ones = views.values()
    return (
        any(one.halted for one in ones),
        sum(one.quarantined or 0 for one in ones),
        max(one.oldest_s or 0.0 for one in ones),
    )


def _origin(name: str, views: Views, rate: Rate | None) -> list[RenderableType]:
    halted, quarantined, oldest_s = _badness(views)
    shape = DOWN if halted else WAITS if quarantined or oldest_s > LATE_S else UP
    head = Text("\n").append(f"{shape} ", style=COLOURS[shape]).append(plain(name), style="bold")
    if rate is not None:
        head.append(f"   {rate.held:+.1f} entries/s, {rate.confirmed:+.1f} confirmed/s")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=10, style="dim")
    grid.add_column(overflow="fold")
    relay = views.get("relay")
    if relay is not None:
        grid.add_row(
            "  ledger", f"latest {count(relay.latest)}  final {count(relay.final)}  proven {count(relay.proven)}"
        )
    for label, figures in (
        ("  entries", {role: one.held for role, one in views.items()}),
        ("  confirmed", {role: one.confirmed for role, one in views.items()}),
    ):
        grid.add_row(label, "  ".join(f"{WHOSE[role]} {count(value)}" for role, value in figures.items()))
    if relay is not None:
        grid.add_row("  waits", f"backlog {waiting(relay)}; quarantine {count(relay.quarantined)}")
    return [head, grid]
