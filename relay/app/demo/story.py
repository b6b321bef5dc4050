"""The story: deposit, anchor, mirror, a crash, confirmation, a grant, a retrieval, a verdict, and three attacks."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from adapters.evm.proof import ATTESTED
from relay.app import desk, offline
from relay.app.demo import attacks, chains
from relay.app.demo.network import Network
from relay.app.exits import EXIT_FAILED, EXIT_OK
from relay.app.initialise import LEDGERS, initialise
from relay.app.runtime import until_signalled
from relay.app.verdict_lines import verdict_lines
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed, RelayError, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.sample import generate

LEFT_OUT: Final = 14
Say = Callable[[str], None]


class Failed(Exception):
    """The story did not go as promised."""


async def run(folder: Path | None, *, stay: bool, loans: int, seed: int, say: Say, ledger: str = "embedded") -> int:
    """Tell the story; the exit code. With `folder` results are kept there, else in a temporary folder.

    Raises `Malformed` for ledgers that it has no story of.
    """
    if ledger not in LEDGERS:
        raise Malformed("demo", "--ledger", f"must be one of {', '.join(LEDGERS)}")
    kept = folder is not None
    base = folder.resolve() if folder else Path(tempfile.mkdtemp(prefix="courtrelay-demo-"))
    network: Network | None = None
    try:
        made = initialise(base / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.2, ledger=ledger)
        network = Network(made.home)
        story = _EvmStory if ledger == "evm" else _Story
        told = story(base, network, say)
        await told.tell(loans, seed)
        if stay:
            await told.show()
            _commands(base, say)
            await until_signalled()
        elif kept:
            say(f"Everything is kept in {base}.")
        return EXIT_OK
    except (Failed, RelayError) as error:
        say(f"FAILED: {error}")
        if network is not None:
            kept = True
            say(f"The roles' logs are in {base / 'home'}/<role>/log.jsonl")
        return EXIT_FAILED
    finally:
        if network is not None:
            await network.end()
        if not kept:
            shutil.rmtree(base, ignore_errors=True)


class _Story:
    def __init__(self, base: Path, network: Network, say: Say) -> None:
        self._base = base
        self._network = network
        self._home = network.home
        self._say = say
        self._began = time.monotonic()
        self._records = 0
        self._loans = 0
        self._dossier = ""
        self._reference = ""
        self._kinds: list[str] = []
        self._bundle_id = ""

    def _head(self, number: int, text: str) -> None:
        self._say(f"\n[{time.monotonic() - self._began:5.1f} s] {number}. {text}")

    def _must(self, condition: bool, promise: str) -> None:
        if not condition:
            raise Failed(promise)
        self._say(f"     ok: {promise}")

    async def tell(self, loans: int, seed: int) -> None:
        """All chapters."""
        self._head(1, "A lender's loans, from application to enforcement")
        made = await asyncio.to_thread(generate, self._base / "loans", loans, seed, lambda _d, _t: None)
        self._records, self._loans = made["records"], made["loans"]
        self._say(
            f"     {made['loans']} loans, {made['records']} records, {made['payload_bytes'] / 1e6:.1f} MB of documents"
        )
        self._head(2, "Five processes: two ledgers, custodian, relay, court gateway; mutual TLS between all of them")
        await self._network.start()
        for role in self._network.roles.values():
            self._say(f"     {role.role:<14} {role.address:<22} pid {role.pid}")
        await self._deposit_and_crash()
        await self._trouble()
        await self._confirmed()
        bundle = await self._retrieve()
        await self._attack(bundle)
        self._say(f"\nDone in {time.monotonic() - self._began:.1f} s.")

    async def _deposit_and_crash(self) -> None:
        self._head(3, "Deposit: checked, signed, encrypted, appended; anchored while it goes on")
        first = asyncio.create_task(self._deposit(slice(0, self._loans // 2)), name="deposit")
        await self._network.until("a first checkpoint confirmed on the court ledger", _some_confirmed)
        relay = self._network.roles["relay"]
        relay.kill()
        await relay.wait()
        before = (await self._network.status())["custodian"]
        self._head(
            4, f"SIGKILL for the relay (pid {relay.pid}) in the middle: {before['entries']} records are deposited,"
        )
        self._say(f"     {before['confirmed']} of them confirmed on the court ledger. The lender goes on depositing.")
        reports = [await first, await self._deposit(slice(self._loans // 2, None))]
        stored = [one for report in reports for one in report.stored]
        self._must(not any(report.refused for report in reports), "no dossier was refused")
        indices = [index for one in stored for index in one.indices]
        self._must(
            sorted(indices) == list(range(self._records)),
            f"{len(indices)} records stored in {len(stored)} dossiers, each under a log index of its own",
        )
        chosen = max(stored, key=lambda one: len(one.indices))
        self._reference, self._dossier = chosen.reference, chosen.dossier
        await desk.anchor(self._home)
        held = (await self._network.status())["custodian"]
        self._must(held["confirmed"] < self._records, f"without a relay only {held['confirmed']} are confirmed")
        await relay.start()
        self._say(f"     the relay is back (pid {relay.pid}) and reads from its disk where it was")

    async def _deposit(self, which: slice) -> desk.DepositReport:
        return await desk.deposit(self._home, self._base / "loans", lambda _done, _total: None, which)

    async def _trouble(self) -> None:
        """What happens to this family's ledgers in the middle."""

    async def _confirmed(self) -> None:
        self._head(5, "Final on the lender's ledger, proven, mirrored, cosigned, confirmed on the court's ledger")
        total = self._records
        status = await self._network.until(
            f"{total} records confirmed", lambda s: s["custodian"].get("confirmed") == total
        )
        relay = status["relay"]
        for state in ("CONFIRMED", "ORPHANED", "QUARANTINED"):
            self._say(f"     checkpoints {state}: {relay[_items(state)]}")
        open_ = sum(relay[_items(state)] for state in ("SEEN", "FINAL", "PROVEN", "MIRRORED", "SUBMITTED"))
        mirrored = next(value for name, value in status["court"].items() if name.endswith(" mirrored"))
        self._must(open_ == 0, "no checkpoint is left under way")
        self._must(mirrored == total, f"the court's mirror holds {mirrored} entries: none lost, none doubled")
        await self._network.until(
            "the court has read its ledger",
            lambda s: next((v for n, v in s["court"].items() if n.endswith(" receipted")), 0) == total,
        )

    async def _retrieve(self) -> Path:
        self._head(6, f"A case is filed: the lender grants the court one dossier, {self._dossier}")
        wish = desk.GrantWish(
            court="",
            case="(2026) Demo No. 1",
            dossiers=[self._reference],
            kinds=["*"],
            mode="retrieve",
            purpose="filing",
            days=90,
            uses=3,
        )
        grant = await desk.issue_grant(self._home, wish, self._base / "grant.jwt")
        self._say(f"     grant {grant['digest'][:16]}… registered on the court ledger, bound to the court's key")
        await self._network.until("the custodian listens", lambda s: bool(s["custodian"].get("relay connected")))
        self._head(7, "The court retrieves it; every record is judged on arrival")
        bundle = self._base / "bundle.zip"
        retrieval = desk.RetrieveWish(grant=self._base / "grant.jwt", dossier="", officer="judge-7", purpose="filing")
        arrived: list[str] = []
        verdict = await desk.retrieve(
            self._home,
            retrieval,
            bundle,
            lambda _d, _t: None,
            lambda row: arrived.append(row.verdict),
            self._keep_bundle,
        )
        for line in verdict_lines(verdict):
            self._say(f"     {line}")
        self._must(verdict["verdict"] == "CONSISTENT", "the dossier is CONSISTENT, record by record")
        self._kinds = list(verdict["ledger_proof_kinds"])
        self._must(set(arrived) == {"CONSISTENT"}, f"{len(arrived)} records were judged as they arrived")
        again = await self._verify(bundle)
        again.pop("trust_roots")  # which file it used, and whether that is current: its own word beside the verdict
        self._must(
            again == verdict, f"`courtrelay verify` says the same of {bundle.name} in a process of its own, offline"
        )
        return bundle

    async def _verify(self, bundle: Path) -> dict[str, Any]:
        """By the command that anyone would use."""
        command = [sys.executable, "-m", "relay.cli", "verify", str(bundle), "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, "--trust", str(self._home / "trust.json"), stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[3],
        )  # fmt: skip
        out, _ = await process.communicate()
        verdict: dict[str, Any] = offline.loads(out)
        expected = offline.exit_code(verdict)
        if process.returncode != expected:
            raise Unavailable(f"courtrelay verify ended with code {process.returncode}, expected {expected}")
        return verdict

    def _keep_bundle(self, bundle_id: str) -> None:
        self._bundle_id = bundle_id

    async def show(self) -> None:
        """One link for somebody who has read nothing: the verdict, its reasons, and the report."""
        report = await desk.issue_report(self._home, self._bundle_id, "en", "full")
        self._say(
            "\nThe verdict as a judge or a party reads it, with its reasons and the report, in any browser on this machine:"
        )
        self._say(f"\n  {report['url']}")

    async def _attack(self, bundle: Path) -> None:
        self._head(8, "Attack: one byte of a payload changed, checksums and manifest repaired")
        changed = self._base / "attack-1-payload.zip"
        name, place = await asyncio.to_thread(attacks.change_payload, bundle, changed)
        self._say(f"     byte {place} of {name}")
        self._caught(await self._verify(changed), name.rpartition("/")[2])
        self._head(9, f"Attack: record {LEFT_OUT} left out, manifest repaired")
        cut = self._base / "attack-2-left-out.zip"
        await asyncio.to_thread(attacks.leave_out, bundle, LEFT_OUT, cut)
        self._caught(await self._verify(cut), f"seq {LEFT_OUT} missing")
        self._head(10, "Attack: another history of the log, signed with stolen keys of log, validators and witness")
        answers = await attacks.forge_history(self._home, self._records, self._forge_anchor)
        for who, answer in answers.items():
            self._say(f"     {who}: {answer}")
        self._must(
            all(answer.startswith("Unverified") for answer in answers.values()),
            "a checkpoint that does not extend the last is refused by the gateway and by the ledger itself",
        )

    def _caught(self, verdict: dict[str, Any], name: str) -> None:
        for step in verdict["steps"]:
            if step["result"] != "ok":
                self._say(f"     step {step['number']:>2} {step['name']}: {step['result']}: {step['detail']}")
        named = any(name in step["detail"] for step in verdict["steps"])
        self._must(
            verdict["verdict"] == "INCONSISTENT" and named, f"caught: {verdict['verdict']}, and {name!r} is named"
        )

    def _forge_anchor(self, checkpoint: Checkpoint) -> LedgerProof:
        return attacks.forge_anchor(self._home / "lender-ledger", checkpoint)


class _EvmStory(_Story):
    """Both ledgers are EVM nodes; one of them changes its mind."""

    async def _trouble(self) -> None:
        self._say("     The lender's chain replaces its newest blocks, below finality, with others that hold nothing:")
        await self._network.until("anchored", lambda s: s["custodian"].get("anchored") == self._records)
        for line in await chains.reorganise(self._home):
            self._say(f"     {line}")

    async def _retrieve(self) -> Path:
        bundle = await super()._retrieve()
        self._must(self._kinds == [ATTESTED], f"every ledger proof in the verdict is of kind {ATTESTED}")
        return bundle

    def _forge_anchor(self, checkpoint: Checkpoint) -> LedgerProof:
        return chains.forge_anchor(self._home / "lender-ledger", checkpoint)


def _some_confirmed(status: dict[str, dict[str, Any]]) -> bool:
    return int(status["custodian"].get("confirmed", 0)) > 0


def _commands(base: Path, say: Say) -> None:
    home = base / "home"
    say("\nThe roles are running. Try, in another terminal (every command has --help):")
    for line in (
        f"status --home {home}",
        f"grant list --home {home}",
        f"retrieve --home {home} --grant {base / 'grant.jwt'} --out again.zip",
        f"verify {base / 'bundle.zip'} --trust {home / 'trust.json'}",
        f"inspect {base / 'bundle.zip'}",
    ):
        say(f"  python3 run.py cli {line}")
    say("Ctrl-C ends everything.")


def _items(state: str) -> str:
    return f"items {state.lower()}"
