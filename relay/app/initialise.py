"""`courtrelay init`: a development network in one folder: authority, identities, keys, two ledgers, configuration, trust roots."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.app.evm_homes import CHAIN_PORTS, EvmLedgers, find_anvil
from relay.app.free_ports import free_ports
from relay.app.ledger_homes import (
    COURT_ROLE,
    CRL,
    LENDER_ROLE,
    LISTED,
    TRUST_DOMAIN,
    EmbeddedLedgers,
    LedgerMaker,
    MixedLedgers,
    Registered,
)
from relay.core.errors import Conflict, Malformed
from relay.core.identity import Identity, Role
from relay.core.pinned import CourtRoot, KeyUse, LedgerRoot, LogRoot, TrustedKey
from relay.core.sealing import PRIVATE_KEY_BYTES, Kem, SealingPrivateKey
from relay.core.trust import TrustRoots
from relay.setup.ca import issue, issue_report_seal, make_authority, write_list
from relay.setup.keys import FileSigner, make_signing_key, write_secret

ORIGIN: Final = "lender.courtrelay.example/log/1"
LENDER_LEDGER: Final = EmbeddedLedgers.IDS[LENDER_ROLE]
COURT_LEDGER: Final = EmbeddedLedgers.IDS[COURT_ROLE]
WITNESS: Final = "court.courtrelay.example/witness"
CUSTODY: Final = "court.courtrelay.example/custody"
LENDER_CUSTODY: Final = "lender.courtrelay.example/custody/1"
KEY_YEARS: Final = 30
TRUST_DAYS: Final = 366
"""After so many days disclosures and retrievals stop until there are newer trust roots."""
ROLES_WITH_OPS: Final = ("custodian", "relay", "court")
PORTS: Final = (
    *("lender-ledger", "court-ledger", "custodian", "relay", "court", *CHAIN_PORTS.values(), "court-pages"),
    *(f"{role}-ops" for role in ROLES_WITH_OPS),
)
BASE_PORT_MAX: Final = 65_536 - len(PORTS)
OpenMaker = Callable[[Path, int, int, Mapping[str, int]], LedgerMaker]
"""(home, validators, threshold, ports)."""


def mixed(lender: OpenMaker, court: OpenMaker) -> OpenMaker:
    """The lender's ledger of one family, the court's of another."""
    return lambda *given: MixedLedgers(lender(*given), court(*given))


LEDGERS: Final[Mapping[str, OpenMaker]] = {"embedded": EmbeddedLedgers, "evm": EvmLedgers}
"""Families that both ledgers can be of."""
MADE: Final[Mapping[str, OpenMaker]] = {
    **LEDGERS,
    "embedded+evm": mixed(EmbeddedLedgers, EvmLedgers),
    "evm+embedded": mixed(EvmLedgers, EmbeddedLedgers),
}
"""All that can be made: one family, or the lender's and the court's."""
DESKS: Final = {"lender-desk": "custodian", "relay-desk": "relay", "court-desk": "court"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What was made."""

    home: Path
    trust_domain: str
    trust: Path
    ports: Mapping[str, int]


def initialise(
    home: Path,
    *,
    base_port: int,
    validators: int,
    threshold: int,
    anchor_interval_s: float = 2.0,
    ledger: str = "embedded",
    makers: Mapping[str, OpenMaker] = MADE,
) -> Initialised:
    """Make everything, on ledgers as `makers` names them; `validators` are an EVM chain's attesters.

    Raises `Conflict` when the folder holds something, `Malformed` for impossible numbers, or when what the family needs is missing.
    """
    if ledger not in makers:
        raise Malformed("init", "--ledger", f"must be one of {', '.join(makers)}")
    if not 1 <= threshold <= validators:
        raise Malformed("init", "--threshold", f"must be 1 to the number of validators ({validators})")
    if base_port != 0 and not 1024 <= base_port <= BASE_PORT_MAX:
        raise Malformed("init", "--base-port", f"must be 0 (free ports) or 1024 to {BASE_PORT_MAX}")
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise Conflict(f"{home} exists and is not an empty folder; nothing is ever overwritten: choose another one")
    if "evm" in ledger:
        find_anvil()  # before anything is made
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home = home.resolve()
    ports = _ports(base_port)
    _Maker(home, makers[ledger](home, validators, threshold, ports), ports, anchor_interval_s).make()
    return Initialised(home=home, trust_domain=TRUST_DOMAIN, trust=home / "trust.json", ports=ports)


def _ports(base_port: int) -> dict[str, int]:
    if base_port:
        return {name: base_port + i for i, name in enumerate(PORTS)}
    return dict(zip(PORTS, free_ports(len(PORTS)), strict=True))


def _identity(role: Role, name: str) -> Identity:
    return Identity(trust_domain=TRUST_DOMAIN, role=role, name=name)


LENDER: Final = _identity(Role.CUSTODIAN, "lender")
COURT: Final = _identity(Role.COURT, "court")
IDENTITIES: Final = {
    "custodian": LENDER,
    "relay": _identity(Role.RELAY, "relay"),
    "court": COURT,
    "lender-ledger": _identity(Role.LEDGER, "lender-ledger"),
    "court-ledger": _identity(Role.LEDGER, "court-ledger"),
    "lender-desk": _identity(Role.OPERATOR, "lender-desk"),
    "relay-desk": _identity(Role.OPERATOR, "relay-desk"),
    "court-desk": _identity(Role.OPERATOR, "court-desk"),
    "court-judge": _identity(Role.PERSON, "court-judge"),
    "court-clerk": _identity(Role.PERSON, "court-clerk"),
    "court-auditor": _identity(Role.PERSON, "court-auditor"),
}
PEOPLE: Final = ("judge", "clerk", "auditor")
"""Who signs in to the court's pages, one of each role."""


class _Maker:
    """The steps of `init`, in order."""

    def __init__(self, home: Path, ledgers: LedgerMaker, ports: dict[str, int], interval_s: float) -> None:
        self._home = home
        self._interval_s = interval_s
        self._ledgers = ledgers
        self._ports = ports
        self._now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self._keys: dict[str, FileSigner] = {}

    def make(self) -> None:
        authority = self._home / "ca"
        authority.mkdir(mode=0o700)
        make_authority(authority, TRUST_DOMAIN, self._now)
        write_list(authority, self._home / CRL, self._now, (), 1)
        for name, identity in IDENTITIES.items():
            (self._home / name).mkdir(mode=0o700)
            issue(authority, identity, self._home / name, self._now)
        issue_report_seal(authority, COURT, "Court of Courtrelay Example, reports", self._home / "court", self._now)
        self._make_keys()
        sealing = SealingPrivateKey(
            kem=Kem.MLKEM768_X25519, raw=(self._home / "custodian/keys/sealing.key").read_bytes()
        )
        lender = self._ledgers.make_lender()
        court = self._ledgers.make_court(lender, self._registered())
        self._write_trust(lender, court, sealing)
        self._write_roles()
        self._write_desks()

    def _make_keys(self) -> None:
        for role, names in {
            "custodian": ("record", "log", "grant"),
            "court": ("witness", "seal", "request", "custody"),
        }.items():
            for name in names:
                self._keys[name] = make_signing_key(self._home / role / "keys" / f"{name}.pem")
        self._keys["lender-custody"] = make_signing_key(self._home / "custodian/keys/custody.pem")
        write_secret(self._home / "custodian/keys/sealing.key", secrets.token_bytes(PRIVATE_KEY_BYTES))
        write_secret(self._home / "custodian/keys/master.key", secrets.token_bytes(32))

    def _registered(self) -> Registered:
        return Registered(
            origin=ORIGIN,
            custodian=str(LENDER),
            log=self._keys["log"].public_key,
            grant=self._keys["grant"].public_key,
            witness=(WITNESS, self._keys["witness"].public_key),
            custody=(CUSTODY, self._keys["custody"].public_key),
        )

    def _write_trust(self, lender: LedgerRoot, court: LedgerRoot, sealing: SealingPrivateKey) -> None:
        lender_id, court_id = str(LENDER), str(COURT)
        rows: list[tuple[KeyUse, str, str]] = [
            ("record", lender_id, "record"),
            ("log", lender_id, ORIGIN),
            ("grant", lender_id, "grant"),
            ("witness", court_id, WITNESS),
            ("seal", court_id, "seal"),
            ("request", court_id, "request"),
            ("custody", court_id, CUSTODY),
        ]
        keys = [self._trusted(use, party, name, self._keys[use].public_key) for use, party, name in rows]
        custody = self._keys["lender-custody"].public_key
        keys.append(self._trusted("custody", lender_id, LENDER_CUSTODY, custody))
        keys.append(self._trusted("sealing", lender_id, "sealing", sealing.public_key.raw, Kem.MLKEM768_X25519))
        issued_at_s = int((self._now - datetime.timedelta(days=1)).timestamp())
        trust = TrustRoots(
            version=1,
            issued_at_s=issued_at_s,
            expires_at_s=issued_at_s + TRUST_DAYS * 86_400,
            pinned_keys=tuple(keys),
            logs=(LogRoot(origin=ORIGIN, party=lender_id, ledger=lender.ledger),),
            ledgers=(lender, court),
            courts=(CourtRoot(party=court_id, ledger=court.ledger, origin=CUSTODY),),
            witness_quorum=1,
        )
        (self._home / "trust.json").write_bytes(trust.to_json())

    def _trusted(self, use: KeyUse, party: str, name: str, public_key: bytes, kem: Kem | None = None) -> TrustedKey:
        start = int((self._now - datetime.timedelta(days=1)).timestamp()) * 1000
        end = int((self._now + datetime.timedelta(days=365 * KEY_YEARS)).timestamp()) * 1000
        return TrustedKey(
            use=use, party=party, name=name, public_key=public_key, valid_from_ms=start, valid_to_ms=end, kem=kem
        )

    def _write_roles(self) -> None:
        self._write(
            "custodian",
            [
                *self._common("custodian", "lender-desk"),
                f'origin = "{ORIGIN}"',
                f'custody_origin = "{LENDER_CUSTODY}"',
                "",
                *self._server_tls("custodian"),
                "[keys]",
                *(f'{n} = "keys/{n}.pem"' for n in ("record", "log", "grant", "custody")),
                'sealing = "keys/sealing.key"',
                'master = "keys/master.key"',
                "",
                "[relay]",
                f'address = "127.0.0.1:{self._ports["relay"]}"',
                "",
                *self._ledgers.table("custodian", "ledger", "lender-ledger"),
                "# Anchor so many seconds after something is new, at once when so many entries are new.",
                "[anchoring]",
                f"interval_s = {self._interval_s}",
                "count = 50000",
            ],
        )
        self._write(
            "relay",
            [
                *self._common("relay", "relay-desk"),
                *([f"leap = {self._ledgers.leap}"] if self._ledgers.leap else []),
                "",
                *self._server_tls("relay"),
                "[court]",
                f'address = "127.0.0.1:{self._ports["court"]}"',
                "",
                *self._ledgers.table("relay", "court_ledger", "court-ledger"),
                *self._ledgers.table("relay", "[sources]", "lender-ledger"),
                "[[origins]]",
                f'origin = "{ORIGIN}"',
                f'custodian = "{LENDER}"',
                f'ledger = "{self._ledgers.lender}"',
            ],
        )
        self._write(
            "court",
            [
                *self._common("court", "court-desk"),
                f'witness_name = "{WITNESS}"',
                f'custody_origin = "{CUSTODY}"',
                "",
                *self._server_tls("court"),
                "[keys]",
                *(f'{n} = "keys/{n}.pem"' for n in ("witness", "seal", "request", "custody")),
                "",
                "[relay]",
                f'address = "127.0.0.1:{self._ports["relay"]}"',
                "",
                *self._ledgers.table("court", "court_ledger", "court-ledger"),
                *self._pages(),
                "[report]",
                'certificate = "report.pem"',
                'key = "report.key"',
                'authority = "ca.pem"',
                "",
            ],
        )

    def _pages(self) -> list[str]:
        """The court's pages, on the loopback without TLS; docs/court-pages.md says what to change for others."""
        address = f"127.0.0.1:{self._ports['court-pages']}"
        return [
            "[web]",
            f'listen = "{address}"',
            'tls = "none"',
            f'url = "http://{address}"',
            'court_name = "Court of Courtrelay Example"',
            "",
            "[web.people]",
            *(f'"{IDENTITIES[f"court-{role}"]}" = ["{role}"]' for role in PEOPLE),
            "",
        ]

    def _common(self, role: str, desk: str) -> list[str]:
        return [
            f'identity = "{IDENTITIES[role]}"',
            f'listen = "127.0.0.1:{self._ports[role]}"',
            f'operators = ["{IDENTITIES[desk]}"]',
            'trust = "../trust.json"',
            'data = "data"',
        ]

    def _tls(self) -> list[str]:
        return ["[tls]", 'ca = "ca.pem"', 'certificate = "tls.pem"', 'key = "tls.key"', ""]

    def _server_tls(self, role: str) -> list[str]:
        """TLS, and where its operators look, on the loopback without it."""
        ops = ["[ops]", f'listen = "127.0.0.1:{self._ports[f"{role}-ops"]}"', 'tls = "none"', ""]
        return [*self._tls(), "[tls.crl]", LISTED, "", *ops]

    def _write_desks(self) -> None:
        for desk, role in DESKS.items():
            lines = [f'address = "127.0.0.1:{self._ports[role]}"']
            if desk == "lender-desk":
                lines.append(f'court = "{COURT}"')
            self._write(desk, [*lines, "", *self._tls()], "desk.toml")

    def _write(self, role: str, lines: Sequence[str], name: str = "config.toml") -> None:
        (self._home / role / name).write_text("\n".join(lines).rstrip() + "\n")
