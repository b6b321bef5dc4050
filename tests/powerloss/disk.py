"""A disk whose power may go at any numbered operation: files lose what was not synced, and so do the folders that name them."""

from __future__ import annotations

import itertools
import random
import re
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.simulation.disk import SimFile
from tests.simulation.process import Crash

LIVES: weakref.WeakValueDictionary[str, Life] = weakref.WeakValueDictionary()
"""The life a path belongs to, by the path's first part."""

_numbers = itertools.count(1)


class SimFolder:
    """`entries` is what a reader sees; `synced` what is sure to survive; `pending` the changes between the two, in order."""

    def __init__(self) -> None:
        self.entries: dict[str, SimFile | SimFolder] = {}
        self.synced: dict[str, SimFile | SimFolder] = {}
        self.pending: list[dict[str, SimFile | SimFolder | None]] = []

    def change(self, names: dict[str, SimFile | SimFolder | None]) -> None:
        """One creation, removal or renaming (None: the name is gone). Not durable yet."""
        _apply(self.entries, names)
        self.pending.append(names)

    def sync(self) -> None:
        """Every name so far is durable."""
        self.synced = dict(self.entries)
        self.pending.clear()

    def lose_power(self, dice: random.Random, share: float) -> None:
        """Of the pending changes about this share survives, each whole; then the same for what is named here."""
        survivors = [names for names in self.pending if dice.random() < share]
        self.entries = dict(self.synced)
        for names in survivors:
            _apply(self.entries, names)
        self.sync()
        for _, node in sorted(self.entries.items()):
            node.lose_power(dice, share)


def _apply(entries: dict[str, Any], names: dict[str, Any]) -> None:
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


class PowerDisk:
    """Operations are numbered afresh in each life; the power goes at each of `targets` in turn.

    `lies` says of a file's or folder's name whether its sync does nothing. `dice` decides what survives, `share` how much of it
    on average: 0 is nothing, 1 everything but torn writes. The first `deaths_with_power` deaths are those of a process alone.
    """

    def __init__(
        self,
        targets: tuple[int, ...] = (),
        *,
        dice: random.Random | None = None,
        share: float = 0.5,
        lies: Callable[[str], bool] = lambda _name: False,
        deaths_with_power: int = 0,
    ) -> None:
        self.targets = list(targets)
        self.lies = lies
        self.root = SimFolder()
        self.counts: list[int] = []
        self.names: Counter[str] = Counter()
        self.lost_at: list[str] = []
        self._dice = dice or random.Random(0)
        self._share = share
        self._deaths_with_power = deaths_with_power
        self._life: Life | None = None

    def life(self, on_loss: Callable[[str], None] = lambda _why: None) -> Life:
        """The power is on; `on_loss` is called when it goes."""
        self.counts.append(0)
        self._life = Life(self, on_loss)
        return self._life

    def after_death(self) -> None:
        """What had not been synced is there or is not, unless the process alone has died."""
        if self._life is not None:
            self._life.end()
        if self._deaths_with_power:
            self._deaths_with_power -= 1
        else:
            self.root.lose_power(self._dice, self._share)

    def forget_the_past(self, targets: list[int], lies: Callable[[str], bool]) -> None:
        """Everything is durable, and counting begins."""
        self.root.lose_power(random.Random(0), 0.0)
        self.targets, self.lies = targets, lies
        self.counts.clear()
        self.names.clear()

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """See tests.simulation.disk.Disk: nothing is looked up from outside."""
        return []


class Life:
    """One process's use of the disk, from power on to power off: nothing works after that."""

    def __init__(self, disk: PowerDisk, on_loss: Callable[[str], None]) -> None:
        self.disk = disk
        self.number = len(disk.counts)
        self.name = f"sim-{next(_numbers)}"
        self.on = True
        self.connections: dict[str, Any] = {}
        self._on_loss = on_loss
        LIVES[self.name] = self

    def end(self) -> None:
        """The process is gone; its connections with it."""
        self.on = False
        for connection in self.connections.values():
            connection.close()

    def check(self) -> None:
        """Raises `Crash` once the power is gone."""
        if not self.on:
            raise Crash("the power is gone")

    def step(self, name: str) -> None:
        """Number one operation. Raises `Crash` when the power goes in it."""
        self.disk.counts[-1] += 1
        self.disk.names[name] += 1
        if self.disk.targets[:1] == self.disk.counts[-1:]:
            self.disk.targets.pop(0)
            self.disk.lost_at.append(name)
            self.on = False
            self._on_loss(name)
            raise Crash(name)

    def find(self, parts: tuple[str, ...]) -> SimFile | SimFolder | None:
        """What has this path, if anything."""
        self.check()
        node: SimFile | SimFolder | None = self.disk.root
        for part in parts:
            node = node.entries.get(part) if isinstance(node, SimFolder) else None
        return node

    def folder(self, parts: tuple[str, ...]) -> SimFolder:
        """A folder that is there. Raises `FileNotFoundError`."""
        node = self.find(parts)
        if not isinstance(node, SimFolder):
            raise FileNotFoundError("/".join(parts))
        return node

    def make(self, parts: tuple[str, ...], node: SimFile | SimFolder) -> None:
        """A new name."""
        self.folder(parts[:-1]).change({parts[-1]: node})
        self.step(f"create {kind(parts[-1])}")

    def remove(self, parts: tuple[str, ...]) -> None:
        """Take a name away."""
        self.folder(parts[:-1]).change({parts[-1]: None})
        self.step(f"delete {kind(parts[-1])}")

    def rename(self, old: tuple[str, ...], new: str) -> None:
        """Another name in the same folder."""
        self.folder(old[:-1]).change({old[-1]: None, new: self.find(old)})
        self.step(f"rename {kind(new)}")

    def write(self, name: str, file: SimFile, offset: int, data: bytes) -> None:
        """Not durable; when the power goes in it, it is one of the writes that may survive, in part."""
        self.check()
        file.write(offset, data)
        self.step(f"write {kind(name)}")

    def truncate(self, name: str, file: SimFile, size: int) -> None:
        """Not durable."""
        self.check()
        file.truncate(size)
        self.step(f"truncate {kind(name)}")

    def sync(self, name: str, node: SimFile | SimFolder) -> None:
        """Durable on return, unless the disk lies."""
        self.check()
        self.step(f"sync {kind(name)}")
        if not self.disk.lies(name):
            node.sync()


def kind(name: str) -> str:
    """A name without what tells files of one kind apart."""
    if re.fullmatch("[0-9a-f]{64}", name):
        return "log"
    return re.sub(r"-\d+\.pack$", ".pack", name) or "folder"
