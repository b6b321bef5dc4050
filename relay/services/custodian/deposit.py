"""Deposit: sign a dossier's records, append them to the evidence log, and answer with their log indices.

Store, then answer: an index is given only for what is durable. Depositing the same record again gives its old index; another
record under the same seq is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.custody import make_event
from relay.core.deposit import input_digest
from relay.core.dossier import make_entry, new_dossier_id, new_dossier_key, tag
from relay.core.errors import Malformed, RelayError
from relay.core.fields import check_plain
from relay.core.records import RecordDraft, issue_record, sd_jwt_text
from relay.core.tombstone import parse_tombstone
from relay.ports.common import Clock, RandomBytes, RecordCatalogue, Signer
from relay.ports.custodian import CustodianStore, DossierState, NewRecord, PayloadVault
from relay.services.custodian.intake import DossierIntake, TakenRecord, line_name

REFERENCE_CHARS_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDossier:
    """What a deposit answers: the dossier's id, the log index of each record sent, how many were there before."""

    reference: str
    dossier: str
    indices: tuple[int, ...]
    already_stored: int


class Deposits:
    """Serves deposits of many callers; one dossier is stored at a time."""

    def __init__(
        self,
        *,
        identity: str,
        store: CustodianStore,
        vault: PayloadVault,
        catalogue: RecordCatalogue,
        signer: Signer,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._identity = identity
        self._store = store
        self._vault = vault
        self._catalogue = catalogue
        self._signer = signer
        self._clock = clock
        self._random = random_bytes
        self._storing = asyncio.Lock()
        self._running: set[asyncio.Task[StoredDossier]] = set()
        self.grown = asyncio.Event()

    def begin(self, reference: str) -> DossierIntake:
        """Start a dossier's deposit. Raises `Malformed`."""
        check_plain(reference, "deposit", "reference", chars_max=REFERENCE_CHARS_MAX)
        return DossierIntake(reference, self._catalogue, self._vault, self._clock)

    async def store(self, intake: DossierIntake) -> StoredDossier:
        """Store what arrived, all or nothing, and take the intake over. Raises `Malformed` named by line and field.

        Whoever hangs up now does not stop it half way: records must never be stored without their payloads. Payloads of a
        refused dossier are discarded here; after any other failure they stay until the next start sweeps the vault, for it
        is not known whether the records that name them were committed.
        """
        task = asyncio.create_task(self._store_or_discard(intake), name="store dossier")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _store_or_discard(self, intake: DossierIntake) -> StoredDossier:
        try:
            return await self._store_all(intake)
        except RelayError:
            await asyncio.to_thread(intake.discard)
            raise

    async def _store_all(self, intake: DossierIntake) -> StoredDossier:
        taken = intake.taken()
        digests = [input_digest(r.line, r.digests()) for r in taken]
        async with self._storing:
            held = await self._store.find_dossier(intake.reference)
            if held is None:
                await self._refuse_erased(intake.reference)
                dossier = DossierState(id=new_dossier_id(self._random), key=new_dossier_key(self._random), digests=())
            else:
                dossier = held
            known = _match(taken, digests, dossier.digests)
            fresh = taken[known:]
            if fresh:
                records = await asyncio.to_thread(self._sign, dossier, fresh, digests[known:])
                await asyncio.to_thread(self._vault.sync)
                await self._store.append_records(intake.reference, dossier, records, self._event(dossier, records))
            indices = await self._store.indices(dossier.id)
        await asyncio.to_thread(self._discard, taken[:known])
        self.grown.set()
        first = taken[0].line.seq
        return StoredDossier(
            reference=intake.reference,
            dossier=dossier.id,
            indices=tuple(indices[first : first + len(taken)]),
            already_stored=known,
        )

    async def _refuse_erased(self, reference: str) -> None:
        """What was erased does not come back by depositing an old folder again. Raises `Malformed`."""
        for held in await self._store.tombstones(reference):
            if held.whole:
                said = parse_tombstone(held.token).words()
                raise Malformed("deposit", "dossier", f"was {said}; another loan needs a reference of its own")

    def _sign(self, dossier: DossierState, taken: Sequence[TakenRecord], digests: Sequence[bytes]) -> list[NewRecord]:
        now_s = self._clock.now_ms() // 1000
        return [self._sign_one(dossier, r, digest, now_s) for r, digest in zip(taken, digests, strict=True)]

    def _sign_one(self, dossier: DossierState, taken: TakenRecord, digest: bytes, now_s: int) -> NewRecord:
        line = taken.line
        draft = RecordDraft(
            iss=self._identity,
            dossier=dossier.id,
            seq=line.seq,
            kind=line.kind,
            kind_version=line.kind_version,
            event_time_s=line.event_time_s,
            recorded_time_s=now_s,
            confidentiality=taken.confidentiality,
            retention=taken.kind.retention,
            provenance=line.provenance,
            fields=line.fields,
            payloads=taken.digests(),
            supersedes=line.supersedes,
        )
        try:
            issued = issue_record(draft, taken.kind.personal, self._signer.public_key, self._signer.sign, self._random)
        except Malformed as error:
            raise error.within(line_name(taken.number)) from None
        return NewRecord(
            seq=line.seq,
            kind=line.kind,
            event_time_s=line.event_time_s,
            confidentiality=taken.confidentiality,
            text=sd_jwt_text(issued.jws, issued.disclosures),
            entry=make_entry(tag(dossier.key, line.seq), issued.commitment),
            input_digest=digest,
            payloads=tuple((declared.name, stored) for declared, stored in taken.payloads),
        )

    def _event(self, dossier: DossierState, records: Sequence[NewRecord]) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=self._identity,
            action="deposit",
            subject={"dossier": dossier.id},
            outcome="stored",
            detail=f"seq {records[0].seq} to {records[-1].seq}",
            random_bytes=self._random,
        )

    def _discard(self, taken: Sequence[TakenRecord]) -> None:
        """Payloads that came a second time are not kept twice."""
        for record in taken:
            for _, stored in record.payloads:
                self._vault.discard(stored)


def _match(taken: Sequence[TakenRecord], digests: Sequence[bytes], held: Sequence[bytes]) -> int:
    """How many of the records are stored already. Raises `Malformed` for a gap or another record under a stored seq."""
    first = taken[0]
    if first.line.seq > len(held):
        reason = f"is {first.line.seq}, but the dossier has {len(held)} records: the next seq is {len(held)}"
        raise Malformed(line_name(first.number), "seq", reason)
    known = 0
    for record, digest in zip(taken, digests, strict=True):
        if record.line.seq >= len(held):
            break
        if not held[record.line.seq]:
            reason = f"seq {record.line.seq} was erased and is not taken in again; deposit the records after it alone"
            raise Malformed(line_name(record.number), "seq", reason)
        if held[record.line.seq] != digest:
            reason = (
                f"seq {record.line.seq} is stored with other content; a correction is a new record that supersedes it"
            )
            raise Malformed(line_name(record.number), "seq", reason)
        known += 1
    return known
