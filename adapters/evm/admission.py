"""What a writer of the court's chain refuses before it sends: the contract checks growth, it cannot check Ed25519 signatures or proofs.

Without trust roots in the configuration only the form is checked; whoever relies on the chain checks all of it again anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from adapters.evm.proof import ATTESTED, QBFT, check_body, verify_attested, verify_qbft
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.checks import Verifiers, check_anchor, check_log_signature, check_witnesses, signed_when_valid
from relay.core.errors import Denied, Unverified
from relay.core.grants import GrantStatement, parse_grant_statement, verify_grant_statement
from relay.core.trust import TrustRoots
from relay.ports.ledgers import Submission

OWN: Final[Verifiers] = {ATTESTED: verify_attested, QBFT: verify_qbft}
"""This family's proofs, by kind. A lender's ledger may be of another: whoever opens a court gives the verifiers."""


class Admission:
    """Checks against pinned keys and ledgers. Raises `Denied` (not pinned at all), `Unverified`, `Malformed`."""

    def __init__(self, trust: TrustRoots | None, verifiers: Verifiers, now_ms: Callable[[], int]) -> None:
        self._trust = trust
        self._verifiers = verifiers
        self._now_ms = now_ms

    def submission(self, submission: Submission) -> Checkpoint:
        """The checkpoint: anchored on its lender's ledger, signed by its log, cosigned by witnesses."""
        checkpoint, _ = parse_checkpoint(submission.checkpoint)
        check_body(submission.anchor)
        if self._trust is None:
            return checkpoint
        if all(log.origin != checkpoint.origin for log in self._trust.logs):
            raise Denied(f"origin {checkpoint.origin} is not pinned here")
        proven = check_anchor(submission.anchor, checkpoint, self._trust, self._verifiers)
        check_log_signature(submission.checkpoint, self._trust, proven.time_ms)
        try:
            check_witnesses(submission.checkpoint, self._trust, anchored_ms=proven.time_ms)
        except Unverified as error:
            raise Unverified("witness", f"too few cosignatures: {error.reason}") from None
        return checkpoint

    def custody(self, note: bytes) -> Checkpoint:
        """The head of a custody log, signed by a key of it that counts now."""
        checkpoint, _ = parse_checkpoint(note)
        if self._trust is None:
            return checkpoint
        keys = [key for key in self._trust.pinned_keys if key.use == "custody" and key.name == checkpoint.origin]
        if not keys:
            raise Denied(f"custody log {checkpoint.origin} is not pinned here")
        return signed_when_valid(note, keys, self._now_ms())

    def statement(self, data: bytes) -> GrantStatement:
        """A lender's statement on a grant, signed by a grant key of it that counts now."""
        statement = parse_grant_statement(data)
        if self._trust is None:
            return statement
        if all(key.party != statement.iss for key in self._trust.pinned_keys if key.use == "grant"):
            raise Denied(f"no grant key of {statement.iss} is pinned here")
        key = self._trust.key_for_kid("grant", statement.jws.kid, statement.iss, self._now_ms())
        verify_grant_statement(statement, key.public_key)
        return statement
