"""Plan a disclosure: what every record shows by the grant, the signed manifest that says so, and the plaintext piece by piece.

A plan follows from the manifest and the stored records alone, so that a disclosure that broke off can be sent again byte by byte the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.core.disclosure import (
    DisclosureManifest,
    FrameEncoder,
    ManifestEntry,
    PayloadWhy,
    make_manifest,
    parse_manifest,
)
from relay.core.errors import NotFound, Unverified
from relay.core.grants import Grant, opens, opens_member, opens_payloads
from relay.core.records import parse_sd_jwt, present
from relay.core.requests import RetrievalRequest
from relay.core.scope import MEDIATION_PRIVILEGED
from relay.ports.common import Clock, Signer
from relay.ports.custodian import DossierState, PayloadVault, StoredRecord, VaultPayload

OUT_OF_SCOPE: Final = "outside the grant's record kinds"
PRIVILEGED: Final = "privileged: opens only by a grant that names this kind"
MEDIATION: Final = "said in mediation: opens only by a grant for mediation that names this kind"

Piece = bytes | VaultPayload
"""Plaintext as it stands, or a payload whose plaintext the vault has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plaintext of one disclosure. `size` in bytes; `digest` commits to every byte of it."""

    manifest: str
    pieces: tuple[Piece, ...]
    size: int = field(init=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Measure and digest: a payload counts by its name in the vault, its size and its SHA-256."""
        hashed = hashlib.sha256()
        total = 0
        for piece in self.pieces:
            size = len(piece) if isinstance(piece, bytes) else piece.size
            hashed.update(size.to_bytes(8, "big"))
            hashed.update(piece if isinstance(piece, bytes) else f"{piece.blob} {piece.sha256}".encode())
            total += size
        object.__setattr__(self, "size", total)
        object.__setattr__(self, "digest", hashed.digest())

    def plaintext(self, vault: PayloadVault, start: int = 0) -> Iterator[bytes | memoryview]:
        """From byte `start` on. Synchronous. Raises `NotFound`, `Unverified` when a payload is no longer what it was."""
        for piece in self.pieces:
            size = len(piece) if isinstance(piece, bytes) else piece.size
            if start >= size:
                start -= size
                continue
            if isinstance(piece, bytes):
                yield memoryview(piece)[start:]
            else:
                yield from vault.read(piece, start)
            start = 0

    def payloads_from(self, start: int) -> Iterator[VaultPayload]:
        """Payloads with bytes at or behind byte `start`."""
        place = 0
        for piece in self.pieces:
            place += len(piece) if isinstance(piece, bytes) else piece.size
            if isinstance(piece, VaultPayload) and place > start:
                yield piece


class Planner:
    """Makes plans. Synchronous and reads payloads: for a worker thread."""

    def __init__(self, *, identity: str, vault: PayloadVault, signer: Signer, clock: Clock) -> None:
        self._identity = identity
        self._vault = vault
        self._signer = signer
        self._clock = clock

    def plan(
        self,
        request: RetrievalRequest,
        grant: Grant,
        dossier: DossierState,
        records: Sequence[StoredRecord],
        tombstones: Sequence[str],
    ) -> Plan:
        """Decide record by record, check every payload that would go, sign the manifest. `tombstones`: sorted tokens, one an erasure."""
        manifest = make_manifest(
            iss=self._identity,
            aud=request.iss,
            grant=grant.digest,
            request=request.digest,
            dossier=dossier.id,
            dossier_key=dossier.key,
            iat=self._clock.now_ms() // 1000,
            entries=[self.entry(grant, record) for record in records],
            public_key=self._signer.public_key,
            sign=self._signer.sign,
            tombstones=tombstones,
        )
        return self.again(manifest, records)

    def again(self, manifest: str, records: Sequence[StoredRecord]) -> Plan:
        """The plan that this manifest stands for."""
        return Plan(manifest=manifest, pieces=tuple(_pieces(manifest, parse_manifest(manifest), records)))

    def still_whole(self, plan: Plan, start: int) -> None:
        """Every payload still to be sent is what it was. Raises `NotFound`, `Unverified`."""
        for payload in plan.payloads_from(start):
            self._vault.audit(payload)

    def entry(self, grant: Grant, record: StoredRecord) -> ManifestEntry:
        """What the grant opens of one record, and what of it is still there."""
        if record.erased_s:
            return ManifestEntry(
                seq=record.seq,
                index=record.index,
                kind=record.kind,
                event_time_s=record.event_time_s,
                status="erased",
                reason=record.basis,
                erased_s=record.erased_s,
            )
        open_ = opens(grant, kind=record.kind, confidentiality=record.confidentiality)
        return ManifestEntry(
            seq=record.seq,
            index=record.index,
            kind=record.kind,
            event_time_s=record.event_time_s,
            status="disclosed" if open_ else "withheld",
            reason="" if open_ else _reason(record.confidentiality),
            members=self._withheld_members(grant, record) if open_ else (),
            unsent=self._unsent(grant, record) if open_ else {},
        )

    def _withheld_members(self, grant: Grant, record: StoredRecord) -> tuple[str, ...]:
        if grant.scope is None:
            return ()
        names = parse_sd_jwt(record.text).disclosed
        return tuple(sorted(name for name in names if not opens_member(grant, kind=record.kind, member=name)))

    def _unsent(self, grant: Grant, record: StoredRecord) -> dict[str, PayloadWhy]:
        if not opens_payloads(grant, kind=record.kind):
            return {name: "withheld" for name, _ in record.payloads}
        unsent: dict[str, PayloadWhy] = {}
        for name, payload in record.payloads:
            try:
                self._vault.audit(payload)
            except NotFound:
                unsent[name] = "lost"
            except Unverified:
                unsent[name] = "altered"
        return unsent


def _reason(confidentiality: str) -> str:
    if confidentiality == MEDIATION_PRIVILEGED:
        return MEDIATION
    return OUT_OF_SCOPE if confidentiality == "ordinary" else PRIVILEGED


def _pieces(token: str, manifest: DisclosureManifest, records: Sequence[StoredRecord]) -> Iterator[Piece]:
    encoder = FrameEncoder()
    yield encoder.manifest(token)
    for record in records:
        entry = manifest.entry(record.seq)
        if entry is None or entry.status != "disclosed":
            continue
        yield encoder.record(record.seq, _shown(record.text, entry))
        for name, payload in record.payloads:
            if name not in entry.unsent:
                yield encoder.payload_head(record.seq, name, payload.size)
                yield payload
    yield encoder.end()


def _shown(text: str, entry: ManifestEntry) -> str:
    if not entry.members:
        return text
    return present(text, [name for name in parse_sd_jwt(text).disclosed if name not in entry.members])
