"""Calls, answers and reverts of our two contracts, by the ABI that lies beside their code. eth-abi is loaded with the first call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from adapters.evm.contracts.artefacts import Artefact
from adapters.evm.keccak import keccak256
from relay.core.errors import Conflict, Denied, Malformed, RelayError, Unavailable, Unverified

SELECTOR_BYTES: Final = 4
REVERT_BYTES_MAX: Final = 8192


class Interface:
    """One contract's functions and errors."""

    def __init__(self, artefact: Artefact) -> None:
        self.name = artefact.contract
        self.runtime = artefact.runtime
        members = [m for m in artefact.abi if m["type"] in ("function", "error")]
        self._functions = {str(m["name"]): m for m in members if m["type"] == "function"}
        self._errors = {_selector(m): m for m in members if m["type"] == "error"}

    def encode(self, function: str, *arguments: object) -> bytes:
        """A call's data."""
        member = self._functions[function]
        return _selector(member) + _encode(_types(member, "inputs"), arguments)

    def decode(self, function: str, data: bytes) -> tuple[Any, ...]:
        """What a view returns. Raises `Unavailable` when it is nothing such: a node that is not in step, or another contract."""
        from eth_abi.abi import decode
        from eth_abi.exceptions import DecodingError

        try:
            return tuple(decode(_types(self._functions[function], "outputs"), data))
        except (DecodingError, OverflowError, ValueError):
            raise Unavailable(
                f"{self.name}.{function} gives no usable answer; is ledger.contract its address?"
            ) from None

    def revert(self, data: bytes) -> tuple[str, tuple[Any, ...]]:
        """The name and the arguments of a custom error; ("", ()) for anything else."""
        from eth_abi.abi import decode
        from eth_abi.exceptions import DecodingError

        member = self._errors.get(data[:SELECTOR_BYTES])
        if member is None or len(data) > REVERT_BYTES_MAX:
            return "", ()
        try:
            return str(member["name"]), tuple(decode(_types(member, "inputs"), data[SELECTOR_BYTES:]))
        except (DecodingError, OverflowError, ValueError):
            return "", ()


def _types(member: Mapping[str, Any], side: str) -> list[str]:
    return [str(one["type"]) for one in member[side]]


def _selector(member: Mapping[str, Any]) -> bytes:
    return keccak256(f"{member['name']}({','.join(_types(member, 'inputs'))})".encode())[:SELECTOR_BYTES]


def _encode(types: Sequence[str], arguments: Sequence[object]) -> bytes:
    from eth_abi.abi import encode

    return encode(types, arguments)


@lru_cache(maxsize=1)
def anchor_log_interface() -> Interface:
    """The contract of a lender's chain."""
    from adapters.evm.contracts.artefacts import anchor_log

    return Interface(anchor_log())


@lru_cache(maxsize=1)
def court_registry_interface() -> Interface:
    """The contract of a court's chain."""
    from adapters.evm.contracts.artefacts import court_registry

    return Interface(court_registry())


def refusal(interface: Interface, origin: str, data: bytes) -> RelayError:
    """What a revert means for the caller of a write."""
    name, arguments = interface.revert(data)
    first = arguments[0] if arguments else ""
    match name:
        case "Smaller":
            return Conflict(f"the last size of {origin} here is {first}; what is written must be larger")
        case "OtherRoot":
            return Conflict(f"another root of {origin} at that size stands here already")
        case "NotLast":
            return Conflict(f"the last size of {origin} here is {first}, not the one given")
        case "NotRegistered":
            return Conflict("a grant that was never registered cannot be revoked")
        case "NotConsistent":
            return Unverified("consistency", f"the checkpoint of {origin} does not extend the last one by this proof")
        case "NotOwner":
            return Denied(f"origin {origin} belongs to account {first}")
        case "NotWriter":
            return Denied(f"account {first} may not write to {interface.name}; its administrator calls setWriter")
        case "TooLong" | "TooLarge":
            return Malformed("transaction", "", f"{interface.name} refuses it as {name}")
    return Unavailable(f"{interface.name} reverts for no reason it names; is ledger.contract its address?")
