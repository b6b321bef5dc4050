"""The committed artefacts are what the compiler makes of the committed sources, and nothing else is loaded."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pyrevm
import pytest

import adapters.evm.contracts.compile as compiling
from adapters.evm.contracts import anchor_log, court_registry
from adapters.evm.contracts.artefacts import FOLDER, SOURCES, Artefact, artefact_path, load
from bench.gas import FORK
from tests.evm.contracts.chain import ADMIN, Contract, members
from tests.support.tools import solc_folder


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of sources and artefacts, to be spoilt."""
    shutil.copytree(FOLDER, tmp_path / "contracts", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path / "contracts"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What the compiler makes now."""
    return {contract: compiling.artefact_text(contract, solc_folder()) for contract in SOURCES}


@pytest.mark.parametrize("contract", SOURCES)
def test_compiler_makes_the_committed_bytes(contract: str, made: dict[str, str]) -> None:
    assert made[contract].encode() == artefact_path(contract).read_bytes()


def test_command_checks_and_writes(
    made: dict[str, str], copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = artefact_path("AnchorLog", copied)
    spoilt = path.read_text().replace('"runtime": "0x60', '"runtime": "0x61')
    path.write_text(spoilt)
    monkeypatch.setattr(compiling, "artefact_path", lambda contract: artefact_path(contract, copied))
    monkeypatch.setattr(compiling, "artefact_text", lambda contract, tools: made[contract])
    monkeypatch.setattr(sys, "argv", ["compile", "--check"])
    assert compiling.main() == 1
    assert path.read_text() == spoilt, "a check changes nothing"
    assert "AnchorLog: the artefact is not what the compiler makes" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["compile"])
    assert compiling.main() == 0
    assert capsys.readouterr().out == "AnchorLog: written\nCourtRegistry: unchanged\n"
    monkeypatch.setattr(sys, "argv", ["compile", "--check"])
    assert compiling.main() == 0
    path.unlink()
    assert compiling.main() == 1


def test_compiler_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compile", "--check", "--solc-dir", str(tmp_path)])
    assert compiling.main() == 1
    assert "the compiler needs Node" in capsys.readouterr().err


def test_source_that_does_not_compile_is_told_in_the_compilers_words() -> None:
    with pytest.raises(RuntimeError, match="ParserError"):
        compiling.compile_contract("X", {"X.sol": "contract X {"}, solc_folder())


def test_warnings_are_errors() -> None:
    source = "pragma solidity ^0.8.28;\ncontract X {}"  # names no licence
    with pytest.raises(RuntimeError, match="Warning"):
        compiling.compile_contract("X", {"X.sol": source}, solc_folder())


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("contract", "CourtRegistry", "of another contract"),
        ("compiler", "0.8.36", "another compiler"),
        ("settings", {"evmVersion": "cancun"}, "other settings"),
        ("abi", {}, "no ABI"),
        ("abi", [1], "no ABI"),
        ("bytecode", "6080", "not hex"),
        ("bytecode", "0x608", "not hex"),
        ("runtime", "0x", "not hex"),
        ("runtime", 7, "not hex"),
        ("source_sha256", "00" * 32, "of other sources"),
        ("source_sha256", None, "of other sources"),
        ("more", 1, "has not the members"),
    ],
)
def test_artefact_that_does_not_fit_is_not_loaded(copied: Path, member: str, value: object, told: str) -> None:
    path = artefact_path("AnchorLog", copied)
    path.write_text(json.dumps(json.loads(path.read_text()) | {member: value}))
    with pytest.raises(RuntimeError, match=told):
        load("AnchorLog", copied)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "\udc80"])
def test_file_that_is_no_artefact_is_not_loaded(copied: Path, text: str) -> None:
    artefact_path("AnchorLog", copied).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RuntimeError, match="AnchorLog"):
        load("AnchorLog", copied)


@pytest.mark.parametrize("contract", SOURCES)
def test_source_changed_by_one_character_or_gone_is_noticed(copied: Path, contract: str) -> None:
    for name in SOURCES[contract]:
        text = (copied / name).read_text()
        (copied / name).write_text(text + " ")
        with pytest.raises(RuntimeError, match="of other sources"):
            load(contract, copied)
        (copied / name).unlink()
        with pytest.raises(RuntimeError, match="source of the contract is missing"):
            load(contract, copied)
        (copied / name).write_text(text)
    load(contract, copied)


@pytest.mark.parametrize(("artefact", "arguments"), [(anchor_log, ()), (court_registry, (bytes(31) + b"\x01",))])
def test_deployed_code_is_the_runtime_of_the_artefact(artefact, arguments: tuple[bytes, ...]) -> None:
    """So that an operator can compare `eth_getCode` with what is pinned."""
    contract = Contract(artefact(), *arguments)
    code = contract.evm.basic(contract.address).code
    assert code is not None
    assert code.rstrip(b"\x00") == artefact().runtime.rstrip(b"\x00")


def test_artefacts_are_read_once() -> None:
    assert anchor_log() is anchor_log()
    assert isinstance(court_registry(), Artefact)


def test_functions_events_and_errors_are_the_published_ones() -> None:
    """Signatures are what an adapter encodes and a verifier compares: a change here is a change of both."""
    growing = "(string,uint64,bytes32,uint64,bytes32[]"
    assert {m.signature for m in members(anchor_log(), "function")} == {
        "anchor(string,uint64,bytes32)", "anchored(string,uint64)", "last(string)",
    }  # fmt: skip
    assert {m.signature for m in members(anchor_log(), "event")} == {"Anchored(bytes32,address,string,uint64,bytes32)"}
    assert {m.signature for m in members(court_registry(), "function")} == {
        f"submit{growing},uint64,bytes32)", f"custody{growing})", "recordGrant(string,bytes32,bool,bytes)",
        "last(string)", "accepted(string,uint64)", "lastCustody(string)", "acceptedCustody(string,uint64)",
        "grantState(string,bytes32)", "admin()", "writers(address)", "setWriter(address,bool)", "transferAdmin(address)",
    }  # fmt: skip
    assert {m.signature for m in members(court_registry(), "event")} == {
        "CheckpointAccepted(bytes32,address,string,uint64,bytes32,uint64,uint64,bytes32)",
        "CustodyHead(bytes32,address,string,uint64,bytes32)", "GrantRecorded(bytes32,bytes32,address,string,bool,bytes)",
        "WriterSet(address,bool)", "AdminSet(address)",
    }  # fmt: skip
    errors = {m.signature for contract in (anchor_log(), court_registry()) for m in members(contract, "error")}
    assert errors == {
        "TooLong()", "TooLarge()", "NotOwner(address)", "OtherRoot(bytes32)", "Smaller(uint64)", "NotLast(uint64)",
        "NotConsistent()", "NotWriter(address)", "NotRegistered()", "NotAdmin(address)", "NoAdmin()", "NoSha256()",
    }  # fmt: skip


def test_evm_of_these_tests_is_older_than_push0() -> None:
    """So that every other test shows that the code runs where the newer instruction does not."""
    evm = pyrevm.EVM(spec_id=FORK)
    place = "0x" + "05" * 20
    evm.insert_account_info(place, pyrevm.AccountInfo(code=b"\x5f\x00"))
    with pytest.raises(RuntimeError, match="NotActivated"):
        evm.message_call(ADMIN, place, b"")
