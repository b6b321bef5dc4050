"""The committed output of the compiler, read when it is asked for and checked against the sources that lie beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
COMPILER: Final = "0.8.37"
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "AnchorLog": ("AnchorLog.sol",),
    "CourtRegistry": ("CourtRegistry.sol", "Rfc6962.sol"),
}
"""Each contract with the files that it is made from, its own first."""

SETTINGS: Final[Mapping[str, object]] = {
    "evmVersion": "paris",  # the oldest that is in use: Besu, Quorum and FISCO BCOS run it, newer forks too
    "metadata": {"bytecodeHash": "none"},  # so that a comment does not change the code
    "optimizer": {"enabled": True, "runs": 200},
}
_MEMBERS: Final = {"abi", "bytecode", "compiler", "contract", "runtime", "settings", "source_sha256"}
_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One compiled contract."""

    contract: str
    abi: tuple[Mapping[str, object], ...]
    """The members of the compiler's ABI list, in its order."""
    bytecode: bytes
    """What creates the contract; the constructor's arguments follow it."""
    runtime: bytes
    """What `eth_getCode` gives: no part of it is filled in when the contract is created."""


@lru_cache(maxsize=1)
def anchor_log() -> Artefact:
    """`AnchorLog`, for a lender's chain. Raises `RuntimeError` when the artefact does not fit its source."""
    return load("AnchorLog")


@lru_cache(maxsize=1)
def court_registry() -> Artefact:
    """`CourtRegistry`, for a court's chain. Raises `RuntimeError` when the artefact does not fit its source."""
    return load("CourtRegistry")


def load(contract: str, folder: Path = FOLDER) -> Artefact:
    """Read `artefacts/<contract>.json` under a folder and check it. Raises `RuntimeError`."""
    try:
        made = json.loads(artefact_path(contract, folder).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{contract}: the artefact cannot be read ({type(error).__name__})") from error
    wrong = _misfit(made, contract, folder)
    if wrong:
        raise RuntimeError(f"{contract}: {wrong}; run `python -m adapters.evm.contracts.compile`")
    return Artefact(
        contract=contract,
        abi=tuple(made["abi"]),
        bytecode=bytes.fromhex(made["bytecode"][2:]),
        runtime=bytes.fromhex(made["runtime"][2:]),
    )


def artefact_path(contract: str, folder: Path = FOLDER) -> Path:
    """Where a contract's artefact lies."""
    return folder / "artefacts" / f"{contract}.json"


def read_sources(contract: str, folder: Path = FOLDER) -> dict[str, str]:
    """The files a contract is made from, by name. Raises `OSError`."""
    return {name: (folder / name).read_bytes().decode("utf-8") for name in SOURCES[contract]}


def source_sha256(sources: Mapping[str, str]) -> str:
    """One digest of all files: SHA-256, in hex, of the JSON object of name and text with sorted keys and no white space."""
    return hashlib.sha256(json.dumps(sources, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _misfit(made: object, contract: str, folder: Path) -> str:
    """What is wrong with an artefact, empty when nothing is."""
    if not isinstance(made, dict) or set(made) != _MEMBERS:
        return "the artefact has not the members it must have"
    if made["contract"] != contract:
        return "the artefact is of another contract"
    if made["compiler"] != COMPILER or made["settings"] != SETTINGS:
        return "the artefact was made by another compiler or with other settings"
    if not isinstance(made["abi"], list) or not all(isinstance(member, dict) for member in made["abi"]):
        return "the artefact has no ABI"
    if not all(isinstance(made[name], str) and _HEX.fullmatch(made[name]) for name in ("bytecode", "runtime")):
        return "the artefact's code is not hex"
    try:
        sources = read_sources(contract, folder)
    except (OSError, UnicodeDecodeError):
        return "a source of the contract is missing"
    return "" if made["source_sha256"] == source_sha256(sources) else "the artefact is of other sources"
