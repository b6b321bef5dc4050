"""The ledger's table and the account's file: every mistake is refused with its key and what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.evm import devchain
from adapters.evm.account import Account, Draft, Fees, created_address, load_account, make_account
from adapters.evm.config import KNOWN, read_config
from adapters.evm.keccak import keccak256
from adapters.evm.receipts import chain_id
from relay.app.initialise import initialise
from relay.config.roles import read_custodian
from relay.core.errors import Conflict, Malformed
from tests.support.anvil import DEVELOPER, KEYS

GOOD: dict[str, object] = {
    "family": "evm",
    "ledger": "evm:lender-1",
    "endpoints": ["http://127.0.0.1:8545"],
    "chain_id": 31337,
    "contract": "0x" + "ab" * 20,
}


def test_defaults_are_the_careful_ones() -> None:
    config = read_config(GOOD, attested=True)
    assert (config.finality, config.quorum, config.start_height, config.account) == ("finalized", 1, 1, None)
    three = read_config({**GOOD, "endpoints": ["http://a", "ws://b", "https://c"]}, attested=True)
    assert three.quorum == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ledger", ""), ("ledger", 3), ("endpoints", []), ("endpoints", "http://x"), ("endpoints", ["ftp://x"]),
        ("endpoints", ["http://"]), ("endpoints", ["http://a", "http://a"]), ("endpoints", ["http://a:99999"]),
        ("endpoints", [f"http://a{n}" for n in range(17)]), ("chain_id", 0), ("chain_id", True), ("chain_id", "1"),
        ("chain_id", 2**63), ("contract", "0x12"), ("contract", "0x" + "AB" * 20), ("contract", "ab" * 20),
        ("finality", "latest"), ("finality", -1), ("finality", True), ("finality", 1.5), ("quorum", 0), ("quorum", 2),
        ("account", 5), ("attesters", ["a:1"]), ("attesters_needed", 2), ("max_fee_gwei", -1), ("start_height", 0),
        ("confirm_s", 0), ("poll_s", "x"), ("trust", 7), ("passphrase", "x"),
    ],
)  # fmt: skip
def test_every_wrong_value_is_refused_with_its_key(key: str, value: object) -> None:
    with pytest.raises(Malformed) as refusal:
        read_config({**GOOD, key: value}, attested=True)
    assert refusal.value.field.startswith("ledger.")


def test_unknown_key_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(Malformed) as refusal:
        read_config({**GOOD, "gas": 1}, attested=True)
    assert all(name in refusal.value.reason for name in KNOWN)


@pytest.mark.parametrize("missing", ["ledger", "endpoints", "chain_id", "contract"])
def test_what_is_needed_is_said(missing: str) -> None:
    with pytest.raises(Malformed, match=missing):
        read_config({k: v for k, v in GOOD.items() if k != missing}, attested=True)


def test_sealed_chain_has_no_attesters() -> None:
    tls: dict[str, Any] = {"ca": "a", "certificate": "b", "key": "c"}
    attested = {**GOOD, **tls, "attesters": ["a:1", "b:2"], "attesters_needed": 2}
    assert read_config(attested, attested=True).attesters == ("a:1", "b:2")
    with pytest.raises(Malformed, match="evm-qbft"):
        read_config(attested, attested=False)


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [(KEYS[0], 0o644, "chmod 600"), ("xyz", 0o600, "64 hex digits"), ("0" * 64, 0o600, "no secp256k1"), ("f" * 64, 0o600, "no secp256k1"),
     ("", 0o600, "is empty")],
)  # fmt: skip
def test_account_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, mode: int, reason: str) -> None:
    path = tmp_path / "account.key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(Malformed, match=reason):
        load_account(path)
    with pytest.raises(Malformed, match="cannot be read"):
        load_account(tmp_path / "none")


def test_account_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "account.key"
    made = make_account(path)
    assert load_account(path).address == made.address
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        make_account(path)


def test_known_keys_have_their_known_addresses() -> None:
    """Published with anvil's mnemonic."""
    assert Account(bytes.fromhex(KEYS[0])).address.hex() == "70997970c51812dc3a010c7d01b50e0d17dc79c8"
    assert created_address(DEVELOPER, 0).hex() == "5fbdb2315678afecb367f032d93f642f64180aa3"


@pytest.mark.parametrize("priority", [None, 0, 10**9])
@pytest.mark.parametrize("chain", [1, 31337, 2**63 - 1])
def test_signed_transaction_is_the_same_each_time_and_of_its_chain(priority: int | None, chain: int) -> None:
    account = Account(bytes.fromhex(KEYS[0]))
    for nonce in (0, 1, 127, 128, 2**32):
        draft = Draft(
            chain_id=chain, nonce=nonce, gas=21_000, fees=Fees(most=10**10, priority=priority), to=bytes(20), data=b"\0"
        )
        signed = account.sign(draft)
        assert signed == account.sign(draft)
        assert chain_id(signed.raw) == chain
        assert keccak256(signed.raw) == signed.tx_id


def test_family_is_loaded_without_what_talks_to_nodes() -> None:
    """The offline verifier loads every family."""
    code = (
        "import sys, adapters.evm as e; assert e.ADAPTER.proof_kind == 'evm-attested' and e.QBFT.proof_kind == 'evm-qbft';"
        "print(sorted({'aiohttp', 'eth_abi', 'grpc'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"


def test_every_key_is_explained() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs/evm.md").read_text()
    assert [key for key in KNOWN if f"`{key}`" not in text] == []
    assert [key for key in devchain._KEYS if f"`{key}`" not in text] == []


def test_files_of_the_ledger_are_relative_to_the_configuration(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    path = home / "custodian/config.toml"
    head, _, tail = path.read_text().partition("[ledger]\n")
    rest = tail.partition("\n\n")[2]
    table = (
        '[ledger]\nfamily = "evm"\nledger = "evm:lender-1"\nendpoints = ["http://127.0.0.1:8545"]\nchain_id = 1\n'
        f'contract = "0x{"ab" * 20}"\naccount = "keys/account.key"\ntrust = "../trust.json"\n\n'
    )
    path.write_text(head + table + rest)
    config = read_config(read_custodian(path).ledger.settings, attested=True)
    assert (config.account, config.trust) == (home / "custodian/keys/account.key", home / "trust.json")
