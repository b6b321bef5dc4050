"""Taking in and giving out packages of a log: the part that custodian, relay and court gateway share.

A package is checked against the checkpoint before it is stored, and stored before it is acknowledged. Packages are handled
in groups, one durable write a group, in a worker thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Unverified
from relay.core.limits import PACKAGE_ENTRIES_MAX
from relay.core.package import Package, check_proof, check_shape, package_borders
from relay.ports.common import LogFiles
from relay.ports.forwarding import MirrorLog

GROUP_PACKAGES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Checked:
    """A group whose proofs were checked: the entries that go on from where the log stood then, and why no more of them are good."""

    size: int
    entries: Sequence[bytes]
    failure: Exception | None = None
    extension: Sequence[bytes] = ()
    """Consistency proof from `size` to the checkpoint, where it was asked for and these are all the entries up to it."""


class PackageIntake:
    """Appends verified packages of one push to a mirror log. One push at a time a log: the caller holds its lock."""

    def __init__(
        self, log: MirrorLog, target: Checkpoint, append: Callable[[Sequence[bytes]], Awaitable[object]] | None = None
    ) -> None:
        """`append` is used in the place of the log's own, by an owner who stores more in the same transaction."""
        self._log = log
        self._target = target
        self._append = append or log.append

    @property
    def done(self) -> bool:
        """All entries up to the checkpoint are durable."""
        return self._log.size >= self._target.size

    async def take(self, packages: Sequence[Package]) -> int:
        """Check and durably append a group; returns the next index wanted.

        Packages that lie wholly below the log's size are skipped (a repeated push). Raises `Malformed` or `Unverified`
        at the first bad package, after the good ones before it are stored.
        """
        return await self.append(await self.check(packages))

    async def check(self, packages: Sequence[Package], *, extending: bool = False) -> Checked:
        """Check a group and store nothing. What is wrong with it is told by `append`."""
        # one without whole entries ends nowhere: it is not skipped but refused for its shape
        size = self._log.size
        fresh = [p for p in packages if p.end > size or not p.whole]
        if not fresh:
            return Checked(size, ())
        return await asyncio.to_thread(self._check, size, fresh, extending)

    async def append(self, checked: Checked) -> int:
        """Durably append what `check` found good; returns the next index wanted.

        Raises what it found bad, and `Conflict` if the log has grown since.
        """
        if checked.size != self._log.size:
            raise Conflict(f"the log has grown from {checked.size} to {self._log.size} entries meanwhile")
        if checked.entries:
            await self._append(checked.entries)
        if checked.failure is not None:
            raise checked.failure
        return self._log.size

    def _check(self, size: int, packages: Sequence[Package], extending: bool) -> Checked:
        rounded = size - size % PACKAGE_ENTRIES_MAX
        files = self._log.files
        before = files.entries(rounded, size)
        good: list[bytes] = []
        for package in packages:
            try:
                check_shape(package, next_index=size + len(good), end=self._target.size)
                entries = package.split()
                check_proof(package, entries, before, self._target)
            except Exception as failure:
                return Checked(size, good, failure)
            good.extend(entries)
            before = []
        whole = size + len(good) == self._target.size
        return Checked(size, good, None, files.extension_proof(size, good) if extending and whole else ())

    def check_done(self) -> None:
        """Raises `Conflict` while entries are missing."""
        if not self.done:
            raise Conflict(f"{self._log.size} of {self._target.size} entries are held")

    def check_root(self) -> None:
        """The tree of the checkpoint's size must have the checkpoint's root. Raises `Unverified`, `Conflict`."""
        self.check_done()
        if self._log.files.root(self._target.size) != self._target.root:
            raise Unverified("root", f"the entries up to {self._target.size} do not have the checkpoint's root")


async def packages_of(files: LogFiles, start: int, size: int) -> AsyncIterator[Package]:
    """The canonical sequence of packages of [start, size), made in groups in a worker thread."""
    borders = package_borders(start, size)
    for i in range(0, len(borders), GROUP_PACKAGES_MAX):
        for package in await asyncio.to_thread(make_packages, files, borders[i : i + GROUP_PACKAGES_MAX], size):
            yield package


def make_packages(files: LogFiles, borders: Sequence[tuple[int, int]], size: int) -> list[Package]:
    """Packages for the given borders with their subtree proofs to the tree of `size`."""
    made = []
    for start, end in borders:
        rounded = start - start % PACKAGE_ENTRIES_MAX
        made.append(
            Package(
                start=start,
                entries=b"".join(files.entries(start, end)),
                proof=tuple(files.subtree_proof(rounded, end, size)),
            )
        )
    return made
