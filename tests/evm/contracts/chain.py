"""The contracts in an EVM inside the test process: calls, reverts by their names, events by their names.

Block numbers rise with every call, so that a test can tell which call wrote what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyrevm
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from adapters.evm.contracts import Artefact, anchor_log, court_registry
from bench.gas import FORK

ADMIN = "0x" + "ad" * 20
WRITER = "0x" + "e1" * 20
OTHER = "0x" + "e2" * 20
STRANGER = "0x" + "66" * 20
ORIGIN = "lender.example/evidence/2025"
GAS_MAX = 30_000_000  # a block's, so that a loop without end is an error instead of a wait
_REVERTED = re.compile(r"Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}")


class Reverted(Exception):
    """A call that changed nothing; equal to another one of the same error and arguments."""

    def __init__(self, name: str, *values: object) -> None:
        super().__init__(name, *values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reverted) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)


@dataclass(frozen=True)
class Event:
    """One log of a contract of ours; `values` in the order of the event's parameters, indexed ones included."""

    name: str
    values: tuple[object, ...]
    data: bytes = field(repr=False, compare=False)


@dataclass(frozen=True)
class Member:
    """One function, event or error of an ABI."""

    name: str
    inputs: tuple[tuple[str, bool], ...]
    outputs: tuple[str, ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(kind for kind, _ in self.inputs)})"

    @property
    def types(self) -> list[str]:
        return [kind for kind, _ in self.inputs]


def members(artefact: Artefact, kind: str) -> list[Member]:
    """All members of one kind of an ABI."""
    return [
        Member(
            name=str(m["name"]),
            inputs=tuple((i["type"], bool(i.get("indexed"))) for i in m["inputs"]),  # type: ignore[attr-defined]
            outputs=tuple(o["type"] for o in m.get("outputs", ())),  # type: ignore[attr-defined]
        )
        for m in artefact.abi
        if m["type"] == kind
    ]


class Contract:
    """One deployed contract."""

    def __init__(self, artefact: Artefact, *arguments: bytes, number: int = 1) -> None:
        self.functions = {m.name: m for m in members(artefact, "function")}
        self._errors = {keccak(m.signature.encode())[:4]: m for m in members(artefact, "error")}
        self._events = {keccak(m.signature.encode()): m for m in members(artefact, "event")}
        self._env = pyrevm.BlockEnv(number=number, timestamp=1_700_000_000)
        self.evm = pyrevm.EVM(env=pyrevm.Env(block=self._env), spec_id=FORK)
        self.number = number
        self.address = ""
        self.address = self._guard(lambda: self.evm.deploy(ADMIN, artefact.bytecode + b"".join(arguments)))
        self.created = self._taken()

    def data(self, name: str, *values: object) -> bytes:
        """Call data by the ABI."""
        member = self.functions[name]
        return bytes(keccak(member.signature.encode())[:4] + encode(member.types, values))

    def call(self, sender: str, name: str, *values: object) -> list[Event]:
        """A transaction in a block of its own; its events. Raises `Reverted`."""
        return self.send(sender, self.data(name, *values))

    def send(self, sender: str, data: bytes) -> list[Event]:
        """The same with call data of the test's own making."""
        self.number += 1
        self._env.number = self.number
        self.evm.set_block_env(self._env)
        self.raw(sender, data)
        return self._taken()

    def raw(self, sender: str, data: bytes) -> bytes:
        """The call alone, in the present block. Raises `Reverted`."""
        return bytes(self._guard(lambda: self.evm.message_call(sender, self.address, data, gas=GAS_MAX)))

    def view(self, name: str, *values: object) -> tuple[object, ...]:
        """What a reading function answers, which writes nothing."""
        answer = self.evm.message_call(STRANGER, self.address, self.data(name, *values), is_static=True)
        return tuple(decode(list(self.functions[name].outputs), answer))

    def _guard(self, work):  # type: ignore[no-untyped-def]
        try:
            return work()
        except RuntimeError as error:
            raise self._reverted(str(error)) from None

    def _reverted(self, text: str) -> Reverted:
        found = _REVERTED.fullmatch(text)
        assert found, text
        data = bytes.fromhex(found[1])
        if not data:
            return Reverted("")  # the ABI decoder's own: a value that its type does not have
        member = self._errors[data[:4]]
        values = decode(member.types, data[4:])
        assert encode(member.types, values) == data[4:]
        return Reverted(member.name, *values)

    def _taken(self) -> list[Event]:
        return [self._event(log) for log in self.evm.result.logs]

    def _event(self, log: pyrevm.Log) -> Event:
        topics, data = log.data
        assert not self.address or log.address.lower() == self.address.lower()
        member = self._events[topics[0]]
        plain = [kind for kind, indexed in member.inputs if not indexed]
        rest = list(decode(plain, data))
        assert encode(plain, rest) == data, "the event's data is the one encoding of its values"
        named = list(topics[1:])
        values = [decode([kind], named.pop(0))[0] if indexed else rest.pop(0) for kind, indexed in member.inputs]
        assert not named
        return Event(member.name, tuple(values), data)


def address(text: str) -> bytes:
    """A constructor's argument."""
    return bytes(12) + bytes.fromhex(text[2:])


def new_anchor_log() -> Contract:
    """A lender's contract without anything in it."""
    return Contract(anchor_log())


def new_court(*writers: str) -> Contract:
    """A court's contract with its writers."""
    court = Contract(court_registry(), address(ADMIN))
    for writer in writers or (WRITER,):
        court.call(ADMIN, "setWriter", writer, True)
    return court


def name_hash(name: str) -> bytes:
    """The topic of an origin or issuer."""
    return bytes(keccak(name.encode()))


def submission(
    size: int, root: bytes, old_size: int = 0, proof: Sequence[bytes] = (), *, origin: str = ORIGIN, attempt: int = 1
) -> tuple[object, ...]:
    """Arguments of `submit`."""
    return (origin, size, root, old_size, list(proof), attempt, b"\x05" * 32)
