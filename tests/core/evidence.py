"""Small valid documents for the tests of evidence formats: parties, keys, records, grants, requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import dumps, loads
from relay.core.grants import issue_grant
from relay.core.records import IssuedRecord, PayloadDigest, Provenance, RecordDraft, issue_record
from relay.core.requests import RequestDetails, make_request
from relay.core.sealing import Kem, SealingPrivateKey

LENDER = "spiffe://lender.example/custodian/anchor-bank"
COURT = "spiffe://court.example/court/harbour"
DOSSIER = "00112233445566778899aabbccddeeff"
NOW_S = 1_763_900_000


class Key:
    """An Ed25519 key pair from a name, the same in every run."""

    def __init__(self, name: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public: bytes = self._private.public_key().public_bytes_raw()
        self.sign: Callable[[bytes], bytes] = self._private.sign


LENDER_KEY = Key("lender")
COURT_KEY = Key("court")
STRANGER = Key("stranger")
CUSTODIAN_SEALING = SealingPrivateKey(kem=Kem.MLKEM768_X25519, raw=bytes(range(32)))
ONE_TIME = SealingPrivateKey(kem=Kem.MLKEM768_X25519, raw=bytes(range(32, 64)))


def counting(start: int = 0) -> Callable[[int], bytes]:
    """Distinct bytes at every call, the same in every run."""
    calls = start

    def draw(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_256(calls.to_bytes(8, "big")).digest(size)

    return draw


def draft(**changes: Any) -> RecordDraft:
    values: dict[str, Any] = {
        "iss": LENDER,
        "dossier": DOSSIER,
        "seq": 3,
        "kind": "repayment",
        "kind_version": 1,
        "event_time_s": NOW_S - 60,
        "recorded_time_s": NOW_S,
        "confidentiality": "ordinary",
        "retention": "loan",
        "provenance": Provenance(
            source="core banking", generation="automatic", storage="", notarisation="", witnesses="", corroboration=""
        ),
        "fields": {"amount": "1200.00", "currency": "CNY", "payer_name": "张三", "account": "6222…88"},
    }
    return RecordDraft(**(values | changes))


PERSONAL = frozenset({"payer_name", "account", "phone"})
CONTRACT_PDF = PayloadDigest(name="contract.pdf", media_type="application/pdf", size=5, sha256="ab" * 32)


def record(**changes: Any) -> IssuedRecord:
    return issue_record(draft(**changes), PERSONAL, LENDER_KEY.public, LENDER_KEY.sign, counting())


def grant(**changes: Any) -> str:
    values: dict[str, Any] = {
        "iss": LENDER,
        "aud": COURT,
        "case": "（2025）浙0192民初1号",
        "dossiers": [DOSSIER],
        "kinds": ["*"],
        "mode": "retrieve",
        "purpose": "loan dispute",
        "nbf": NOW_S - 10,
        "exp": NOW_S + 1000,
        "iat": NOW_S - 10,
        "uses": 2,
        "request_key": COURT_KEY.public,
        "public_key": LENDER_KEY.public,
        "sign": LENDER_KEY.sign,
        "random_bytes": counting(),
    }
    return issue_grant(**(values | changes))


DETAILS = RequestDetails(case="（2025）浙0192民初1号", dossier=DOSSIER, officer="judge 17", purpose="hearing")


def request(**changes: Any) -> str:
    values: dict[str, Any] = {
        "iss": COURT,
        "aud": LENDER,
        "grant": bytes(32),
        "details": DETAILS,
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "recipient": ONE_TIME.public_key,
        "custodian_key": CUSTODIAN_SEALING.public_key,
        "public_key": COURT_KEY.public,
        "sign": COURT_KEY.sign,
        "random_bytes": counting(),
    }
    return make_request(**(values | changes))


def resigned(token: str, key: Key, **changes: Any) -> str:
    """The same token with members of its payload replaced (None removes) and signed again with the key."""
    header, payload, _ = token.split(".")
    claims: dict[str, object] = loads(b64url_decode(payload, what="", field=""), what="", bytes_max=10**9) | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    signing_input = f"{header}.{b64url_encode(dumps(claims))}"
    return f"{signing_input}.{b64url_encode(key.sign(signing_input.encode()))}"
