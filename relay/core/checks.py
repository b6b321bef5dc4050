"""Single checks of evidence, shared by the court gateway (on arrival) and the offline verifier.

Each returns what it showed and raises `Unverified` (it contradicts), `Unpinned` (the trust roots do not say) or `Malformed`. The caller,
never the evidence, says which keys, ledgers and proof formats count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relay.core.bundle import Seal
from relay.core.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint, verify_cosignatures
from relay.core.completeness import Completeness
from relay.core.disclosure import DisclosureManifest, ManifestEntry
from relay.core.dossier import tag
from relay.core.errors import Unverified
from relay.core.grants import Grant, opens, opens_member, opens_payloads
from relay.core.jose import thumbprint, verify_jws
from relay.core.ledgerproof import LedgerProof, LedgerProofVerifier, ProvenFact
from relay.core.limits import FUTURE_SKEW_S
from relay.core.note import VerifierKey
from relay.core.records import Record
from relay.core.requests import RetrievalRequest
from relay.core.tombstone import check_erased
from relay.core.trust import TrustedKey, TrustRoots, Unpinned
from relay.core.verdict import Finding

Verifiers = Mapping[str, LedgerProofVerifier]
"""Proof kind → the verifier of its ledger family."""


def same(step: str, what: str, found: object, expected: object) -> None:
    """Two values that must be equal. Raises `Unverified`."""
    if found != expected:
        raise Unverified(step, f"{what} is {found}, expected {expected}")


def check_ledger_fact(
    step: str, proof: LedgerProof, ledger: str, wanted: Mapping[str, object], trust: TrustRoots, verifiers: Verifiers
) -> ProvenFact:
    """The proof shows that this ledger holds a transaction with these members in a final block."""
    same(step, "the proof's ledger", proof.ledger, ledger)
    root = trust.ledger_root(ledger)
    verifier = verifiers.get(root.kind)
    if verifier is None:
        raise Unpinned(step, f"no verifier for ledger proofs of kind {root.kind} is installed here")
    same(step, "the proof's kind", proof.kind, root.kind)
    fact = verifier(proof, root)
    for name, value in wanted.items():
        same(step, f"the ledger's {name}", fact.fact.get(name), value)
    return fact


def check_anchor(proof: LedgerProof, checkpoint: Checkpoint, trust: TrustRoots, verifiers: Verifiers) -> ProvenFact:
    """The checkpoint's facts stand on the ledger pinned for its origin."""
    wanted = {"type": "anchor", **_facts(checkpoint)}
    return check_ledger_fact("anchor", proof, trust.log(checkpoint.origin).ledger, wanted, trust, verifiers)


def check_receipt(
    proof: LedgerProof, checkpoint: Checkpoint, court: str, trust: TrustRoots, verifiers: Verifiers
) -> ProvenFact:
    """The court's ledger accepted exactly this checkpoint."""
    wanted = {"type": "checkpoint", **_facts(checkpoint)}
    return check_ledger_fact("receipt", proof, trust.court(court).ledger, wanted, trust, verifiers)


def _facts(checkpoint: Checkpoint) -> dict[str, object]:
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}


def check_log_signature(note: bytes, trust: TrustRoots, at_ms: int) -> Checkpoint:
    """Signed by a key of its log that was valid at that time (ms)."""
    checkpoint, _ = parse_checkpoint(note)
    trust.keys("log", name=checkpoint.origin, at_ms=at_ms)
    known = [key for key in trust.pinned_keys if key.use == "log" and key.name == checkpoint.origin]
    return signed_when_valid(note, known, at_ms)


def check_custody_head(note: bytes, trust: TrustRoots, *, origin: str, party: str, at_ms: int) -> Checkpoint:
    """Signed by a key of that custody log that was valid at that time (ms)."""
    return signed_when_valid(note, trust.keys("custody", name=origin, party=party, at_ms=at_ms), at_ms)


def signed_when_valid(note: bytes, known: Sequence[TrustedKey], at_ms: int) -> Checkpoint:
    """The checkpoint when one of these keys signed it and was valid at that time: while a key is changed, two are.

    Raises `Malformed`, `Unverified` that names the keys that signed it out of their time.
    """
    late = []
    for key in known:
        try:
            checkpoint = verify_checkpoint(note, VerifierKey.ed25519(key.name, key.public_key))
        except Unverified:
            continue
        why_not = key.why_not(at_ms)
        if not why_not:
            return checkpoint
        late.append(f"; {key.kid}, which did, {why_not}")
    raise Unverified("log signature", "no pinned key valid at that time signed this checkpoint" + "".join(late))


def check_witnesses(note: bytes, trust: TrustRoots, *, anchored_ms: int) -> list[str]:
    """Names of pinned witnesses that cosigned while their keys were valid; at least the quorum.

    A witness cosigns what is anchored: a cosignature dated before that says what its key's holder could not know, and a
    key stolen later cannot be dated back past its revocation.
    """
    _, parsed = parse_checkpoint(note)
    pinned = [key for key in trust.pinned_keys if key.use == "witness"]
    keys = {VerifierKey.cosigner(key.name, key.public_key): key for key in pinned}
    good = set()
    for verifier_key, time_s in verify_cosignatures(parsed, list(keys)):
        if time_s * 1000 < anchored_ms - FUTURE_SKEW_S * 1000:
            continue
        if not keys[verifier_key].why_not(time_s * 1000):
            good.add(verifier_key.name)
    if len(good) < trust.witness_quorum:
        raise Unverified("witnesses", f"{len(good)} pinned witnesses cosigned, {trust.witness_quorum} are needed")
    return sorted(good)


def check_grant(grant: Grant, trust: TrustRoots, *, lender: str, court: str, dossier: str, case: str) -> None:
    """Signed by the lender's grant key, and about this court, case and dossier."""
    step = "grant"
    same(step, "its issuer", grant.iss, lender)
    same(step, "its court", grant.aud, court)
    same(step, "its case", grant.case, case)
    if dossier not in grant.dossiers:
        raise Unverified(step, f"does not name dossier {dossier}")
    key = trust.key_for_kid("grant", grant.jws.kid, lender, grant.iat * 1000)
    verify_jws(grant.jws, key.public_key)


def check_registration(
    proof: LedgerProof, grant: Grant, court: str, trust: TrustRoots, verifiers: Verifiers
) -> ProvenFact:
    """The grant's digest was registered on the court's ledger while the grant's key was valid: its own `iat` is only its word."""
    wanted = {"type": "grant", "action": "register", "grant": grant.digest.hex(), "issuer": grant.iss, "exp": grant.exp}
    fact = check_ledger_fact("grant registration", proof, trust.court(court).ledger, wanted, trust, verifiers)
    trust.key_for_kid("grant", grant.jws.kid, grant.iss, fact.time_ms)
    return fact


def check_request(request: RetrievalRequest, grant: Grant, trust: TrustRoots) -> None:
    """Signed by the key the grant is bound to, under this grant, while it was valid and the key not revoked."""
    step = "request"
    same(step, "its grant", request.grant, grant.digest.hex())
    same(step, "its court", request.iss, grant.aud)
    same(step, "its custodian", request.aud, grant.iss)
    same(step, "its key", request.jws.kid, thumbprint(grant.request_key))
    verify_jws(request.jws, grant.request_key)
    trust.refuse_revoked("request", request.jws.kid, grant.aud, request.iat * 1000)
    if not grant.nbf <= request.iat < grant.exp:
        raise Unverified(step, f"was made at {request.iat}, the grant is valid from {grant.nbf} to {grant.exp}")
    if grant.mode != "retrieve":
        raise Unverified(step, "the grant permits verification only, not retrieval")


def check_disclosure(
    manifest: DisclosureManifest, grant: Grant, request: RetrievalRequest, dossier: str, trust: TrustRoots
) -> None:
    """The lender's own list of all records, answering this request for this dossier; what it calls erased has its tombstone."""
    step = "disclosure"
    same(step, "its issuer", manifest.iss, grant.iss)
    same(step, "its court", manifest.aud, grant.aud)
    same(step, "its grant", manifest.grant, grant.digest.hex())
    same(step, "its request", manifest.request, request.digest.hex())
    same(step, "its dossier", manifest.dossier, dossier)
    key = trust.key_for_kid("record", manifest.jws.kid, manifest.iss, manifest.iat * 1000)
    verify_jws(manifest.jws, key.public_key)
    if not request.iat - FUTURE_SKEW_S <= manifest.iat <= request.exp + FUTURE_SKEW_S:
        raise Unverified(step, f"is dated {manifest.iat}, the request holds from {request.iat} to {request.exp}")
    check_erased(manifest.entries, manifest.tombstones, lender=manifest.iss, dossier=dossier, trust=trust)


def check_seal(seal: Seal, digest: bytes, court: str, made_at_s: int, trust: TrustRoots) -> None:
    """The court's seal over the manifest's bytes."""
    step = "seal"
    same(step, "its court", seal.iss, court)
    same(step, "its manifest", seal.manifest, digest.hex())
    same(step, "its time", seal.iat, made_at_s)
    key = trust.key_for_kid("seal", seal.jws.kid, court, seal.iat * 1000)
    verify_jws(seal.jws, key.public_key)


def check_completeness(
    statement: Completeness,
    *,
    court: str,
    origin: str,
    dossier: str,
    key: bytes,
    checkpoint: Checkpoint,
    trust: TrustRoots,
) -> None:
    """The court's statement is about this dossier and this tree, and its absent tag is the next one."""
    step = "completeness"
    same(step, "its court", statement.iss, court)
    same(step, "its log", statement.origin, origin)
    same(step, "its dossier", statement.dossier, dossier)
    same(step, "its size", statement.size, checkpoint.size)
    same(step, "its root", statement.root.hex(), checkpoint.root.hex())
    same(step, "its absent tag", statement.absent_tag.hex(), tag(key, statement.count).hex())
    pinned = trust.key_for_kid("seal", statement.jws.kid, court, statement.iat * 1000)
    verify_jws(statement.jws, pinned.public_key)


def check_record(
    record: Record,
    *,
    entry: ManifestEntry,
    lender: str,
    dossier: str,
    commitment: bytes,
    anchored_ms: int,
    trust: TrustRoots,
) -> None:
    """The record is the committed one, signed by the lender's key valid at anchoring, and what the lender's list says it is."""
    step = "record"
    same(step, "its commitment", record.commitment.hex(), commitment.hex())
    same(step, "its issuer", record.iss, lender)
    same(step, "its dossier", record.dossier, dossier)
    same(step, "its seq", record.seq, entry.seq)
    same(step, "its kind", record.kind, entry.kind)
    same(step, "its event time", record.event_time_s, entry.event_time_s)
    key = trust.key_for_kid("record", record.jws.kid, lender, anchored_ms)
    verify_jws(record.jws, key.public_key)
    if record.recorded_time_s * 1000 > anchored_ms + FUTURE_SKEW_S * 1000:
        raise Unverified(step, "says it was recorded after it was anchored")


def check_scope(record: Record, entry: ManifestEntry, grant: Grant) -> None:
    """Nothing beyond the grant is shown, and what is not shown is what the lender's list calls withheld."""
    step = "scope"
    if not opens(grant, kind=record.kind, confidentiality=record.confidentiality):
        raise Unverified(step, f"a {record.kind} record of class {record.confidentiality} is beyond the grant")
    beyond = [name for name in record.disclosed if not opens_member(grant, kind=record.kind, member=name)]
    if beyond:
        raise Unverified(step, f"shows {', '.join(sorted(beyond))} beyond the grant")
    both = sorted(set(entry.members) & set(record.disclosed))
    if both:
        raise Unverified(step, f"shows {', '.join(both)}, which the lender's list calls withheld")
    if record.hidden != len(entry.members):
        named = ", ".join(entry.members) or "none"
        raise Unverified(step, f"hides {record.hidden} personal members, the lender's list names {named}")


def check_sent_payload(name: str, entry: ManifestEntry, grant: Grant) -> None:
    """A payload that is there may be there."""
    if name in entry.unsent:
        raise Unverified("scope", f"payload {name} is there, though the lender's list calls it {entry.unsent[name]}")
    if not opens_payloads(grant, kind=entry.kind):
        raise Unverified("scope", f"payload {name} is beyond the grant")


def absent_payload(name: str, entry: ManifestEntry) -> tuple[Finding, str]:
    """What it means that a payload is not there, by the lender's own signed word: CONSISTENT when it is withheld."""
    why = entry.unsent.get(name)
    if why == "withheld":
        return Finding.CONSISTENT, ""
    if why == "lost":
        return Finding.UNVERIFIABLE, f"payload {name} is lost: its file is gone from the lender's vault"
    if why == "altered":
        return (
            Finding.INCONSISTENT,
            f"payload {name} was altered in the lender's vault, as the lender's own check found",
        )
    return Finding.INCONSISTENT, f"payload {name} is missing, though the lender's list says that it is sent"
