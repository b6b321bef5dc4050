"""Owners of ledgers for the checks: the embedded ledgers of tests/ledgers/bench.py, and the skeleton's in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from adapters.embedded.adapter import open_court, open_source
from relay.app.adapters import verifiers
from relay.app.initialise import WITNESS
from relay.config.roles import read_court, read_custodian, read_relay
from relay.conformance import NamedKey, Outcome, Owner, Result, run_checks, select
from relay.conformance.owner import StrangerKey
from relay.conformance.skeleton.adapter import Court, Source, mine, reorganise
from relay.conformance.skeleton.ledger import Ledger
from relay.conformance.skeleton.proof import FAMILY, verify_proof
from relay.core.ledgerproof import LedgerProofVerifier
from relay.core.note import VerifierKey
from relay.ports.ledgers import AnchorSource, CourtRegistry
from tests.ledgers.bench import Bench, open_bench

NUMBERS = count()


async def outcomes(owner: Owner, *only: str, deadline_s: float = 30.0) -> dict[str, Result]:
    """Every check's result by name."""
    return {r.check.name: r async for r in run_checks(owner, select(only), deadline_s=deadline_s)}


def failures(results: dict[str, Result]) -> dict[str, str]:
    """What failed, and why."""
    return {name: r.reason for name, r in results.items() if r.outcome is Outcome.FAILED}


def not_run(results: dict[str, Result]) -> set[str]:
    """What could not be judged."""
    return {name for name, r in results.items() if r.outcome is Outcome.NOT_RUN}


def embedded_owner(bench: Bench, *, mine: bool, run: str = "kit") -> Owner:
    """The embedded ledgers as their owner gives them to the kit."""
    custodian = read_custodian(bench.home / "custodian/config.toml").ledger.settings
    relay = read_relay(bench.home / "relay/config.toml").court_ledger.settings
    court = read_court(bench.home / "court/config.toml").court_ledger.settings

    async def one_more() -> None:
        """With a finality of one block every write brings an empty block along."""
        await bench.source.anchor(replace(bench.checkpoint(1), origin=f"mine.example/{next(numbers)}"))

    numbers = count()
    return Owner(
        open_source=lambda: open_source(custodian),
        open_court=lambda: open_court(relay),
        open_custody=lambda: open_court(court),
        roots={root.ledger: root for root in (bench.lender_root, bench.court_root)},
        verifiers=verifiers(),
        log=NamedKey(name=bench.origin, signer=bench.key("log")),
        witness=NamedKey(name=WITNESS, signer=bench.key("witness")),
        custody=NamedKey(name=bench.custody_origin, signer=bench.key("custody")),
        lender=NamedKey(name=bench.lender, signer=bench.key("grant")),
        mine=one_more if mine else None,
        restart=bench.restart,
        run=run,
    )


@asynccontextmanager
async def embedded(folder: Path, *, final_depth: int = 0) -> AsyncIterator[Bench]:
    """Running ledgers; blocks are final under so many others."""
    async with open_bench(folder) as bench:
        if final_depth:
            await bench.stop()
            for role in ("lender-ledger", "court-ledger"):
                path = bench.home / role / "config.toml"
                path.write_text(f"final_depth = {final_depth}\n" + path.read_text())
            await bench.start()
        yield bench


def skeleton_owner(
    *,
    source: Callable[[AnchorSource], AnchorSource] = lambda good: good,
    court: Callable[[CourtRegistry], CourtRegistry] = lambda good: good,
    verify: LedgerProofVerifier = verify_proof,
) -> Owner:
    """Fresh ledgers in memory behind the skeleton's adapter, each connection wrapped by what the test plants."""
    number = next(NUMBERS)
    lender, registry = f"memory:lender-{number}", f"memory:court-{number}"
    keys = {use: StrangerKey() for use in ("log", "witness", "custody", "grant")}
    issuer = "spiffe://skeleton.example/custodian/lender"
    settings = {
        "ledger": registry,
        "source": lender,
        "issuer": issuer,
        "log": VerifierKey.ed25519("lender.example/log", keys["log"].public_key).format(),
        "witness": VerifierKey.cosigner("court.example/witness", keys["witness"].public_key).format(),
        "custody": VerifierKey.ed25519("court.example/custody", keys["custody"].public_key).format(),
        "grant": VerifierKey.ed25519("grant", keys["grant"].public_key).format(),
    }

    async def open_source() -> AnchorSource:
        return source(Source({"ledger": lender}))

    async def open_court() -> CourtRegistry:
        return court(Court(settings))

    return Owner(
        open_source=open_source,
        open_court=open_court,
        roots={name: Ledger(name).root() for name in (lender, registry)},
        verifiers={FAMILY: verify},
        log=NamedKey(name="lender.example/log", signer=keys["log"]),
        witness=NamedKey(name="court.example/witness", signer=keys["witness"]),
        custody=NamedKey(name="court.example/custody", signer=keys["custody"]),
        lender=NamedKey(name=issuer, signer=keys["grant"]),
        mine=lambda: mine(lender),
        reorganise=lambda depth: reorganise(lender, depth),
        run="kit",
    )
