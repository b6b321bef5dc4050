"""The two ledgers of a development network: what `courtrelay init` writes into their folders, and how the other roles reach them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from adapters.embedded.genesis import Genesis, RegisteredKey, RegisteredLog
from relay.core.pinned import LedgerRoot
from relay.setup.keys import make_signing_key

TRUST_DOMAIN: Final = "courtrelay.example"
CRL: Final = "crl.pem"
LISTED: Final = f'"{TRUST_DOMAIN}" = "../{CRL}"'
LENDER_ROLE: Final = "lender-ledger"
COURT_ROLE: Final = "court-ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Whom a court's ledger knows: one log of one custodian, one witness, one custody log. Public keys are raw Ed25519."""

    origin: str
    custodian: str
    log: bytes
    grant: bytes
    witness: tuple[str, bytes]
    custody: tuple[str, bytes]


class LedgerMaker(Protocol):
    """Makes both ledgers of one family. `make_lender` comes first."""

    @property
    def lender(self) -> str:
        """Id of the lender's ledger."""

    @property
    def leap(self) -> int:
        """The relay's `leap`."""

    def make_lender(self) -> LedgerRoot:
        """Write the lender's ledger's folder; what to pin of it."""

    def make_court(self, lender: LedgerRoot, registered: Registered) -> LedgerRoot:
        """The same for the court's."""

    def table(self, role: str, table: str, ledger_role: str) -> Sequence[str]:
        """Lines of a role's configuration by which it reaches a ledger; `table` is the TOML table's name."""


def write_config(folder: Path, lines: Sequence[str]) -> None:
    """A role's `config.toml`."""
    (folder / "config.toml").write_text("\n".join(lines).rstrip() + "\n")


class EmbeddedLedgers:
    """Implements `LedgerMaker`: two small permissioned ledgers whose validators sign every block."""

    IDS: Final = {LENDER_ROLE: "embedded:lender-1", COURT_ROLE: "embedded:court-1"}
    leap: Final = 0

    def __init__(self, home: Path, validators: int, threshold: int, ports: Mapping[str, int]) -> None:
        self._home = home
        self._validators = validators
        self._threshold = threshold
        self._ports = ports

    @property
    def lender(self) -> str:
        """See the protocol."""
        return self.IDS[LENDER_ROLE]

    def make_lender(self) -> LedgerRoot:
        """See the protocol."""
        return self._make(LENDER_ROLE, "lender", None, None)

    def make_court(self, lender: LedgerRoot, registered: Registered) -> LedgerRoot:
        """See the protocol."""
        return self._make(COURT_ROLE, "court", lender, registered)

    def table(self, role: str, table: str, ledger_role: str) -> list[str]:
        """See the protocol."""
        return [
            f"[{table}]",
            'family = "embedded"',
            f'ledger = "{self.IDS[ledger_role]}"',
            f'address = "127.0.0.1:{self._ports[ledger_role]}"',
            "",
        ]

    def _make(self, role: str, mode: str, source: LedgerRoot | None, registered: Registered | None) -> LedgerRoot:
        folder = self._home / role
        validators = []
        for i in range(self._validators):
            name = f"validator-{i + 1}"
            key = make_signing_key(folder / "validators" / f"{name}.pem")
            validators.append(RegisteredKey(name=name, public_key=key.public_key))
        witnesses = [registered.witness] if registered else []
        custody = [registered.custody] if registered else []
        genesis = Genesis(
            ledger=self.IDS[role],
            mode=mode,
            threshold=self._threshold,
            validators=tuple(validators),
            logs=() if source is None or registered is None else (_registered_log(source, registered),),
            witnesses=tuple(RegisteredKey(name=name, public_key=key) for name, key in witnesses),
            custody=tuple(RegisteredKey(name=name, public_key=key) for name, key in custody),
        )
        (folder / "genesis.json").write_bytes(genesis.to_json())
        self._configure(role, [v.name for v in validators])
        return genesis.root()

    def _configure(self, role: str, validators: Sequence[str]) -> None:
        lines = [
            f'address = "127.0.0.1:{self._ports[role]}"',
            'genesis = "genesis.json"',
            'data = "data"',
            'ca = "ca.pem"',
            'certificate = "tls.pem"',
            'key = "tls.key"',
            "",
            "[crl]",
            LISTED,
            "",
            "# One process that holds every validator's key shows the protocol, not independence.",
            "[validators]",
            *(f'{name} = "validators/{name}.pem"' for name in validators),
        ]
        write_config(self._home / role, lines)


class MixedLedgers:
    """Implements `LedgerMaker`: the lender's ledger of one family, the court's of another."""

    def __init__(self, lender: LedgerMaker, court: LedgerMaker) -> None:
        self._makers = {LENDER_ROLE: lender, COURT_ROLE: court}

    @property
    def lender(self) -> str:
        """See the protocol."""
        return self._makers[LENDER_ROLE].lender

    @property
    def leap(self) -> int:
        """See the protocol."""
        return self._makers[COURT_ROLE].leap

    def make_lender(self) -> LedgerRoot:
        """See the protocol."""
        return self._makers[LENDER_ROLE].make_lender()

    def make_court(self, lender: LedgerRoot, registered: Registered) -> LedgerRoot:
        """See the protocol."""
        return self._makers[COURT_ROLE].make_court(lender, registered)

    def table(self, role: str, table: str, ledger_role: str) -> Sequence[str]:
        """See the protocol."""
        return self._makers[ledger_role].table(role, table, ledger_role)


def _registered_log(source: LedgerRoot, registered: Registered) -> RegisteredLog:
    return RegisteredLog(
        origin=registered.origin,
        log_keys=(RegisteredKey(name=registered.origin, public_key=registered.log),),
        custodian=registered.custodian,
        grant_keys=(RegisteredKey(name="grant", public_key=registered.grant),),
        source=source,
    )
