"""What a role tells its operators in one piece: `courtrelay status`, `courtrelay top` and the status page show this and nothing else.

Nothing personal is in it: names out of a configuration, sizes, heights, times, reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.telemetry.health import State

DAY_MS: Final = 86_400_000
SOON_MS: Final = 30 * DAY_MS
"""A credential that ends within this is shown."""
URGENT_MS: Final = 7 * DAY_MS
"""One that ends within this is a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginView:
    """One log's way as far as this role sees it; None: another role knows that.

    Heights are the lender's ledger's: `latest` and `final` as its node says, `proven` up to where every block was read and its chain
    checked, `compared` up to where a second reading found the same. `held` and `confirmed` are entries. `backlog` are checkpoints that
    are final and neither have a receipt nor are covered by a larger one that has; `oldest_s` is the age of the oldest of them since it
    became final. What is `quarantined` waits for a person and is not among them.
    """

    origin: str
    latest: int | None = None
    final: int | None = None
    proven: int | None = None
    compared: int | None = None
    held: int | None = None
    confirmed: int | None = None
    backlog: int | None = None
    oldest_s: float | None = None
    quarantined: int | None = None
    halted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A certificate, list, trust root or pinned key and its time. `kind` is a word of a fixed set (metrics.credential_expiry)."""

    kind: str
    name: str
    begins_ms: int
    ends_ms: int

    def left_ms(self, now_ms: int) -> int:
        """Below 0 when it has ended."""
        return self.ends_ms - now_ms

    def soon(self, now_ms: int) -> bool:
        """Whether it is to be shown: 30 days, or for what lives shortly the last third of its life."""
        return self.left_ms(now_ms) < min(SOON_MS, (self.ends_ms - self.begins_ms) // 3)

    def urgent(self, now_ms: int) -> bool:
        """Whether it is a problem: 7 days, or the last tenth."""
        return self.left_ms(now_ms) < min(URGENT_MS, (self.ends_ms - self.begins_ms) // 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A count of things that has no origin."""

    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`taken_ms` is the role's own clock. `problem` is the last of a worker that stands."""

    role: str
    identity: str
    version: str
    taken_ms: int
    ready: bool
    stopping: bool
    problem: str
    components: tuple[State, ...]
    origins: tuple[OriginView, ...]
    endings: tuple[Ending, ...]
    figures: tuple[Figure, ...]
