"""The keys of an EVM ledger's table in a role's configuration (docs/evm.md explains them), read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relay.core.errors import Malformed
from relay.core.limits import NOTE_SIGNATURES_MAX
from relay.private.references import SecretReference, parse_reference
from relay.transport.credentials import TlsFiles

ENDPOINTS_MAX: Final = 16
CHAIN_ID_MAX: Final = 2**63 - 1
DEPTH_MAX: Final = 100_000
HEIGHT_MAX: Final = 2**53 - 1
FEE_GWEI_MAX: Final = 10**9
CONFIRM_S: Final = 120.0
"""How long a write may take until its block is there (and for a court's write final); afterwards it is `Uncertain`."""
POLL_S: Final = 0.5
TAGS: Final = ("finalized", "safe")
ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")
_WHAT: Final = "configuration"

KNOWN: Final[Mapping[str, str]] = {
    "ledger": "the ledger's id, e.g. evm:lender-1",
    "endpoints": "a list of http(s):// and ws(s):// addresses of nodes",
    "quorum": "how many endpoints must show the same block for it to count as final; default: the majority",
    "chain_id": "the chain's id (EIP-155)",
    "contract": "address of the contract: 0x and 40 lower-case hex digits",
    "finality": 'finalized, safe, or how many blocks must lie above a final one; default "finalized"',
    "account": "file (mode 0600) or env:NAME with the private key that writes, as hex; without it the ledger is only read",
    "attesters": "gRPC addresses of attesters, for proofs of kind evm-attested",
    "attesters_needed": "how many attestations a proof carries: the threshold in the trust roots",
    "trust": "trust roots file: attestations and, on a court's ledger, submissions are checked against it before they are sent",
    "max_fee_gwei": "the most a unit of gas may cost, in gwei; default 500",
    "start_height": "the height at which the contract was created: no events are looked for below it; default 1",
    "confirm_s": "seconds until a write without its block is uncertain; default 120",
    "poll_s": "seconds between two looks at the head where no WebSocket announces it; default 0.5",
    "ca": "PEM file of the authorities of attesters",
    "certificate": "PEM file of our certificate for attesters",
    "key": "PEM file of its key",
    "family": "evm or evm-qbft",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvmConfig:
    """One EVM ledger as one role sees it. `finality`: a block tag, or a depth."""

    ledger: str
    endpoints: tuple[str, ...]
    quorum: int
    chain_id: int
    contract: bytes
    finality: str | int
    account: SecretReference | None
    attesters: tuple[str, ...]
    attesters_needed: int
    tls: TlsFiles | None
    trust: Path | None
    max_fee_wei: int
    start_height: int
    confirm_s: float
    poll_s: float


class _Reader:
    """Takes one key after another; every error names the key and what it may hold."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = dict(values)
        self._where = where
        unknown = sorted(set(values) - set(KNOWN))
        if unknown:
            raise self.refuse(unknown[0], f"is unknown; known are {', '.join(sorted(KNOWN))}")

    def refuse(self, key: str, reason: str) -> Malformed:
        return Malformed(_WHAT, f"{self._where}.{key}", reason)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.refuse(key, f"must be given as a string: {KNOWN[key]}")
        return value

    def path(self, key: str) -> Path | None:
        return Path(self.text(key)) if key in self._values else None

    def reference(self, key: str) -> SecretReference | None:
        if key not in self._values:
            return None
        try:
            return parse_reference(self.text(key), Path())
        except Malformed as error:
            raise self.refuse(key, error.reason) from None

    def texts(self, key: str, *, empty: bool = False) -> tuple[str, ...]:
        value = self._values.get(key, [] if empty else None)
        if not isinstance(value, list) or not (empty or value) or len(value) > ENDPOINTS_MAX:
            raise self.refuse(key, f"must be a list of 1 to {ENDPOINTS_MAX} strings: {KNOWN[key]}")
        if not all(isinstance(item, str) and item for item in value) or len(set(value)) != len(value):
            raise self.refuse(key, "must hold different non-empty strings")
        return tuple(str(item) for item in value)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.refuse(key, f"must be a whole number from {low} to {high}: {KNOWN[key]}")
        return value

    def seconds(self, key: str, low: float, high: float, default: float) -> float:
        value = self._values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.refuse(key, f"must be seconds from {low} to {high}: {KNOWN[key]}")
        return float(value)

    def finality(self) -> str | int:
        value = self._values.get("finality", TAGS[0])
        if isinstance(value, str) and value in TAGS:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= DEPTH_MAX:
            return value
        raise self.refuse("finality", f"must be {KNOWN['finality']} (0 to {DEPTH_MAX})")

    def address(self, key: str) -> bytes:
        text = self.text(key)
        if ADDRESS.fullmatch(text) is None:
            raise self.refuse(key, f"must be {KNOWN[key]}")
        return bytes.fromhex(text[2:])

    def tls(self, needed: bool) -> TlsFiles | None:
        if not needed:
            return None
        paths = [Path(self.text(key)) for key in ("ca", "certificate", "key")]
        return TlsFiles(ca=paths[0], certificate=paths[1], key=paths[2])


def _check_endpoint(reader: _Reader, url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise reader.refuse("endpoints", "holds something that is no address") from None
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname or port == 0:
        raise reader.refuse("endpoints", "every one must begin with http://, https://, ws:// or wss:// and name a host")


def read_config(values: Mapping[str, object], *, attested: bool, where: str = "ledger") -> EvmConfig:
    """Read a ledger's table. `attested`: proofs are of kind evm-attested, so attesters may be named. Raises `Malformed`."""
    reader = _Reader(values, where)
    endpoints = reader.texts("endpoints")
    for url in endpoints:
        _check_endpoint(reader, url)
    attesters = reader.texts("attesters", empty=True)
    if attesters and not attested:
        raise reader.refuse(
            "attesters", "is for family evm; a chain of family evm-qbft seals its own blocks: leave it out"
        )
    needed = 0
    if attesters:
        needed = reader.integer("attesters_needed", 1, NOTE_SIGNATURES_MAX)
    elif "attesters_needed" in values:
        raise reader.refuse("attesters_needed", "says how many of `attesters` are needed, but none are named")
    return EvmConfig(
        ledger=reader.text("ledger"),
        endpoints=endpoints,
        quorum=reader.integer("quorum", 1, len(endpoints), len(endpoints) // 2 + 1),
        chain_id=reader.integer("chain_id", 1, CHAIN_ID_MAX),
        contract=reader.address("contract"),
        finality=reader.finality(),
        account=reader.reference("account"),
        attesters=attesters,
        attesters_needed=needed,
        tls=reader.tls(bool(attesters)),
        trust=reader.path("trust"),
        max_fee_wei=reader.integer("max_fee_gwei", 0, FEE_GWEI_MAX, 500) * 10**9,
        start_height=reader.integer("start_height", 1, HEIGHT_MAX, 1),
        confirm_s=reader.seconds("confirm_s", 1.0, 86_400.0, CONFIRM_S),
        poll_s=reader.seconds("poll_s", 0.02, 60.0, POLL_S),
    )
