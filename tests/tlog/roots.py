"""Trust roots that pin the written log, on its own ledger, and one witness of a court."""

from __future__ import annotations

from relay.core.trust import CourtRoot, LogRoot, TrustedKey, TrustRoots
from tests.tlog.bench import FOREVER_MS, LEDGER, root_of
from tests.tlog.writer import LOG, NOW_S, ORIGIN, WITNESSES

LENDER = "spiffe://bank.example/custodian/harbour"
COURT = "spiffe://court.example/court/first"


def pinned(*, from_s: int = NOW_S - 86_400, days: int = 90) -> TrustRoots:
    log = TrustedKey(
        use="log", party=LENDER, name=ORIGIN, public_key=LOG.public, valid_from_ms=0, valid_to_ms=FOREVER_MS
    )
    witness = TrustedKey(
        use="witness",
        party=COURT,
        name=WITNESSES[0].name,
        public_key=WITNESSES[0].public,
        valid_from_ms=0,
        valid_to_ms=FOREVER_MS,
    )
    return TrustRoots(
        version=1,
        issued_at_s=from_s,
        expires_at_s=from_s + days * 86_400,
        pinned_keys=(log, witness),
        logs=(LogRoot(origin=ORIGIN, party=LENDER, ledger=LEDGER),),
        ledgers=(root_of(),),
        courts=(CourtRoot(party=COURT, ledger=LEDGER),),
        witness_quorum=1,
    )
