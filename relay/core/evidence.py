"""A bundle being verified: its parts, what the steps have shown so far, and how each step ended."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from relay.core.bundle import MANIFEST, SEAL, BundleManifest, parse_bundle_manifest
from relay.core.bundlezip import ByteSource, PlacedPart, content, read_parts
from relay.core.checkpoint import Checkpoint
from relay.core.completeness import Completeness
from relay.core.disclosure import DisclosureManifest
from relay.core.errors import Malformed, Unverified
from relay.core.grants import Grant
from relay.core.ledgerproof import LedgerProofVerifier, ProvenFact
from relay.core.limits import BUNDLE_MANIFEST_BYTES_MAX, BUNDLE_SMALL_PART_BYTES_MAX
from relay.core.records import Record
from relay.core.requests import RetrievalRequest
from relay.core.statement import PublishedStatement
from relay.core.timestamp import Stamp
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding, Result, Step

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in the file)."""


class NotShown(Exception):
    """A step cannot run because an earlier one did not show what it needs."""


@dataclass(slots=True)
class RecordState:
    """What is known of one record so far; `step` 0 means nothing is wrong yet."""

    seq: int
    kind: str
    status: str
    index: int
    event_ms: int = 0
    anchor: int | None = None
    record: Record | None = None
    verdict: Finding = Finding.CONSISTENT
    step: int = 0
    reason: str = ""
    late: str = ""
    """Why it is a late addition; empty when it is none."""
    members: tuple[str, ...] = ()
    """Personal members that the lender's list calls withheld."""
    payloads: tuple[str, ...] = ()
    """Payloads that it calls withheld."""

    def fail(self, step: int, error: Unverified | Malformed | NotShown) -> None:
        """The first failure stays."""
        if not self.step:
            open_ = isinstance(error, Unpinned | NotShown)
            self.verdict = Finding.UNVERIFIABLE if open_ else Finding.INCONSISTENT
            self.step = step
            self.reason = str(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementShown:
    """A platform statement and the numbers of the checkpoints at whose times it was the valid version of its ledger's.

    `stated_later`: it was published only after those times, though it claims to cover them.
    """

    published: PublishedStatement
    anchors: tuple[int, ...]
    stated_later: bool


@dataclass(slots=True)
class Evidence:
    """Filled step by step; a member that is None was not shown."""

    source: ByteSource
    trust: TrustRoots
    verifiers: Mapping[str, LedgerProofVerifier]
    steps: list[Step] = field(default_factory=list)
    parts: dict[str, PlacedPart] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every part in hex, as read."""
    manifest: BundleManifest | None = None
    grant: Grant | None = None
    request: RetrievalRequest | None = None
    disclosure: DisclosureManifest | None = None
    completeness: Completeness | None = None
    notes: list[bytes] = field(default_factory=list)
    """Checkpoint notes of the anchors, in order."""
    anchored_ms: dict[int, int] = field(default_factory=dict)
    accepted_ms: dict[int, int] = field(default_factory=dict)
    anchor_facts: dict[int, tuple[str, ProvenFact]] = field(default_factory=dict)
    """Anchor number → (kind of the ledger proof, what it shows), of those that held."""
    receipt_facts: dict[int, tuple[str, ProvenFact]] = field(default_factory=dict)
    """The same for the court ledger's acceptance."""
    stamps: dict[int, list[Stamp]] = field(default_factory=dict)
    """Anchor number → timestamps by pinned authorities that hold, one of each authority, in the order of the parts."""
    statements: list[StatementShown] = field(default_factory=list)
    """Platform statements that hold, by ledger and version."""
    registered_ms: int = 0
    """When the court's ledger registered the grant; 0 until shown."""
    bad_anchors: dict[int, tuple[int, Unverified | Malformed]] = field(default_factory=dict)
    """Anchor number → (step, why) of its first failure."""
    proof_kinds: set[str] = field(default_factory=set)
    records: dict[int, RecordState] = field(default_factory=dict)

    def run(self, number: int, name: str, step: Callable[[Evidence], str]) -> None:
        """Run one step and note how it ended."""
        try:
            result, detail = Result.OK, step(self)
        except (Unpinned, NotShown) as error:
            result, detail = Result.NOT_RUN, str(error)
        except (Unverified, Malformed) as error:
            result, detail = Result.FAILED, str(error)
        self.steps.append(Step(number=number, name=name, result=result, detail=detail))

    def part(self, name: str, *, bytes_max: int = BUNDLE_SMALL_PART_BYTES_MAX) -> bytes:
        """A small part's bytes. Raises `Unverified` when it is missing, `Malformed` when it is too big."""
        placed = self.parts.get(name)
        if placed is None:
            raise Unverified("bundle", f"{name} is missing")
        if placed.part.size > bytes_max:
            raise Malformed("bundle", name, f"{placed.part.size} bytes; at most {bytes_max}")
        return b"".join(content(self.source, placed))

    def need_manifest(self) -> BundleManifest:
        """Or NotShown."""
        if self.manifest is None:
            raise NotShown("needs step 1: the bundle could not be read")
        return self.manifest

    def need_grant(self) -> Grant:
        """Or NotShown."""
        if self.grant is None:
            raise NotShown("needs step 3: the grant does not hold")
        return self.grant

    def need_request(self) -> RetrievalRequest:
        """Or NotShown."""
        if self.request is None:
            raise NotShown("needs step 5: the request does not hold")
        return self.request

    def need_disclosure(self) -> DisclosureManifest:
        """Or NotShown."""
        if self.disclosure is None:
            raise NotShown("needs step 6: the lender's list does not hold")
        return self.disclosure

    def checkpoint(self, number: int) -> Checkpoint:
        """The facts of an anchor, as the manifest lists them; step 8 compares them with the signed note."""
        manifest = self.need_manifest()
        anchor = manifest.anchors[number]
        return Checkpoint(origin=manifest.origin, size=anchor.size, root=anchor.root)

    def anchor_fails(self, number: int, step: int, error: Unverified | Malformed) -> None:
        """The first failure of an anchor stays."""
        self.bad_anchors.setdefault(number, (step, error))


def open_container(evidence: Evidence, progress: Progress) -> str:
    """Step 1: one spelling of the zip, a canonical manifest, and every part as the manifest lists it."""
    placed = read_parts(evidence.source)
    evidence.parts = {p.part.name: p for p in placed}
    done = 0
    broken = []
    for p in placed:
        digest, crc = hashlib.sha256(), 0
        for piece in content(evidence.source, p):
            digest.update(piece)
            crc = zlib.crc32(piece, crc)
            done += len(piece)
            progress(done, evidence.source.size)
        evidence.digests[p.part.name] = digest.hexdigest()
        if crc != p.part.crc32:
            broken.append(p.part.name)
    manifest = parse_bundle_manifest(evidence.part(MANIFEST, bytes_max=BUNDLE_MANIFEST_BYTES_MAX))
    evidence.manifest = manifest
    listed = {part.name: part for part in manifest.parts}
    for name in sorted(set(listed) - set(evidence.parts)):
        raise Unverified("bundle", f"{name} is missing")
    for name in sorted(set(evidence.parts) - set(listed) - {MANIFEST, SEAL}):
        raise Unverified("bundle", f"{name} is not in the manifest")
    for name, part in listed.items():
        if name in broken or evidence.digests[name] != part.sha256 or evidence.parts[name].part.size != part.size:
            raise Unverified("bundle", f"{name} was changed: its bytes are not those the manifest lists")
    if broken:
        raise Unverified("bundle", f"{broken[0]} was changed: its checksum does not match")
    return f"{len(placed)} parts, each as listed"
