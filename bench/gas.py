"""Gas of the two EVM contracts, counted by an EVM in this process: the figures are the same on every machine.

Every figure is a transaction of its own: the base fee of 21,000 and the call data are in it, and no slot is warm. What stood in the
contract before is written into its storage directly, as the compiler lays it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyrevm
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from adapters.evm.contracts import Artefact, anchor_log, court_registry
from bench.table import Row
from relay.core.merkle import consistency_proof, leaf_hash, node_hash, root_from

ORIGIN = "lender.example/evidence/2025"
ISSUER = "lender.example"
SENDER = "0x" + "5e" * 20
CONTRACT = "0x" + "c0" * 20
DIGEST = b"\xd1" * 32
SOURCE = b"\x50" * 32
TREE_SIZES = (1_000, 1_000_000, 1_000_000_000)
GROWTH = 300
"""Leaves that a checkpoint adds."""
STATEMENT = b"s" * 2048
FORK = "Merge"  # revm's name of paris, for which the contracts are compiled; an unknown name is the newest fork to it
BLOCK = 1_000_000

# Places of the state variables, in the order in which the sources declare them.
LOGS = 0
WRITERS, CHECKPOINTS, CUSTODY, GRANTS = 1, 2, 3, 4

Slots = dict[int, int]
"""Storage by slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One transaction and what stands in the contract before it."""

    name: str
    artefact: Artefact
    before: Slots
    data: bytes
    events: int = 1

    def gas(self) -> int:
        """Gas used. Raises `RuntimeError` when the call reverts or emits another number of events."""
        evm = self.evm()
        evm.message_call(SENDER, CONTRACT, self.data)
        done = result_of(evm)
        if len(done.logs) != self.events:
            raise RuntimeError(f"{self.name}: {len(done.logs)} events; wanted were {self.events}")
        return done.gas_used

    def evm(self) -> pyrevm.EVM:
        """An EVM that has run nothing yet, with the contract and its storage in place."""
        evm = new_evm()
        evm.insert_account_info(CONTRACT, pyrevm.AccountInfo(code=self.artefact.runtime))
        for slot, value in self.before.items():
            # pyrevm writes to its database only while the account is not loaded; otherwise the slot would be warm and new.
            state = evm.snapshot()
            evm.insert_account_storage(CONTRACT, slot, value)
            evm.revert(state)
        return evm


def new_evm() -> pyrevm.EVM:
    """An EVM with nothing in it."""
    env = pyrevm.Env(block=pyrevm.BlockEnv(number=BLOCK, timestamp=1_700_000_000))
    return pyrevm.EVM(env=env, spec_id=FORK)


def result_of(evm: pyrevm.EVM) -> pyrevm.ExecutionResult:
    """What the transaction that it ran last has done."""
    assert evm.result is not None
    return evm.result


class UniformTree:
    """A tree of any size whose leaves are all the same, so that a perfect subtree depends on its level only."""

    def node(self, level: int, index: int) -> bytes:
        """See `HashReader`."""
        return uniform_hash(level)


@cache
def uniform_hash(level: int) -> bytes:
    """The perfect subtree of that level over leaves that are all the same."""
    return node_hash(uniform_hash(level - 1), uniform_hash(level - 1)) if level else leaf_hash(b"")


def word(value: int | str | bytes) -> bytes:
    """A key of a mapping: a number or an address as 32 bytes."""
    if isinstance(value, str):
        return bytes(12) + bytes.fromhex(value[2:])
    return value.to_bytes(32, "big") if isinstance(value, int) else value


def slot_of(base: int, *keys: int | str | bytes) -> int:
    """Where nested mappings that begin at `base` hold the value of these keys."""
    at = word(base)
    for key in keys:
        at = keccak(word(key) + at)
    return int.from_bytes(at, "big")


def call_data(signature: str, *values: object) -> bytes:
    """Selector and arguments of `name(type,...)`; no type is a tuple."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    return keccak(signature.encode())[:4] + encode(types, values)


def log_slots(base: int, size: int, root: bytes, owner: str = "") -> Slots:
    """A log whose last entry is this one; the owner shares the slot of the size."""
    log = slot_of(base, keccak(ORIGIN.encode()))
    entry = slot_of(log + 1, size)
    head = size << 160 | int(owner, 16) if owner else size
    return {log: head, entry: int.from_bytes(root, "big"), entry + 1: BLOCK - 1}


def written(base: int, old_size: int) -> Slots:
    """A court's contract with one writer, and a log of that size unless it is 0."""
    before = {slot_of(WRITERS, SENDER): 1}
    return before | (log_slots(base, old_size, root_from(old_size, UniformTree())) if old_size else {})


def growth(old_size: int, size: int) -> tuple[object, ...]:
    """The arguments that `submit` and `custody` share."""
    tree = UniformTree()
    return ORIGIN, size, root_from(size, tree), old_size, consistency_proof(old_size, size, tree)


def submit_case(old_size: int, size: int) -> Case:
    """One checkpoint at the court."""
    signature = "submit(string,uint64,bytes32,uint64,bytes32[],uint64,bytes32)"
    arguments = growth(old_size, size)
    hashes = len(arguments[4])  # type: ignore[arg-type]
    of = f"{size:,} leaves from {old_size:,}, {hashes} hashes" if old_size else "the first of an origin"
    return Case(
        name=f"submit, {of}",
        artefact=court_registry(),
        before=written(CHECKPOINTS, old_size),
        data=call_data(signature, *arguments, 1, SOURCE),
    )


def repeat_case(size: int) -> Case:
    """A retry of what stands there."""
    return Case(
        name="submit, the same again",
        artefact=court_registry(),
        before=written(CHECKPOINTS, size),
        data=submit_case(size - GROWTH, size).data,
        events=0,
    )


def custody_case(old_size: int, size: int) -> Case:
    """One head of a custody log."""
    return Case(
        name=f"custody, {size:,} events from {old_size:,}",
        artefact=court_registry(),
        before=written(CUSTODY, old_size),
        data=call_data("custody(string,uint64,bytes32,uint64,bytes32[])", *growth(old_size, size)),
    )


def anchor_case(old_size: int, size: int) -> Case:
    """One anchor on a lender's chain."""
    tree = UniformTree()
    return Case(
        name="anchor" if old_size else "anchor, the first of an origin",
        artefact=anchor_log(),
        before=log_slots(LOGS, old_size, root_from(old_size, tree), SENDER) if old_size else {},
        data=call_data("anchor(string,uint64,bytes32)", ORIGIN, size, root_from(size, tree)),
    )


def grant_case(*, revoke: bool) -> Case:
    """One statement on a grant."""
    grant = slot_of(GRANTS, keccak(ISSUER.encode()), DIGEST)
    before = {slot_of(WRITERS, SENDER): 1} | ({grant: BLOCK - 1} if revoke else {})
    return Case(
        name=f"recordGrant, {'revocation' if revoke else 'registration'}, {len(STATEMENT):,} bytes",
        artefact=court_registry(),
        before=before,
        data=call_data("recordGrant(string,bytes32,bool,bytes)", ISSUER, DIGEST, revoke, STATEMENT),
    )


def cases() -> list[Case]:
    """Every transaction of the table."""
    million = 1_000_000
    return [
        anchor_case(0, GROWTH),
        anchor_case(million - GROWTH, million),
        submit_case(0, GROWTH),
        *(submit_case(size - GROWTH, size) for size in TREE_SIZES),
        repeat_case(million),
        custody_case(million - GROWTH, million),
        grant_case(revoke=False),
        grant_case(revoke=True),
    ]


def creation_gas(artefact: Artefact, arguments: bytes = b"") -> int:
    """Gas of the transaction that creates a contract."""
    evm = new_evm()
    evm.deploy(SENDER, artefact.bytecode + arguments)
    return result_of(evm).gas_used


def gas_rows() -> list[Row]:
    """The whole section."""
    created = {
        "AnchorLog": creation_gas(anchor_log()),
        "CourtRegistry": creation_gas(court_registry(), word(SENDER)),
    }
    rows = [Row(name=f"gas: creating {name}", values=(gas,), unit="gas") for name, gas in created.items()]
    return rows + [Row(name=f"gas: {case.name}", values=(case.gas(),), unit="gas") for case in cases()]
