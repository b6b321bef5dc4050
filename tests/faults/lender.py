"""A lender and a court that go on whatever happens: what they were answered, and every complaint about it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from relay.app import desk
from relay.core.errors import RelayError
from relay.sample import generate


@dataclass(slots=True)
class Issued:
    """A grant, its file, and what became of it."""

    file: Path
    digest: str
    dossier: str
    revoked: bool = False


@dataclass(slots=True)
class Business:
    """Deposits loans in two halves, issues grants, revokes, retrieves. `complaints` is empty when all went as promised."""

    home: Path
    folder: Path
    loans: int
    seed: int
    grants: list[Issued] = field(default_factory=list)
    indices: dict[int, tuple[str, int]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    dossiers: dict[int, str] = field(default_factory=dict)
    retrieved: int = 0
    wait_s: float = 0.0
    failed_steps: list[str] = field(default_factory=list)
    """Of the last retrieval."""

    def prepare(self) -> None:
        """Make the loans, each in a folder of its own, and the first half of each in another."""
        generate(self.folder / "loans", self.loans, self.seed)
        rows: dict[str, list[str]] = {}
        for line in (self.folder / "loans/records.jsonl").read_text().splitlines():
            rows.setdefault(json.loads(line)["dossier"], []).append(line)
        for number, lines in enumerate(rows.values()):
            for name, some in (("half", lines[: len(lines) // 2]), ("whole", lines)):
                target = self.folder / f"{name}-{number}"
                shutil.copytree(self.folder / "loans", target, copy_function=os.link)
                (target / "records.jsonl").unlink()
                (target / "records.jsonl").write_text("\n".join(some) + "\n")

    @property
    def records(self) -> int:
        """Records whose deposit was answered."""
        return len(self.indices)

    async def deposit(self, loan: int, part: str) -> None:
        """Raises what the desk raises; what is deposited again must be where it was."""
        report = await desk.deposit(self.home, self.folder / f"{part}-{loan}", lambda _d, _t: None, wait_s=self.wait_s)
        self.complaints += [f"refused: {row.field} {row.reason}" for row in report.refused]
        for stored in report.stored:
            self.dossiers[loan] = stored.dossier
            for seq, index in enumerate(stored.indices):
                if self.indices.setdefault(index, (stored.dossier, seq)) != (stored.dossier, seq):
                    self.complaints.append(f"log index {index} was given twice")

    async def issue(self, loan: int, uses: int = 3) -> Issued:
        """A grant on one loan's dossier."""
        file = self.folder / f"grant-{len(list(self.folder.glob('grant-*')))}.jwt"
        wish = desk.GrantWish(
            court="", case=f"(2026) no. {len(self.grants)}", dossiers=[self.dossiers[loan]], kinds=[], mode="retrieve",
            purpose="filing", days=30, uses=uses, profile="full",
        )  # fmt: skip
        made = await desk.issue_grant(self.home, wish, file, self.wait_s)
        self.grants.append(Issued(file=file, digest=made["digest"], dossier=self.dossiers[loan]))
        return self.grants[-1]

    async def revoke(self, grant: Issued) -> None:
        """Revoke it."""
        await desk.revoke_grant(self.home, grant.digest, "a test")
        grant.revoked = True

    async def retrieve(self, grant: Issued) -> str:
        """The verdict's word. Raises what the desk raises."""
        wish = desk.RetrieveWish(grant=grant.file, dossier="", officer="officer-1", purpose="filing")
        self.retrieved += 1
        out = self.folder / f"bundle-{self.retrieved}.zip"
        verdict = await desk.retrieve(self.home, wish, out, lambda _d, _t: None, wait_s=self.wait_s)
        self.failed_steps = [str(step) for step in verdict["steps"] if step["result"] == "failed"]
        return str(verdict["verdict"])

    async def refused(self, grant: Issued) -> bool:
        """Whether a retrieval under it is refused, as it must be."""
        try:
            await self.retrieve(grant)
        except RelayError:
            return True
        return False


Say = Callable[[str], None]


def all_through(total: int) -> Callable[[dict[str, dict[str, object]]], bool]:
    """Custodian, relay and court have everything confirmed."""

    def done(status: dict[str, dict[str, object]]) -> bool:
        court = [value for name, value in status["court"].items() if name.endswith(" receipted")]
        relay = [
            value
            for name, value in status["relay"].items()
            if name.endswith((" confirmed", " mirrored")) and "items" not in name
        ]
        return status["custodian"].get("confirmed") == total and court == [total] and set(relay) == {total}

    return done
