"""The proof that one projected event stands in a log: a C2SP tlog-proof whose `extra` says the event (docs/spec/projection.md).

Offline it shows that the lender's log holds an entry made of exactly this event, signed and cosigned; that the event is on the ledger
is shown by reading the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.canonical import Fields, dumps, loads
from relay.core.checkpoint import Checkpoint, parse_checkpoint, verify_cosignatures
from relay.core.checks import check_log_signature
from relay.core.errors import Malformed, Unverified
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.note import VerifierKey
from relay.core.projection import PLACE_MAX, LedgerEvent, ProjectedDossier, ProjectedEvent, projected_entry
from relay.core.tlogproof import TlogProof, format_tlog_proof, parse_tlog_proof
from relay.core.trust import TrustRoots

FORMAT: Final = "courtrelay-projected/v1"
EXTRA_BYTES_MAX: Final = 4096
_WHAT: Final = "projected event"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEvent:
    """What a proof shows. `witnesses`: pinned ones whose cosignature holds, with its time in seconds."""

    event: LedgerEvent
    seq: int
    index: int
    checkpoint: Checkpoint
    witnesses: tuple[tuple[str, int], ...]


def make_proof(one: ProjectedEvent, index: int, hashes: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The proof's bytes; `checkpoint` is a note, `hashes` the inclusion proof in its tree."""
    event = one.event
    extra = dumps(
        {
            "format": FORMAT,
            "emitter": event.emitter,
            "kind": event.kind.hex(),
            "height": event.height,
            "block_hash": event.block_hash.hex(),
            "log": event.log,
            "dossier": event.dossier.hex(),
            "digest": event.digest.hex(),
            "time": event.time,
            "seq": one.seq,
            "first_block": one.dossier.first_block.hex(),
            "first_log": one.dossier.first_log,
        }
    )
    return format_tlog_proof(TlogProof(index=index, hashes=tuple(hashes), checkpoint=checkpoint, extra=extra))


def read_extra(data: bytes) -> tuple[LedgerEvent, ProjectedDossier, int]:
    """The event, where its dossier begins, and its place in the dossier. Raises `Malformed`."""
    fields = Fields(loads(data, what=_WHAT, bytes_max=EXTRA_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    event = LedgerEvent(
        emitter=fields.identifier("emitter"),
        kind=bytes.fromhex(fields.digest("kind")),
        height=fields.integer("height", high=PLACE_MAX),
        block_hash=bytes.fromhex(fields.digest("block_hash")),
        log=fields.integer("log", high=PLACE_MAX),
        dossier=bytes.fromhex(fields.digest("dossier")),
        digest=bytes.fromhex(fields.digest("digest")),
        time=fields.integer("time", high=PLACE_MAX),
    )
    seq = fields.integer("seq")
    first = (bytes.fromhex(fields.digest("first_block")), fields.integer("first_log", high=PLACE_MAX))
    fields.done()
    if (first == (event.block_hash, event.log)) != (seq == 0):
        raise Malformed(_WHAT, "first_block", "a dossier's first event, and no other, has seq 0")
    return event, ProjectedDossier(first_block=first[0], first_log=first[1], count=seq + 1), seq


def verify_proof(data: bytes, trust: TrustRoots, now_ms: int) -> ProvenEvent:
    """Raises `Malformed`, `Unverified`."""
    # 1. The file is a tlog-proof whose extra is an event.
    proof = parse_tlog_proof(data)
    if proof.extra is None:
        raise Malformed(_WHAT, "extra", "is missing: the proof is of no projected event")
    event, dossier, seq = read_extra(proof.extra)
    # 2. The log's key signed the checkpoint, and was valid when it did.
    checkpoint, witnesses = check_signatures(proof.checkpoint, trust, now_ms)
    # 3. The entry that the event gives stands at the index in the checkpoint's tree.
    if proof.index >= checkpoint.size:
        raise Unverified("inclusion", f"index {proof.index} is beyond the checkpoint's size {checkpoint.size}")
    leaf = leaf_hash(projected_entry(event, dossier, seq))
    verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return ProvenEvent(event=event, seq=seq, index=proof.index, checkpoint=checkpoint, witnesses=witnesses)


def check_signatures(note: bytes, trust: TrustRoots, now_ms: int) -> tuple[Checkpoint, tuple[tuple[str, int], ...]]:
    """The checkpoint, and the pinned witnesses that cosigned it. Raises `Malformed`, `Unverified`.

    The log's key must have been valid at the first cosignature's time, by which the checkpoint was signed; without one, now.
    """
    _, parsed = parse_checkpoint(note)
    pinned = {VerifierKey.cosigner(k.name, k.public_key): k for k in trust.pinned_keys if k.use == "witness"}
    cosigned = verify_cosignatures(parsed, list(pinned))
    good = sorted({(key.name, time_s) for key, time_s in cosigned if not pinned[key].why_not(time_s * 1000)})
    at_ms = min((time_s * 1000 for _, time_s in good), default=now_ms)
    return check_log_signature(note, trust, at_ms), tuple(good)
