"""Platform statements at the court gateway: taken in, logged, shown on the court's ledger, and chosen for bundles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from relay.core.checks import Verifiers
from relay.core.errors import Conflict, RelayError, Unverified
from relay.core.jose import verify_jws
from relay.core.statement import PlatformStatement, PublishedStatement, check_succession, parse_statement, valid_at
from relay.core.trust import TrustRoots
from relay.core.verify_statement import StatementEvidence, check_published, check_signer
from relay.ports.common import Clock
from relay.ports.court import CourtStore
from relay.ports.custody import LedgerWord
from relay.ports.statements import KeptStatement, ShownOnLedger, StatementStore
from relay.services.court.custody import CustodyKeeper
from relay.services.court.lookup import Found
from relay.telemetry.events import STATEMENT_TROUBLE, log_event

log = logging.getLogger(__name__)

LOOK_S: Final = 30.0


class Statements:
    """Takes statements in, and shows each on the court's ledger. `run` never returns; it ends by cancellation."""

    def __init__(
        self,
        *,
        identity: str,
        store: StatementStore,
        custody: CustodyKeeper,
        trust: TrustRoots,
        verifiers: Verifiers,
        clock: Clock,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._identity = identity
        self._store = store
        self._custody = custody
        self._trust = trust
        self._verifiers = verifiers
        self._clock = clock
        self._backoff = backoff
        self._adding = asyncio.Lock()
        self._added = asyncio.Event()
        self.problem = ""

    async def publish(self, token: bytes, by: str) -> PlatformStatement:
        """Take a statement in: logged, then kept. The same one again changes nothing.

        Raises `Malformed`, `Unverified` (also when its key or ledger is not pinned), `Conflict` when it is not the next version.
        """
        statement = parse_statement(token)
        draft = statement.draft
        self._trust.ledger_root(draft.ledger)
        key = check_signer(statement, self._trust, self._clock.now_ms())
        verify_jws(statement.jws, key.public_key)
        async with self._adding:
            latest = await self._store.latest_statement(draft.ledger)
            if latest is not None and latest.token == token:
                return statement
            _check_next(statement, latest)
            subject = {"statement": statement.digest.hex()}
            detail = f"{draft.ledger} version {draft.version}"
            event, index = await self._custody.note("statement", subject, "published", detail, by)
            await self._store.add_statement(
                KeptStatement(
                    ledger=draft.ledger, version=draft.version, token=token, event=event, index=index, shown=None
                )
            )
        self._added.set()
        return statement

    async def run(self) -> None:
        """While a statement is not shown ask the ledger again after growing delays; otherwise sleep until one is added."""
        waits = self._backoff()
        while True:
            self._added.clear()
            try:
                missing = await self.show()
                self.problem = ""
            except RelayError as error:
                missing = 1
                self.problem = f"platform statement: {error}"
                log_event(log, STATEMENT_TROUBLE, reason=error)
            if missing:
                await asyncio.sleep(next(waits))
                continue
            waits = self._backoff()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._added.wait()

    async def show(self) -> int:
        """One pass over what is not shown yet; returns how many still are not."""
        waiting = await self._store.statements_not_shown()
        if not waiting:
            return 0
        word = await self._custody.ledger_word()
        if word is None:
            return len(waiting)
        missing = 0
        for kept in waiting:
            if kept.index >= word.size:
                missing += 1
            else:
                await self._show(kept, word)
        return missing

    async def _show(self, kept: KeptStatement, word: LedgerWord) -> None:
        proof = await self._custody.proof_under(kept.index, word.size)
        evidence = StatementEvidence(event=kept.event, proof=proof, anchor=word.proof)
        statement = parse_statement(kept.token)
        published = await asyncio.to_thread(
            check_published, statement, evidence, self._identity, self._trust, self._verifiers
        )
        shown = ShownOnLedger(proof=proof, anchor=word.proof, published_ms=published.published_ms)
        await self._store.save_statement_shown(kept.ledger, kept.version, shown)


def _check_next(statement: PlatformStatement, latest: KeptStatement | None) -> None:
    """It is the version after the last one, and names it. Raises `Conflict`, `Malformed`."""
    draft = statement.draft
    wanted = latest.version + 1 if latest else 1
    if draft.version != wanted:
        raise Conflict(f"version {draft.version} of {draft.ledger} is not the next one here; that is {wanted}")
    if latest is not None:
        check_succession([parse_statement(latest.token), statement])


async def statements_for(store: CourtStore, trust: TrustRoots, court: str, found: Found) -> list[KeptStatement]:
    """The versions that were valid when the checkpoints of a bundle were anchored and accepted, by ledger and version."""
    times: dict[str, set[int]] = {trust.log(found.origin).ledger: {held.anchored_ms for held in found.checkpoints}}
    times.setdefault(trust.court(court).ledger, set()).update(held.receipted_ms for held in found.checkpoints)
    kept = [one for one in await store.shown_statements(list(times)) if _still_believed(one, trust)]
    chosen: list[KeptStatement] = []
    for ledger, moments in sorted(times.items()):
        ours = {one.version: one for one in kept if one.ledger == ledger}
        published = [_published(one) for one in ours.values()]
        versions = set()
        for moment in sorted(moments):
            valid = valid_at(published, moment)
            if valid is not None:
                versions.add(valid[0].statement.draft.version)
        chosen += [ours[version] for version in sorted(versions)]
    return chosen


def _still_believed(kept: KeptStatement, trust: TrustRoots) -> bool:
    """A key that newer trust roots revoke for that time takes its statements along."""
    published = _published(kept)
    try:
        check_signer(published.statement, trust, published.published_ms)
    except Unverified:
        return False
    return True


def _published(kept: KeptStatement) -> PublishedStatement:
    if kept.shown is None:
        raise RuntimeError("asked the store for statements that are shown")
    return PublishedStatement(statement=parse_statement(kept.token), published_ms=kept.shown.published_ms)
