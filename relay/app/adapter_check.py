"""`courtrelay adapter check`: the conformance kit against the ledgers that a file names, or those of a development home."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.app.adapters import court_opener, load_adapter, open_source, source_opener, verifiers
from relay.app.trust import read_trust
from relay.config.checking import CheckConfig, Hook, NamedReference, read_check
from relay.config.roles import LedgerConfig, read_court, read_custodian, read_relay
from relay.conformance import DEADLINE_S, LEFT_OUT, NamedKey, Outcome, Owner, Result, run_checks, select
from relay.conformance.check import Fault
from relay.conformance.writing import FORK, LEAVES, tree
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.core.ledgerproof import LedgerProofVerifier
from relay.core.trust import TrustRoots
from relay.ports.ledgers import AdapterFamily, Anchor, AnchorSource
from relay.setup.signers import open_signer

HOOK_DEADLINE_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the checks run against, and how long each may take."""

    owner: Owner
    deadline_s: float


async def check_adapter(bench: Bench, only: Sequence[str], advance: Callable[[int, int], None]) -> list[Result]:
    """All results. Raises `Malformed` for a name of no check, and what opening the adapter raises."""
    checks = select(only)
    results = []
    try:
        async for result in run_checks(bench.owner, checks, deadline_s=bench.deadline_s):
            results.append(result)
            advance(len(results), len(checks))
    except Fault as fault:
        raise Unavailable(f"the adapter cannot be opened: {fault}") from None
    return results


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """The document of `--json`."""
    rows = [
        {"name": r.check.name, "promise": r.check.promise, "outcome": r.outcome.value, "reason": r.reason}
        for r in results
    ]
    return {"checks": rows, **{o.value.replace(" ", "_"): count(results, o) for o in Outcome}}


def count(results: Sequence[Result], outcome: Outcome) -> int:
    """How many ended so."""
    return sum(r.outcome is outcome for r in results)


def from_config(path: Path) -> Bench:
    """Raises `Malformed` naming file and key."""
    config = read_check(path, frozenset(LEFT_OUT))
    if config.adapter or any(isinstance(hook, str) for hook in config.hooks.values()):
        sys.path.insert(0, str(config.folder))  # an adapter under development lies beside its file
    own = _family(path, config)
    trust = read_trust(config.trust) if config.trust is not None else None
    hooks = {name: _hook(path, name, hook) for name, hook in config.hooks.items()}
    lender = str(config.source.settings.get("ledger", "")) if config.source else ""
    owner = Owner(
        open_source=_opener(config.source, own, source_opener),
        open_court=_opener(config.court, own, court_opener),
        open_custody=_opener(config.custody, own, court_opener),
        roots={root.ledger: root for root in trust.ledgers} if trust else {},
        verifiers=_verifiers(own),
        log=_key(config.keys.get("log")),
        witness=_key(config.keys.get("witness")),
        custody=_key(config.keys.get("custody")),
        lender=_key(config.keys.get("lender")),
        mine=_bound(hooks.get("mine"), lender),
        reorganise=_bound(hooks.get("reorganise"), lender),
        restart=hooks.get("restart"),
        left_out=config.left_out,
    )
    return Bench(owner=owner, deadline_s=config.deadline_s)


async def from_home(home: Path) -> Bench:
    """The embedded ledgers of a development home, which is used up by the checks: they write logs of their own making.

    Raises `Conflict` when the home's log has real anchors, `Malformed` for its files, `Unavailable` when its ledgers do not run.
    """
    custodian = read_custodian(home / "custodian/config.toml")
    relay, court = read_relay(home / "relay/config.toml"), read_court(home / "court/config.toml")
    trust: TrustRoots = read_trust(custodian.common.trust)
    owner = Owner(
        open_source=_opener(custodian.ledger, None, source_opener),
        open_court=_opener(relay.court_ledger, None, court_opener),
        open_custody=_opener(court.court_ledger, None, court_opener),
        roots={root.ledger: root for root in trust.ledgers},
        verifiers=verifiers(),
        log=NamedKey(name=custodian.origin, signer=open_signer(custodian.log_key)),
        witness=NamedKey(name=court.witness_name, signer=open_signer(court.witness_key)),
        custody=NamedKey(name=court.custody_origin, signer=open_signer(court.custody_key)),
        lender=NamedKey(name=custodian.common.identity, signer=open_signer(custodian.grant_key)),
    )
    await _refuse_a_used_log(await open_source(custodian.ledger), custodian.origin)
    return Bench(owner=owner, deadline_s=DEADLINE_S)


async def _refuse_a_used_log(source: AnchorSource, origin: str) -> None:
    """Anchors that the checks did not write are somebody's evidence: theirs would end its log for good."""
    try:
        head = await source.head()
        if not head.height:
            return
        async for block in source.blocks(1):
            if any(anchor.origin == origin and not _of_the_checks(anchor) for anchor in block.anchors):
                raise Conflict(
                    f"log {origin} has anchors of its own; make a home for the checks alone: `courtrelay init`"
                )
            if block.height >= head.height:
                return
    finally:
        await source.close()


def _of_the_checks(anchor: Anchor) -> bool:
    return anchor.size <= LEAVES and anchor.root in (tree(salt).root(anchor.size) for salt in ("", FORK))


def _family(path: Path, config: CheckConfig) -> AdapterFamily | None:
    """The family that lies beside the file."""
    if not config.adapter:
        return None
    family = _load(path, "adapter", config.adapter)
    if not isinstance(family, AdapterFamily):
        raise Malformed(str(path), "adapter", f"{config.adapter} is no AdapterFamily")
    return family


def _load(path: Path, key: str, place: str) -> Any:
    module, _, name = place.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Malformed(str(path), key, f"{place} cannot be loaded: {error}") from None


def _verifiers(own: AdapterFamily | None) -> Mapping[str, LedgerProofVerifier]:
    installed = verifiers()
    return {**installed, own.proof_kind: own.verify_proof} if own is not None and own.proof_kind else installed


def _opener(config: LedgerConfig | None, own: AdapterFamily | None, pick: Callable[[AdapterFamily], Any]) -> Any:
    if config is None:
        return None
    family = own if own is not None and own.name == config.family else load_adapter(config.family)
    return lambda: pick(family)(config.settings)


def _key(reference: NamedReference | None) -> NamedKey | None:
    return None if reference is None else NamedKey(name=reference.name, signer=open_signer(reference.key))


def _bound(hook: Callable[..., Awaitable[None]] | None, ledger: str) -> Any:
    return None if hook is None else lambda *arguments: hook(ledger, *arguments)


def _hook(path: Path, name: str, hook: Hook) -> Callable[..., Awaitable[None]]:
    """A coroutine function of the lender's ledger's id and, to reorganise, the depth."""
    if isinstance(hook, str):
        loaded: Callable[..., Awaitable[None]] = _load(path, f"hooks.{name}", hook)
        return loaded

    folder = path.resolve().parent

    async def run(*arguments: object) -> None:
        command = [*hook, *(str(argument) for argument in arguments)]
        try:
            process = await asyncio.create_subprocess_exec(*command, cwd=folder)
        except OSError as error:
            raise Malformed(str(path), f"hooks.{name}", f"cannot be run: {error.strerror}") from None
        try:
            code = await asyncio.wait_for(process.wait(), HOOK_DEADLINE_S)
        finally:
            if process.returncode is None:
                process.kill()
        if code:
            raise Unavailable(f"the owner's hook {name} ended with code {code}")

    return run
