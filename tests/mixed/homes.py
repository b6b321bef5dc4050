"""Homes whose two ledgers are of different families, and the way of one dossier through them, from deposit to verdict."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.tlog.proof import KIND
from relay.app.adapters import verifiers
from relay.app.initialise import MADE, ORIGIN, initialise, mixed
from relay.app.ledger_homes import EmbeddedLedgers, Registered
from relay.core.bundlezip import FileSource
from relay.core.trust import LedgerRoot, Validator, parse_trust_roots
from relay.core.verdict import Finding, Verdict
from relay.core.verify import verify_bundle
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way
from tests.tlog.writer import Key, folder_log

WITNESS = Key("witness.example/w1", 4)
LEDGER = "tlog:lender-1"
FOREVER_MS = 253_402_300_799_000


def log_key(home: Path) -> Key:
    """The custodian's own log key as the writer of a tiled log uses it."""
    pem = (home / "custodian/keys/log.pem").read_bytes()
    return Key(ORIGIN, 1, private=load_pem_private_key(pem, None))  # type: ignore[arg-type]


class TlogLender:
    """The lender's ledger is its own log, as files in `public`, with one witness. Implements relay.app.ledger_homes.LedgerMaker."""

    lender = LEDGER

    def __init__(self, home: Path, _validators: int, _threshold: int, _ports: Mapping[str, int]) -> None:
        self._home = home

    def make_lender(self) -> LedgerRoot:
        (self._home / "public").mkdir()
        keys = [log_key(self._home), WITNESS]
        validators = [
            Validator(name=k.name, public_key=k.public, valid_from_ms=0, valid_to_ms=FOREVER_MS) for k in keys
        ]
        return LedgerRoot(ledger=LEDGER, kind=KIND, threshold=2, validators=tuple(validators))

    def make_court(self, lender: LedgerRoot, registered: Registered) -> LedgerRoot:
        raise NotImplementedError

    def table(self, role: str, table: str, ledger_role: str) -> list[str]:
        return [
            f"[{table}]",
            'family = "tlog"',
            f'ledger = "{LEDGER}"',
            f'url = "{self._home / "public"}"',
            f'origin = "{ORIGIN}"',
            f'log_key = "{log_key(self._home).vkey}"',
            f'witnesses = ["{WITNESS.vkey}"]',
            "threshold = 2",
            'data = "tlog"',
            "poll_s = 0.02",
            "",
        ]


MIXED = {**MADE, "tlog+embedded": mixed(TlogLender, EmbeddedLedgers)}


def make_mixed(home: Path, ledger: str) -> Path:
    """A home with the lender's and the court's family, `+` between them."""
    initialise(home, base_port=0, validators=2, threshold=2, ledger=ledger, makers=MIXED)
    return home


@asynccontextmanager
async def mixed_way(folder: Path, ledger: str) -> AsyncIterator[Way]:
    """The time is now and stands still: chains and witnesses have clocks of their own."""
    home = make_mixed(folder / "home", ledger)
    async with open_way(home, now_ms=time.time_ns() // 10**6, seed=ledger) as way:
        yield way


def publish(way: Way) -> None:
    """The custodian's log as it is now: its entries and tiles as files, its checkpoint signed and cosigned."""
    log = folder_log(way.home / "public")
    log.key, log.witnesses, log.origin = log_key(way.home), (WITNESS,), ORIGIN
    log.entries = way.custodian_store.files.entries(0, way.custodian_store.size)
    log.publish(len(log.entries), time_s=way.clock.ms // 1000)


async def deposited(way: Way, reference: str, *, published: bool = False) -> str:
    """A dossier that the court's ledger has confirmed; its id."""
    stored = await way.deposit(reference, small_dossier())
    if published:
        publish(way)
    await way.forward()
    return stored.dossier


async def verdict_on(way: Way, dossier: str) -> Verdict:
    """Granted, retrieved, and verified offline."""
    _, _, data = await way.retrieve(await way.grant(dossier))
    trust = parse_trust_roots((way.home / "trust.json").read_bytes())
    return verify_bundle(FileSource(io.BytesIO(data)), trust, verifiers())


def consistent(verdict: Verdict, kinds: list[str]) -> None:
    """CONSISTENT by ledger proofs of exactly these kinds."""
    document = verdict.as_json()
    assert verdict.verdict is Finding.CONSISTENT, json.dumps(document, indent=1)
    assert document["ledger_proof_kinds"] == kinds
