"""The worked example of statement.md."""

from __future__ import annotations

from relay.core.statement import (
    PlatformFacts,
    PlatformNode,
    PlatformSoftware,
    StatementDraft,
    make_statement,
    statement_digest,
)
from tests.spec.actors import BANK_LEDGER, KEYS, PLATFORM, at
from tests.spec.evidence import claims, header_of


def stating() -> dict[str, str]:
    """Version 1 of the statement of the platform behind the lender's ledger."""
    facts = PlatformFacts(
        operator="Harbour Evidence Alliance Ltd.",
        relation="The operator is no party to any loan. The lender runs node v1 and holds no share of the operator.",
        filings=("Blockchain information service filing 0000-2025",),
        certificates=(),
        protection_level="Level 3, assessed 2025-06",
        cryptography="",
        nodes=(
            PlatformNode(name="v1", operator="Harbour Bank"),
            PlatformNode(name="v2", operator="Riverside Notary Office"),
            PlatformNode(name="v3", operator="Alliance"),
        ),
        algorithms=("Ed25519", "SHA-256"),
        software=(PlatformSoftware(name="courtrelay", version="0.1.0"),),
        contact="evidence@alliance.example",
    )
    draft = StatementDraft(
        iss=PLATFORM, ledger=BANK_LEDGER, version=1, previous="", valid_from=at("00:00:00"), facts=facts
    )
    key = KEYS["platform"]
    token = make_statement(draft, iat=at("07:00:00"), public_key=key.public, sign=key.sign)
    return {
        "platform-header": header_of(token),
        "platform-claims": claims(token),
        "platform-token": token,
        "platform-digest": statement_digest(token).hex(),
    }
