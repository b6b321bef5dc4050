"""What a check has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from relay.core.errors import RelayError

Level = Literal["ok", "warning", "problem"]
LEVELS: Final[tuple[Level, ...]] = ("ok", "warning", "problem")


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a word of a fixed set, `where` a file, an address or a key; `what` says what is so and, unless it is ok, what to do."""

    level: Level
    role: str
    check: str
    where: str
    what: str

    def as_json(self) -> dict[str, Any]:
        """One object of `--json`."""
        return asdict(self)

    def line(self) -> str:
        """One line for a person."""
        return " ".join(f"{self.level:<8} {self.role:<13} {self.check:<14} {self.where}: {self.what}".split("\n"))


class Findings:
    """Collects what the checks of one role find."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.found: list[Finding] = []

    def ok(self, check: str, where: object, what: str) -> None:
        """Nothing is wrong."""
        self._add("ok", check, where, what)

    def warning(self, check: str, where: object, what: str) -> None:
        """It works now, and somebody should look."""
        self._add("warning", check, where, what)

    def problem(self, check: str, where: object, what: str) -> None:
        """The role cannot start, or cannot do its work."""
        self._add("problem", check, where, what)

    def refused(self, check: str, where: object, error: BaseException) -> None:
        """A problem in an error's own words, without the place where these begin with it."""
        text = str(error) or type(error).__name__
        self.problem(check, where, text.removeprefix(f"{where}: ") if isinstance(error, RelayError | OSError) else text)

    def _add(self, level: Level, check: str, where: object, what: str) -> None:
        self.found.append(Finding(level, self.role, check, str(where), what))


def worst(findings: Iterable[Finding]) -> Level:
    """`ok` when there are none."""
    return max((one.level for one in findings), key=LEVELS.index, default="ok")
