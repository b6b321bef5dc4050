"""What a notice says: one small JSON object with ids and figures, never content (docs/mqtt.md).

A notice is a hint: whoever acts on it reads the truth where it is kept. `seq` counts one publisher's notices from 1 without a gap; `epoch`
is drawn anew at every start of the publisher, so that a restored database, which gives numbers again, is seen.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.canonical import dumps, loads
from relay.core.errors import Malformed
from relay.core.topics import CLASSES

NOTICE_BYTES_MAX: Final = 16 * 1024
EPOCH: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
NUMBER_MAX: Final = (1 << 53) - 1
OUTCOMES: Final = {
    ("verify", "consistent"): "consistent",
    ("verify", "not_consistent"): "not_consistent",
    ("receive", "failed"): "failed",
    ("receive", "broken_off"): "broken_off",
    ("refuse", "refused"): "refused",
}
"""Action and outcome of a court's custody event → outcome of the retrieval that ended with it. All others tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`origin` and `size` are empty and 0 for a retrieval, `outcome` is empty for all else. Time in ms since 1970 UTC."""

    seq: int
    epoch: str
    time_ms: int
    event: str
    origin: str = ""
    size: int = 0
    outcome: str = ""

    def to_json(self) -> bytes:
        """As it is published and refilled."""
        said: dict[str, object] = {
            "seq": self.seq, "epoch": self.epoch, "time_ms": self.time_ms, "event": self.event
        }  # fmt: skip
        if self.origin:
            said |= {"origin": self.origin, "size": self.size}
        if self.outcome:
            said["outcome"] = self.outcome
        return dumps(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthNotice:
    """`state` ready, waiting (ready, but something it waits for does not answer), not_ready, or gone. `seq`: the last number given.

    `problems`: (kind, name) of what does not answer.
    """

    seq: int
    epoch: str
    time_ms: int
    state: Literal["ready", "waiting", "not_ready", "gone"]
    problems: Sequence[tuple[str, str]] = ()

    def to_json(self) -> bytes:
        """As it is published, retained."""
        said: dict[str, object] = {
            "seq": self.seq,
            "epoch": self.epoch,
            "time_ms": self.time_ms,
            "event": "health",
            "state": self.state,
            "problems": [{"kind": kind, "name": name} for kind, name in self.problems],
        }
        return dumps(said)


def parse_place(data: bytes) -> tuple[str, str, int]:
    """(event, epoch, seq) of a notice of any event, `health` too. Raises `Malformed`."""
    said = loads(data, what="notice", bytes_max=NOTICE_BYTES_MAX)
    return _text(said, "event"), _epoch(said), _number(said, "seq")


def parse_notice(data: bytes) -> Notice:
    """Raises `Malformed`; an event this version does not know is one."""
    said = loads(data, what="notice", bytes_max=NOTICE_BYTES_MAX)
    event, origin = _text(said, "event"), said.get("origin", "")
    if event not in CLASSES:
        raise Malformed("notice", "event", f"{event[:32]!a} is none of {', '.join(CLASSES)}")
    if not isinstance(origin, str):
        raise Malformed("notice", "origin", "must be text")
    return Notice(
        seq=_number(said, "seq"),
        epoch=_epoch(said),
        time_ms=_number(said, "time_ms"),
        event=event,
        origin=origin,
        size=_number(said, "size") if "size" in said else 0,
        outcome=_text(said, "outcome") if "outcome" in said else "",
    )


def _text(said: dict[str, object], field: str) -> str:
    value = said.get(field)
    if not isinstance(value, str):
        raise Malformed("notice", field, "must be text")
    return value


def _number(said: dict[str, object], field: str) -> int:
    value = said.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= NUMBER_MAX:
        raise Malformed("notice", field, f"must be a whole number up to {NUMBER_MAX}")
    return value


def _epoch(said: dict[str, object]) -> str:
    value = _text(said, "epoch")
    if EPOCH.fullmatch(value) is None:
        raise Malformed("notice", "epoch", "must be 16 hex digits")
    return value


class Step(enum.Enum):
    """What a notice is to a reader who has read up to some place."""

    NEXT = "next"
    REPEAT = "repeat"
    GAP = "gap"
    """Others are missing, or the publisher started anew: read on by gRPC, which knows."""


@dataclass(slots=True)
class Place:
    """How far somebody has read; an empty epoch is any."""

    seq: int = 0
    epoch: str = ""

    def step(self, epoch: str, seq: int) -> Step:
        """What the notice of that number is."""
        if epoch != self.epoch:
            return Step.GAP
        if seq <= self.seq:
            return Step.REPEAT
        return Step.NEXT if seq == self.seq + 1 else Step.GAP

    def behind(self, epoch: str, last: int) -> bool:
        """Whether the publisher, whose last number that is, has more."""
        return epoch != self.epoch or last > self.seq
