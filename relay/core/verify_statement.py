"""Step 16: what the platforms behind the two ledgers state of themselves (docs/spec/statement.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relay.core.bundle import parse_ledger_proof, statement_part
from relay.core.checks import Verifiers, check_custody_head, check_ledger_fact, same
from relay.core.custody import custody_entry, parse_event
from relay.core.errors import Malformed, Unverified
from relay.core.evidence import Evidence, StatementShown
from relay.core.jose import verify_jws
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import BUNDLE_STATEMENTS_MAX, CUSTODY_EVENT_BYTES_MAX, FUTURE_SKEW_S
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.statement import PlatformStatement, PublishedStatement, check_succession, parse_statement, valid_at
from relay.core.tlogproof import parse_tlog_proof
from relay.core.trust import TrustedKey, TrustRoots, Unpinned

_STEP: Final = "platform statement"
_PART: Final = re.compile(r"platform/.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEvidence:
    """What shows that a statement was published: custody event, its tlog-proof, the court ledger's proof of that head."""

    event: bytes
    proof: bytes
    anchor: LedgerProof


def check_published(
    statement: PlatformStatement, evidence: StatementEvidence, court: str, trust: TrustRoots, verifiers: Verifiers
) -> PublishedStatement:
    """The event that names it stands in the court's custody log, under a head on the court's ledger; the platform's key signed it.

    The key is judged at the block's time, which its holder cannot choose. Raises `Unpinned`, `Unverified`, `Malformed`.
    """
    root = trust.court(court)
    if not root.origin:
        raise Unpinned(_STEP, f"no custody log of {court} is pinned")
    event = parse_event(evidence.event)
    same(_STEP, "the event's action and outcome", (event.action, event.outcome), ("statement", "published"))
    same(_STEP, "the event's statement", event.subject.get("statement"), statement.digest.hex())
    proof = parse_tlog_proof(evidence.proof)
    same(_STEP, "the proof's extra data", proof.extra, None)
    fact = check_ledger_fact(
        _STEP, evidence.anchor, root.ledger, {"type": "custody", "origin": root.origin}, trust, verifiers
    )
    head = check_custody_head(proof.checkpoint, trust, origin=root.origin, party=court, at_ms=fact.time_ms)
    same(_STEP, "the head on the ledger", (fact.fact.get("size"), fact.fact.get("root")), (head.size, head.root.hex()))
    verify_inclusion(leaf_hash(custody_entry(evidence.event)), proof.index, head.size, proof.hashes, head.root)
    verify_jws(statement.jws, check_signer(statement, trust, fact.time_ms).public_key)
    return PublishedStatement(statement=statement, published_ms=fact.time_ms)


def check_signer(statement: PlatformStatement, trust: TrustRoots, at_ms: int) -> TrustedKey:
    """The platform's key that spoke for this ledger at that time. Raises `Unpinned`, `Unverified`."""
    draft, kid = statement.draft, statement.jws.kid
    wanted = ("platform", draft.ledger, draft.iss, kid)
    known = [key for key in trust.pinned_keys if (key.use, key.name, key.party, key.kid) == wanted]
    if not known:
        raise Unpinned(_STEP, f"{kid} is not pinned as a platform key of {draft.iss} for {draft.ledger}")
    for key in known:
        if not key.why_not(at_ms):
            return key
    raise Unverified(_STEP, f"its key {kid} {known[0].why_not(at_ms)}")


def platform_statements(e: Evidence) -> str:
    """Every statement that is there holds; for each checkpoint and ledger the version valid at that time is chosen."""
    manifest = e.need_manifest()
    count = _count(e)
    if not count:
        return "no platform statement"
    times = {e.trust.log(manifest.origin).ledger: dict(e.anchored_ms)}
    court_times = times.setdefault(e.trust.court(manifest.court).ledger, {})
    for anchor, time_ms in e.accepted_ms.items():
        court_times.setdefault(anchor, time_ms)
    by_ledger: dict[str, list[PublishedStatement]] = {}
    ignored = 0
    for number in range(count):
        published = _one(e, number, set(times))
        if published is None:
            ignored += 1
        else:
            by_ledger.setdefault(published.statement.draft.ledger, []).append(published)
    for ledger, published_ones in sorted(by_ledger.items()):
        published_ones.sort(key=lambda p: p.statement.draft.version)
        check_succession([p.statement for p in published_ones])
        e.statements += _chosen(published_ones, times[ledger])
    later = sum(shown.stated_later for shown in e.statements)
    said = f"{len(e.statements)} platform statements" + f", {later} of them stated later than what they cover" * (
        later > 0
    )
    return said + f"; {ignored} of platforms without a pinned key were not considered" * (ignored > 0)


def _count(e: Evidence) -> int:
    """How many statements there are. Raises `Unverified` for parts that belong to none."""
    count = 0
    known: set[str] = set()
    while count < BUNDLE_STATEMENTS_MAX and statement_part(count, "jwt") in e.parts:
        known.update(statement_part(count, suffix) for suffix in ("jwt", "event.json", "tlog-proof", "anchor.json"))
        count += 1
    for name in sorted(set(filter(_PART.fullmatch, e.parts)) - known):
        raise Unverified(_STEP, f"{name} belongs to no statement, or one before it is missing")
    return count


def _one(e: Evidence, number: int, ledgers: set[str]) -> PublishedStatement | None:
    """None when no platform key is pinned for its ledger at all: then nobody here has said whom to believe."""
    manifest = e.need_manifest()
    name = statement_part(number, "jwt")
    try:
        statement = parse_statement(e.part(name))
        ledger = statement.draft.ledger
        if ledger not in ledgers:
            raise Unverified(_STEP, f"is about {ledger}, on which nothing of this bundle stands")
        anchor = statement_part(number, "anchor.json")
        evidence = StatementEvidence(
            event=e.part(statement_part(number, "event.json"), bytes_max=CUSTODY_EVENT_BYTES_MAX),
            proof=e.part(statement_part(number, "tlog-proof")),
            anchor=parse_ledger_proof(e.part(anchor), what=anchor),
        )
        if not any(key.use == "platform" and key.name == ledger for key in e.trust.pinned_keys):
            return None
        published = check_published(statement, evidence, manifest.court, e.trust, e.verifiers)
        if published.published_ms > (manifest.made_at_s + FUTURE_SKEW_S) * 1000:
            raise Unverified(_STEP, "was published after the time that this bundle's seal bears")
    except Unpinned:
        raise
    except Unverified as error:
        raise Unverified(error.step, f"{name}: {error.reason}") from None
    except Malformed as error:
        raise Malformed(error.what, error.field, f"{error.reason} ({name})") from None
    return published


def _chosen(published: list[PublishedStatement], times: dict[int, int]) -> list[StatementShown]:
    """For one ledger: each version that was valid at some checkpoint's time, with the checkpoints it is valid for."""
    found: dict[tuple[int, bool], tuple[PublishedStatement, list[int]]] = {}
    for anchor, at_ms in sorted(times.items()):
        chosen = valid_at(published, at_ms)
        if chosen is not None:
            one, later = chosen
            found.setdefault((one.statement.draft.version, later), (one, []))[1].append(anchor)
    return [
        StatementShown(published=one, anchors=tuple(anchors), stated_later=later)
        for (_, later), (one, anchors) in sorted(found.items(), key=lambda item: item[0])
    ]
