"""A lender whose records are signed already: the custodian's own services over its own store, fed at a steady rate (see bench/latency.py).

Everything that `courtrelay serve custodian` runs beside its desk runs here, wired by the same function: anchoring, pushing,
receipts, grants, disclosures, custody. Before it says that it is ready, every record has passed the deposit's checks and is
signed. From the moment it is told, one dossier after the other is encrypted, stored, appended to the evidence log and logged for
custody, with the commits of a deposit.

Prints `ready`, reads the wall-clock time of the beginning, prints the milliseconds from due to durable of every dossier as JSON,
and stays until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.schedule import due, until_due
from relay.app.adapters import load_adapter
from relay.app.custodian import MASTER_KEY_BYTES, _Services, _wire
from relay.app.runtime import set_up_logging, share_fairly, until_signalled, workers
from relay.config.roles import CustodianConfig, read_custodian
from relay.core.deposit import input_digest
from relay.core.dossier import new_dossier_id, new_dossier_key
from relay.ports.custodian import DossierState, NewRecord
from relay.private.references import read_secret
from relay.sample.collection import service
from relay.sample.dice import Dice
from relay.sample.generate import _line
from relay.sample.loan import Loan
from relay.store.custodian import SqliteCustodianStore
from relay.store.vault import Vault
from relay.transport.channels import channel
from relay.wire.relay_client import GrpcRelayLink

RECORDS_PER_S: Final = 1000
DOSSIER_RECORDS: Final = 50
DOSSIERS_PER_S: Final = RECORDS_PER_S / DOSSIER_RECORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A dossier that waits for its moment."""

    reference: str
    state: DossierState
    records: list[NewRecord]


def lines(number: int) -> list[bytes]:
    """One loan's reminders and repayments, without files."""
    loan = Loan(number, Dice(f"courtrelay latency loan {number}"))
    while len(loan.events) < DOSSIER_RECORDS:
        service(loan, loan.months)
    events = loan.in_order()[:DOSSIER_RECORDS]
    made = ({**_line(_reference(number), seq, event, {}), "payloads": []} for seq, event in enumerate(events))
    return [json.dumps(line, ensure_ascii=False).encode() for line in made]


def _reference(number: int) -> str:
    return f"LOAN-{number}"


async def sign(services: _Services, number: int) -> Signed:
    """What a deposit does before it stores."""
    deposits = services.deposits
    intake = deposits.begin(_reference(number))
    for row, line in enumerate(lines(number), 1):
        await intake.record(row, line)
    taken = intake.taken()
    state = DossierState(id=new_dossier_id(deposits._random), key=new_dossier_key(deposits._random), digests=())
    records = deposits._sign(state, taken, [input_digest(r.line, r.digests()) for r in taken])
    return Signed(reference=intake.reference, state=state, records=records)


async def _store(
    services: _Services, store: SqliteCustodianStore, number: int, dossier: Signed, begins: float
) -> float:
    await until_due(begins, number, DOSSIERS_PER_S)
    event = services.deposits._event(dossier.state, dossier.records)
    await store.append_records(dossier.reference, dossier.state, dossier.records, event)
    services.deposits.grown.set()
    return (time.time() - due(begins, number, DOSSIERS_PER_S)) * 1000


async def _feed(services: _Services, store: SqliteCustodianStore, dossiers: int) -> None:
    signed = [await sign(services, number) for number in range(dossiers)]
    gc.collect()
    gc.freeze()  # what waits here is the measurement's, not a custodian's: its collector must not walk over it
    print("ready", flush=True)
    begins = float(await asyncio.to_thread(sys.stdin.readline))
    late = await asyncio.gather(*(_store(services, store, n, dossier, begins) for n, dossier in enumerate(signed)))
    print(json.dumps(late), flush=True)


async def run(config: CustodianConfig, dossiers: int) -> None:
    """As `relay.app.custodian.run_custodian`, with the feed in the place of the desk."""
    common = config.common
    async with AsyncExitStack() as stack:
        store = await SqliteCustodianStore.open(common.data, read_secret(config.master_key, MASTER_KEY_BYTES))
        stack.push_async_callback(store.close)
        source = await load_adapter(config.ledger.family).open_source(config.ledger.settings)
        stack.push_async_callback(source.close)
        link = GrpcRelayLink(await stack.enter_async_context(channel(config.relay, common.tls)))
        services = _wire(config, store, Vault(common.data / "vault"), source, link)
        await stack.enter_async_context(
            workers(
                ("anchoring", services.anchoring.run()),
                ("pushing", services.pusher.run()),
                ("receipts", services.receipts.run()),
                ("grants", services.grants.run()),
                ("disclosures", services.disclosures.run()),
                ("custody", services.custody.run()),
            )
        )
        await _feed(services, store, dossiers)
        await until_signalled()


def main() -> None:
    """`HOME DOSSIERS`."""
    parser = argparse.ArgumentParser(prog="bench.lender", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("dossiers", type=int)
    wanted = parser.parse_args()
    set_up_logging()
    share_fairly()
    asyncio.run(run(read_custodian(wanted.home / "custodian" / "config.toml"), wanted.dossiers))


if __name__ == "__main__":
    main()
