"""A development network on EVM chains: two anvils with our contracts, attesters beside them, an account for every role that writes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from adapters.evm.account import make_account
from adapters.evm.devchain import CONTRACT
from adapters.evm.proof import ATTESTED
from relay.app.ledger_homes import COURT_ROLE, LENDER_ROLE, LISTED, Registered, write_config
from relay.core.errors import Malformed
from relay.core.pinned import LedgerRoot, Validator
from relay.setup.keys import make_signing_key

CHAIN_IDS: Final = {LENDER_ROLE: 410_001, COURT_ROLE: 410_002}
CONTRACTS: Final = {LENDER_ROLE: "AnchorLog", COURT_ROLE: "CourtRegistry"}
ACCOUNTS: Final = {("custodian", LENDER_ROLE), ("relay", COURT_ROLE), ("court", COURT_ROLE)}
"""Which role writes to which ledger, with an account of its own."""
ACCOUNT: Final = "keys/ledger-account.key"
CHAIN_PORTS: Final = {LENDER_ROLE: "lender-chain", COURT_ROLE: "court-chain"}
FINALITY: Final = 3
"""Blocks above a final one."""
BLOCK_TIME_S: Final = 1
UNTIL_MS: Final = 4_102_444_800_000
"""The end of 2099: attesters of a development network are not changed."""


def find_anvil() -> Path:
    """The program: on the path, or where `run.py tools` puts it. Raises `Malformed` that says how to get it."""
    found = shutil.which("anvil")
    packed = sorted(Path(sys.prefix).glob("tools/node_modules/@foundry-rs/anvil-*/bin/anvil"))
    if found is None and not packed:
        raise Malformed("init", "--ledger", "evm needs the EVM node anvil: `python3 run.py tools` installs it")
    return Path(found) if found else packed[0]


class EvmLedgers:
    """Implements relay.app.ledger_homes.LedgerMaker. `attesters` keys a ledger, `threshold` of them make a block count."""

    IDS: Final = {LENDER_ROLE: "evm:lender-1", COURT_ROLE: "evm:court-1"}
    leap: Final = 2
    """A checkpoint takes until its block is final: of several that wait the newest goes, and stands for them."""

    def __init__(self, home: Path, attesters: int, threshold: int, ports: Mapping[str, int]) -> None:
        self._home = home
        self._attesters = attesters
        self._threshold = threshold
        self._ports = ports
        self._anvil = find_anvil()

    @property
    def lender(self) -> str:
        """See the protocol."""
        return self.IDS[LENDER_ROLE]

    def make_lender(self) -> LedgerRoot:
        """See the protocol."""
        return self._make(LENDER_ROLE)

    def make_court(self, lender: LedgerRoot, registered: Registered) -> LedgerRoot:
        """See the protocol. Whom the court knows stands in the trust roots: its writers check against them."""
        return self._make(COURT_ROLE)

    def table(self, role: str, table: str, ledger_role: str) -> list[str]:
        """See the protocol."""
        account = [f'account = "{ACCOUNT}"'] if (role, ledger_role) in ACCOUNTS else []
        return [
            f"[{table}]",
            'family = "evm"',
            f'ledger = "{self.IDS[ledger_role]}"',
            f'endpoints = ["ws://127.0.0.1:{self._chain_port(ledger_role)}"]',
            f"chain_id = {CHAIN_IDS[ledger_role]}",
            f'contract = "{CONTRACT}"',
            f"finality = {FINALITY}",
            f'attesters = ["127.0.0.1:{self._ports[ledger_role]}"]',
            f"attesters_needed = {self._threshold}",
            'trust = "../trust.json"',
            *account,
            "",
        ]

    def _chain_port(self, ledger_role: str) -> int:
        return self._ports[CHAIN_PORTS[ledger_role]]

    def _make(self, ledger_role: str) -> LedgerRoot:
        folder = self._home / ledger_role
        names = [f"attester-{number}" for number in range(1, self._attesters + 1)]
        keys = [make_signing_key(folder / "attesters" / f"{name}.pem") for name in names]
        writers = [
            "0x" + make_account(self._home / role / ACCOUNT).address.hex()
            for role, writes in sorted(ACCOUNTS)
            if writes == ledger_role
        ]
        self._configure(ledger_role, names, writers)
        return LedgerRoot(
            ledger=self.IDS[ledger_role],
            kind=ATTESTED,
            threshold=self._threshold,
            validators=tuple(
                Validator(name=name, public_key=key.public_key, valid_from_ms=0, valid_to_ms=UNTIL_MS)
                for name, key in zip(names, keys, strict=True)
            ),
            parameters={"chain_id": str(CHAIN_IDS[ledger_role]), "contract": CONTRACT},
        )

    def _configure(self, ledger_role: str, attesters: Sequence[str], writers: Sequence[str]) -> None:
        listed = ", ".join(f'"{address}"' for address in writers)
        lines = [
            'family = "evm"',
            f'ledger = "{self.IDS[ledger_role]}"',
            f'address = "127.0.0.1:{self._ports[ledger_role]}"',
            f"chain_id = {CHAIN_IDS[ledger_role]}",
            f"finality = {FINALITY}",
            'data = "data"',
            'ca = "ca.pem"',
            'certificate = "tls.pem"',
            'key = "tls.key"',
            "",
            "[crl]",
            LISTED,
            "",
            "# A chain for development, as a child of this process: whoever reaches its port owns it.",
            "[anvil]",
            f'binary = "{self._anvil}"',
            f"port = {self._chain_port(ledger_role)}",
            f'contract = "{CONTRACTS[ledger_role]}"',
            f"block_time_s = {BLOCK_TIME_S}",
            f"{'writers' if ledger_role == COURT_ROLE else 'funded'} = [{listed}]",
            "",
            "# One process that holds every attester's key shows the protocol, not independence.",
            "[attesters]",
            *(f'{name} = "attesters/{name}.pem"' for name in attesters),
        ]
        write_config(self._home / ledger_role, lines)
