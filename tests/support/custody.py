"""Custody logs of a real retrieval, kept on disk, for an attacker who owns the keeper's database and for who checks it."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from relay.app.adapters import verifiers
from relay.app.initialise import LENDER_CUSTODY
from relay.app.trust import read_trust
from relay.config.roles import read_court, read_custodian
from relay.core.custody_audit import CustodyAudit
from relay.core.custody_export import FIRST_LINE, LAST_LINE, ExportedEvent, ExportHead, event_line, head_line
from relay.core.custody_verdict import CustodyVerdict
from relay.core.errors import Denied
from relay.core.note import VerifierKey
from relay.core.tlogproof import TlogProof, format_tlog_proof
from relay.ports.custody import CustodyFilter, LedgerWord
from relay.services.custodian.custody import CustodyAnchor
from relay.services.custody_reading import CustodyReading
from relay.setup.keys import load_signing_key
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore
from relay.store.custody_rows import StoredCustodyRows
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import no_waits
from tests.support.lines import small_dossier
from tests.support.way import open_way

ROLES = ("custodian", "court")
Tamper = Callable[[sqlite3.Connection], object]


@dataclass(frozen=True)
class Kept:
    """A stopped network: its home, the ledgers' words on both custody logs, and the dossier that was seen."""

    home: Path
    words: dict[str, LedgerWord]
    dossier: str
    now_ms: int


async def keep(folder: Path) -> Kept:
    """Deposit, disclose once, refuse once, put both heads on their ledgers, and log a little more."""
    home = make_home(folder)
    now_ms = noon_of(home)
    async with open_way(home, now_ms=now_ms, seed="custody") as way:
        stored = await way.deposit("loan 1", small_dossier())
        await way.deposit("loan 2", small_dossier(1))
        await way.forward()
        grant = await way.grant(stored.dossier, uses=1)
        await way.retrieve(grant)
        with suppress(Denied):
            await way.retrieve(grant)
        anchor = CustodyAnchor(store=way.custodian_store, source=way.source, origin=LENDER_CUSTODY, backoff=no_waits)
        await anchor.now()
        await way.custody.publish()
        words = {"custodian": await anchor.ledger_word(), "court": await way.custody.ledger_word()}
        await way.grant(stored.dossier)
        await way.custody.note("request", {}, "sent", "one more")
    return Kept(home=home, words={r: w for r, w in words.items() if w}, dossier=stored.dossier, now_ms=now_ms)


@asynccontextmanager
async def opened(
    kept: Kept, role: str, folder: Path, tamper: Tamper | None = None, disk: Callable[[Path], object] | None = None
) -> AsyncIterator[tuple[CustodyReading, SqliteCustodianStore | SqliteCourtStore]]:
    """A copy of the keeper's data, changed behind its back, and its custody log as its desk reads it.

    `tamper` gets the database, `disk` the folder of the custody log's packs.
    """
    shutil.copytree(kept.home / role / "data", folder)
    if tamper:
        with closing(sqlite3.connect(next(folder.glob("*.sqlite")))) as connection, connection:
            tamper(connection)
    if disk:
        disk(folder / "logs" / hashlib.sha256(b"custody").hexdigest())
    store: SqliteCustodianStore | SqliteCourtStore
    if role == "custodian":
        lender = read_custodian(kept.home / "custodian/config.toml")
        store = await SqliteCustodianStore.open(folder, lender.master_key.read_bytes())
        assert lender.custody_key is not None
        keeper, origin, signer = lender.common.identity, lender.custody_origin, load_signing_key(lender.custody_key)
        size, files = (lambda held=store: held.custody_size), store.custody_files
    else:
        court = read_court(kept.home / "court/config.toml")
        store = await SqliteCourtStore.open(folder)
        keeper, origin, signer = court.common.identity, court.custody_origin, load_signing_key(court.custody_key)
        log = await store.custody_log()
        size, files = (lambda: log.size), log.files

    async def word() -> LedgerWord:
        return kept.words[role]

    try:
        yield CustodyReading(
            keeper=keeper, rows=StoredCustodyRows.of(store), size=size, files=files,
            key=VerifierKey.ed25519(origin, signer.public_key), signer=signer, ask_ledger=word,
        ), store  # fmt: skip
    finally:
        await store.close()


async def export_head(reading: CustodyReading, *, complete: bool = True) -> ExportHead:
    """As an export carries it."""
    head = await reading.head()
    return ExportHead(
        keeper=head.keeper, complete=complete, checkpoint=head.checkpoint,
        ledger=head.ledger.proof if head.ledger else None, consistency=head.consistency,
    )  # fmt: skip


async def audited(kept: Kept, reading: CustodyReading) -> CustodyVerdict:
    """What `courtrelay custody verify` does with a running keeper."""
    head = await export_head(reading)
    audit = CustodyAudit(head, read_trust(kept.home / "trust.json"), verifiers(), kept.now_ms)
    async for group in reading.read(CustodyFilter(), head.state.size, proofs=False):
        for row in group:
            audit.row(row.index, row.event, entry=row.entry)
    return audit.finish()


async def exported(reading: CustodyReading, wanted: CustodyFilter) -> list[bytes]:
    """The lines of an export."""
    head = await export_head(reading, complete=wanted.everything)
    lines = [FIRST_LINE, head_line(head)]
    async for group in reading.read(wanted, head.state.size, proofs=True):
        for row in group:
            proof = format_tlog_proof(TlogProof(index=row.index, hashes=row.proof, checkpoint=head.checkpoint))
            lines.append(event_line(head.state.origin, ExportedEvent(index=row.index, event=row.event, proof=proof)))
    return [*lines, LAST_LINE]


def write_lines(path: Path, lines: Sequence[bytes]) -> Path:
    """An export as a file."""
    path.write_bytes(b"".join(lines))
    return path
