"""Checks that anybody may ask of the court: an evidence bundle, a place in a log, a file or digest against a record.

Nothing personal is told to whom it is not shown already. A deposit number alone tells what the public ledgers tell of that place. A file or
digest is compared with a record only for somebody who may read that dossier, or who holds a report's retrieval code: contents with few
possibilities (an amount, a yes or no) could otherwise be found out by asking for each (docs/threat-model.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, Protocol

from cryptography.hazmat.primitives import hashes

from relay.core.bundlezip import ByteSource, FileSource
from relay.core.checks import Verifiers
from relay.core.deposit_number import parse_deposit_number
from relay.core.errors import Malformed, NotFound
from relay.core.evidence import Evidence
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding, Result, Verdict
from relay.core.verify import examine
from relay.core.view import ViewPayload, view_of
from relay.ports.common import Clock
from relay.ports.court import CourtStore
from relay.services.court.checked import OF_A_DIGEST, Checked, Fact, together
from relay.services.court.custody import CustodyKeeper
from relay.services.court.entry_check import EntryCheck
from relay.services.court.ledger_now import CheckStep, LedgerNow
from relay.services.court.said import Text
from relay.words import Words

CHECKS_AT_ONCE: Final = 2
READ_BYTES: Final = 1024 * 1024
Algorithm = Literal["sha256", "sm3"]
HEX: Final = re.compile(r"[0-9a-f]{64}")
NUMBER_LIKE: Final = re.compile(r"\w{6}-\w{8,13}-\d{2}")
_ALGORITHMS: Final[Words] = "must be sha256 or sm3"
_HEX_DIGITS: Final[Words] = "must be 64 hex digits"
_NOTHING_TO_COMPARE: Final[Words] = (
    "Nothing is found under this number or code that you may compare with. Give the retrieval code of a deposit report, or sign in with"
    " access to the dossier."
)

_OTHER_FILE: Final = Text(
    "The file is not one that the record names: it differs in at least one byte, or belongs to another record."
)
_SAME_FILE: Final = Text(
    "The file is byte for byte the one that the record names, and the record is consistent since it was anchored."
)
_SAME_FILE_BUT: Final = Text(
    "The file is byte for byte the one that the record names; of the record itself the verdict above is said."
)


READERS: Final = frozenset({"judge", "clerk"})
"""Who reads dossiers, and so may compare with what is in them; an auditor sees verdicts alone."""


class Asker(Protocol):
    """Who asks, where they are signed in. `name` for the custody log; a party may see `dossiers` of `case`."""

    @property
    def name(self) -> str:
        """Their identity."""

    @property
    def roles(self) -> frozenset[Literal["judge", "clerk", "party", "auditor"]]:
        """Their roles."""

    @property
    def case(self) -> str:
        """A party's case."""

    @property
    def dossiers(self) -> frozenset[str]:
        """A party's dossiers."""


BundleOfCode = Callable[[str], Awaitable[str]]
"""The bundle that a report's retrieval code stands for. Raises `NotFound`, `Malformed`."""


async def no_codes(_code: str) -> str:
    """For a court that issues no reports."""
    raise NotFound("no report has this code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Of one file, in lower-case hex; an empty one is not compared."""

    sha256: str = ""
    sm3: str = ""


class Checking:
    """The public checks. At most two bundles are examined at a time, off the loop; others wait."""

    def __init__(
        self,
        *,
        store: CourtStore,
        trust: TrustRoots,
        verifiers: Verifiers,
        ledger: LedgerNow,
        custody: CustodyKeeper,
        clock: Clock,
        identity: str,
        bundle_of_code: BundleOfCode = no_codes,
    ) -> None:
        self._store = store
        self._trust = trust
        self._verifiers = verifiers
        self._ledger = ledger
        self._custody = custody
        self._clock = clock
        self._bundle_of_code = bundle_of_code
        self._entry = EntryCheck(store, trust, verifiers, ledger, identity)
        self._room = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def bundle(self, file: BinaryIO) -> Checked:
        """All offline steps, then the court's ledger is asked. Never raises for what the file is."""
        verdict, evidence = await self._examined(FileSource(file))
        live = await self._asked(evidence)
        return Checked(
            kind="bundle",
            verdict=together(verdict.verdict, live),
            offline=verdict.verdict,
            words=_bundle_words(verdict, live),
            steps=verdict.steps,
            live=live,
            facts=_bundle_facts(verdict, evidence),
            records=verdict.records,
            trust_version=self._trust.version,
            trust_stale=self._stale(),
            at_ms=self._clock.now_ms(),
        )

    async def deposit_number(self, text: str) -> Checked:
        """What the court's mirror and the ledgers hold of a place in a log. Raises `Malformed` for a number with a slip in it."""
        number = parse_deposit_number(text.strip().upper())
        found = await self._entry.check(number)
        return Checked(
            kind="entry",
            verdict=together(found.finding, found.live),
            offline=found.finding,
            words=found.words,
            own=found.steps,
            live=found.live,
            facts=(Fact(label=Text("Deposit number"), value=str(number), form="code"), *found.facts),
            trust_version=self._trust.version,
            trust_stale=self._stale(),
            at_ms=self._clock.now_ms(),
            does_not_prove=found.does_not_prove,
        )

    async def file(self, file: BinaryIO, place: str, asker: Asker | None) -> Checked:
        """An original file against a record, or against all of a report. Raises `Malformed`, `NotFound`."""
        return await self.digests(await asyncio.to_thread(digests_of, file), place, asker)

    async def digest(self, algorithm: str, text: str, place: str, asker: Asker | None) -> Checked:
        """A digest in hex against the same. Raises `Malformed`, `NotFound`."""
        value = "".join(text.split()).lower()
        if algorithm not in ("sha256", "sm3"):
            raise Malformed("digest", "algorithm", _ALGORITHMS)
        if not HEX.fullmatch(value):
            raise Malformed("digest", "", _HEX_DIGITS)
        chosen = Digests(sha256=value) if algorithm == "sha256" else Digests(sm3=value)
        return await self.digests(chosen, place, asker)

    async def digests(self, digests: Digests, place: str, asker: Asker | None) -> Checked:
        """`place` is a deposit number, for who may read the dossier, or a report's retrieval code. One answer where there is no access."""
        bundle_id, index = await self._bundle_at(place.strip(), asker)
        dossier = await self._store.bundle_dossier(bundle_id)
        subject = {"bundle": bundle_id, "dossier": dossier}
        actor = asker.name if asker else ""
        await self._custody.note("check", subject, "permitted", "a file or digest was compared", actor=actor)
        with await self._store.open_bundle(bundle_id) as held:
            verdict, evidence = await self._examined(FileSource(held))
        live = await self._asked(evidence)
        hit = next((pair for pair in _payloads(verdict, evidence, index) if _is(pair[0], digests)), None)
        return self._compared(digests, hit, verdict, live)

    async def _bundle_at(self, place: str, asker: Asker | None) -> tuple[str, int]:
        """Bundle, and log index or -1 for all of it. Raises `NotFound` in one wording, whatever is missing."""
        try:
            number = parse_deposit_number(place.upper())
        except Malformed:
            if NUMBER_LIKE.fullmatch(place):
                raise  # a slip of the pen says nothing of what is held here
            try:
                return await self._bundle_of_code(place), -1
            except (NotFound, Malformed):
                raise NotFound(_NOTHING_TO_COMPARE) from None
        if asker is None:
            raise NotFound(_NOTHING_TO_COMPARE)
        for origin in self._entry.origins(number):
            for bundle_id, dossier, case in await self._store.bundles_with(origin, number.index):
                own = case == asker.case and dossier in asker.dossiers
                if asker.roles & READERS or ("party" in asker.roles and own):
                    return bundle_id, number.index
        raise NotFound(_NOTHING_TO_COMPARE)

    def _compared(
        self, digests: Digests, hit: tuple[ViewPayload, Finding] | None, verdict: Verdict, live: tuple[CheckStep, ...]
    ) -> Checked:
        facts = [Fact(label=Text("SHA-256"), value=digests.sha256, form="code")] if digests.sha256 else []
        facts += [Fact(label=Text("SM3"), value=digests.sm3, form="code")] if digests.sm3 else []
        offline, words = Finding.INCONSISTENT, _OTHER_FILE
        finding = offline
        if hit is not None:
            payload, of_record = hit
            facts += [
                Fact(label=Text("Name in the record"), value=payload.name),
                Fact(label=Text("Size"), value=payload.size, form="bytes"),
            ]
            offline = of_record if verdict.verdict is Finding.CONSISTENT else verdict.verdict
            finding = together(offline, live)
            words = _SAME_FILE if finding is Finding.CONSISTENT else _SAME_FILE_BUT
        return Checked(
            kind="digest",
            verdict=finding,
            offline=offline,
            words=words,
            steps=verdict.steps,
            live=live,
            facts=tuple(facts),
            trust_version=self._trust.version,
            trust_stale=self._stale(),
            at_ms=self._clock.now_ms(),
            does_not_prove=OF_A_DIGEST,
        )

    async def _examined(self, source: ByteSource) -> tuple[Verdict, Evidence]:
        async with self._room:
            return await asyncio.to_thread(examine, source, self._trust, self._verifiers)

    async def _asked(self, evidence: Evidence) -> tuple[CheckStep, ...]:
        """Of what the bundle has shown; nothing is asked for a bundle that shows no checkpoint or grant."""
        manifest = evidence.manifest
        if manifest is None:
            return ()
        steps = []
        shown = [number for number in evidence.accepted_ms if number not in evidence.bad_anchors]
        if shown:
            steps.append(await self._ledger.holds(evidence.checkpoint(max(shown)), manifest.court))
        if evidence.grant is not None:
            grant, made_ms = evidence.grant, manifest.made_at_s * 1000
            steps.append(await self._ledger.grant(grant.iss, grant.digest, manifest.court, made_ms))
        return tuple(steps)

    def _stale(self) -> str:
        return self._trust.why_stale(self._clock.now_ms() // 1000)


def digests_of(file: BinaryIO) -> Digests:
    """Both digests of a file, read from its beginning."""
    file.seek(0)
    sha256, sm3 = hashlib.sha256(), hashes.Hash(hashes.SM3())  # GB/T 32905
    while piece := file.read(READ_BYTES):
        sha256.update(piece)
        sm3.update(piece)
    return Digests(sha256=sha256.hexdigest(), sm3=sm3.finalize().hex())


def _is(payload: ViewPayload, digests: Digests) -> bool:
    """Every digest that both have is the same, and there is one."""
    pairs = [(digests.sha256, payload.sha256), (digests.sm3, payload.sm3)]
    both = [(given, named) for given, named in pairs if given and named]
    return bool(both) and all(given == named for given, named in both)


def _payloads(verdict: Verdict, evidence: Evidence, index: int) -> list[tuple[ViewPayload, Finding]]:
    """Of the record at a log index, or of all records (-1), as far as they were shown, each with its record's verdict."""
    view = view_of(evidence, verdict, lambda _kind: "")
    return [
        (payload, record.finding.verdict)
        for record in view.records
        if index in (-1, record.finding.index)
        for payload in record.payloads
    ]


def _bundle_words(verdict: Verdict, live: tuple[CheckStep, ...]) -> Text:
    failed = [step for step in verdict.steps if step.result is Result.FAILED]
    if failed or verdict.verdict is Finding.INCONSISTENT:
        return Text("The bundle is refused: at least one step contradicts it. The first is named below.")
    if any(step.result is Result.FAILED for step in live):
        return Text("The bundle is consistent in itself, but the court's ledger contradicts it.")
    if any(step.result is Result.NOT_RUN for step in live):
        return Text(
            "The steps on the bundle itself are shown below; what the court's ledger says now could not be found out."
        )
    if verdict.verdict is Finding.CONSISTENT:
        return Text("All {count} records are consistent since they were anchored.", {"count": len(verdict.records)})
    return Text("Not every record could be shown to be consistent; the table says which.")


def _bundle_facts(verdict: Verdict, evidence: Evidence) -> tuple[Fact, ...]:
    manifest = evidence.manifest
    if manifest is None:
        return ()
    anchored = [one.anchored_ms for one in verdict.records if one.anchored_ms]
    accepted = [one.accepted_ms for one in verdict.records if one.accepted_ms]
    facts = [
        Fact(label=Text("Case"), value=manifest.case),
        Fact(label=Text("Dossier"), value=manifest.dossier, form="code"),
        Fact(label=Text("Lender"), value=manifest.lender, form="code"),
        Fact(label=Text("Court"), value=manifest.court, form="code"),
        Fact(label=Text("Log"), value=manifest.origin, form="code"),
        Fact(label=Text("Bundle made"), value=manifest.made_at_s * 1000, form="time"),
        Fact(label=Text("First anchored on the lender's ledger"), value=min(anchored, default=0), form="time"),
        Fact(label=Text("Last anchored on the lender's ledger"), value=max(anchored, default=0), form="time"),
        Fact(label=Text("Last accepted on the court's ledger"), value=max(accepted, default=0), form="time"),
    ]
    return tuple(fact for fact in facts if fact.value)
