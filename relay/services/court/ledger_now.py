"""What the court's own ledger says at this moment, asked and checked, for results that speak of "now".

An answer that does not come is never taken for a good one: the step then could not run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.checks import Verifiers, check_receipt
from relay.core.errors import Malformed, NotFound, RelayError, Unverified
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Result
from relay.ports.court import CourtStore
from relay.ports.ledgers import CourtRegistry, GrantState, Receipt
from relay.services.court.said import Text

ASK_WITHIN_S: Final = 10.0
LEDGER_NOW: Final = Text("The court's ledger")
GRANT_NOW: Final = Text("The grant on the court's ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStep:
    """One step. `said` is a sentence of the core that belongs to it, such as why a proof does not hold."""

    name: Text
    result: Result
    detail: Text
    said: str = ""


class LedgerNow:
    """Asks the ledger. No method raises for what the ledger says or does not say."""

    def __init__(
        self, identity: str, store: CourtStore, registry: CourtRegistry, trust: TrustRoots, verifiers: Verifiers
    ) -> None:
        self._identity = identity
        self._store = store
        self._registry = registry
        self._trust = trust
        self._verifiers = verifiers

    async def holds(self, known: Checkpoint, court: str) -> CheckStep:
        """The newest accepted checkpoint of the log is this one or extends it."""
        if court != self._identity:
            return _open(LEDGER_NOW, _other_court(court))
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                newest = await self._registry.latest(known.origin)
                if newest is None:
                    return _bad(LEDGER_NOW, Text("The ledger holds no checkpoint of this log."))
                await self._check(newest)
            return await self._extends(known, newest)
        except TimeoutError:
            return _unreachable(LEDGER_NOW)
        except (Unpinned, NotFound) as error:
            return _open(LEDGER_NOW, Text("The ledger's answer could not be checked."), str(error))
        except (Unverified, Malformed) as error:
            return _bad(LEDGER_NOW, Text("The ledger's answer does not hold."), str(error))
        except RelayError:
            return _unreachable(LEDGER_NOW)

    async def ends_before(self, origin: str, index: int) -> CheckStep:
        """The newest accepted checkpoint of the log does not reach an entry that is not held here."""
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                newest = await self._registry.latest(origin)
        except (TimeoutError, RelayError):
            return _unreachable(LEDGER_NOW)
        if newest is not None and newest.size > index:
            return _open(
                LEDGER_NOW, Text("The court's copy of the log does not reach the ledger's newest checkpoint yet.")
            )
        return CheckStep(
            name=LEDGER_NOW, result=Result.OK, detail=Text("The ledger's newest checkpoint ends before this place.")
        )

    async def _check(self, newest: Receipt) -> None:
        """A node's word is not enough: the proof shows it in a final block. Raises `Unverified`."""
        proof = await self._registry.prove(newest.tx_id)
        checkpoint = Checkpoint(origin=newest.origin, size=newest.size, root=newest.root)
        await asyncio.to_thread(check_receipt, proof, checkpoint, self._identity, self._trust, self._verifiers)

    async def _extends(self, known: Checkpoint, newest: Receipt) -> CheckStep:
        if newest.size < known.size:
            return _bad(LEDGER_NOW, Text("The ledger's newest checkpoint is older than the one that is shown."))
        mirror = await self._store.log(known.origin)
        if mirror.size < newest.size:
            return _open(
                LEDGER_NOW, Text("The court's copy of the log does not reach the ledger's newest checkpoint yet.")
            )
        roots = await asyncio.to_thread(lambda: [mirror.files.root(size) for size in (known.size, newest.size)])
        if roots != [known.root, newest.root]:
            return _bad(LEDGER_NOW, Text("The ledger's newest checkpoint does not extend the one that is shown."))
        detail = Text(
            "The ledger's newest checkpoint has {size} entries and extends the one of {known} entries.",
            {"size": newest.size, "known": known.size},
        )
        return CheckStep(name=LEDGER_NOW, result=Result.OK, detail=detail)

    async def grant(self, issuer: str, digest: bytes, court: str, made_at_ms: int) -> CheckStep:
        """The grant is registered, and was not revoked before something was made under it."""
        if court != self._identity:
            return _open(GRANT_NOW, _other_court(court))
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                state = await self._registry.grant_state(issuer, digest)
        except (TimeoutError, RelayError):
            return _unreachable(GRANT_NOW)
        return _grant_step(state, made_at_ms)


def _grant_step(state: GrantState, made_at_ms: int) -> CheckStep:
    if not state.registered_ms:
        return _bad(GRANT_NOW, Text("The ledger does not hold the registration of this grant."))
    if state.revoked_ms and state.revoked_ms <= made_at_ms:
        return _bad(GRANT_NOW, Text("The grant was revoked before this bundle was made."))
    if state.revoked_ms:
        detail = Text("The grant is registered; it was revoked after this bundle was made.")
    else:
        detail = Text("The grant is registered and not revoked.")
    return CheckStep(name=GRANT_NOW, result=Result.OK, detail=detail)


def _other_court(court: str) -> Text:
    return Text("It was made at {court}; that court's ledger is not asked from here.", {"court": court})


def _open(name: Text, detail: Text, said: str = "") -> CheckStep:
    return CheckStep(name=name, result=Result.NOT_RUN, detail=detail, said=said)


def _bad(name: Text, detail: Text, said: str = "") -> CheckStep:
    return CheckStep(name=name, result=Result.FAILED, detail=detail, said=said)


def _unreachable(name: Text) -> CheckStep:
    return _open(name, Text("The court's ledger cannot be asked now."))
