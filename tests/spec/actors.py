"""Who plays in the worked examples of docs/spec: parties, names, keys and fixed stand-ins for randomness."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.identity import Role
from relay.core.note import VerifierKey
from relay.core.requests import RequestDetails
from relay.core.sealing import Kem, SealingPrivateKey
from relay.core.times import parse_utc

BANK: Final = f"spiffe://bank.example/{Role.CUSTODIAN.value}/harbour"
COURT: Final = f"spiffe://court.example/{Role.COURT.value}/riverside"
PLATFORM: Final = f"spiffe://alliance.example/{Role.OPERATOR.value}/chain"
ORIGIN: Final = "bank.example/evidence"
COURT_ORIGIN: Final = "court.example/custody"
WITNESS: Final = "court.example/witness"
BANK_LEDGER: Final = "bank-ledger"
COURT_LEDGER: Final = "court-ledger"
DOSSIER: Final = bytes(range(16)).hex()
DOSSIER_KEY: Final = bytes(range(32))
CASE: Final = "(2025) Riverside Civil 17"
KEY_NAMES: Final = ("record", "log", "grant", "witness", "request", "seal", "custody", "v1", "v2", "v3", "platform")
PAYLOAD: Final = b"receipt\n"
CUSTODIAN_SEALING: Final = SealingPrivateKey(kem=Kem.X25519, raw=bytes(range(32, 64)))
ONE_TIME: Final = SealingPrivateKey(kem=Kem.X25519, raw=bytes(range(64, 96)))
DETAILS: Final = RequestDetails(case=CASE, dossier=DOSSIER, officer="judge 17", purpose="hearing")
DEPOSIT_LINE: Final = (
    '{"dossier": "LN-2025-0001", "seq": 0, "kind": "repayment", "kind_version": 1, "event_time": "2025-11-03T08:00:00Z",'
    ' "provenance": {"source": "core banking", "generation": "automatic", "storage": "", "notarisation": "",'
    ' "witnesses": "", "corroboration": ""}, "fields": {"amount": "1200.00", "currency": "CNY", "payer_name": "Zhang San"},'
    ' "payloads": [{"file": "files/receipt-0001.txt", "name": "receipt.txt", "media_type": "text/plain"}]}'
)


def at(text: str) -> int:
    """Seconds since 1970 of a time on the day the examples play."""
    return parse_utc(f"2025-11-03T{text}Z", "example", "")


class Key:
    """Ed25519, seed = SHA-256("courtrelay spec example " ‖ name)."""

    def __init__(self, name: str) -> None:
        self.seed: bytes = hashlib.sha256(b"courtrelay spec example " + name.encode()).digest()
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public: bytes = private.public_key().public_bytes_raw()
        self.sign: Callable[[bytes], bytes] = private.sign


KEYS: Final = {name: Key(name) for name in KEY_NAMES}
LOG_KEY: Final = VerifierKey.ed25519(ORIGIN, KEYS["log"].public)
WITNESS_KEY: Final = VerifierKey.cosigner(WITNESS, KEYS["witness"].public)


def same_bytes(first: int) -> Callable[[int], bytes]:
    """Stands for randomness: 16 times one byte, the next byte at every draw."""
    drawn = iter(range(first, 256))
    return lambda size: bytes([next(drawn)]) * size
