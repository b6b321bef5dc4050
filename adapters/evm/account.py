"""The account that pays and signs: a secp256k1 key in a file of mode 0600; EIP-1559 transactions, or EIP-155 without a base fee."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.evm.keccak import keccak256
from adapters.evm.rlp import Encodable, encode, scalar
from relay.core.errors import Malformed
from relay.private.references import SecretReference, read_text
from relay.setup.keys import write_secret

KEY_BYTES: Final = 32
_KEY: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_WHAT: Final = "account key"
_DYNAMIC_FEE: Final = b"\x02"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What a unit of gas may cost, in wei. `priority` None: a chain without a base fee, `most` is the gas price."""

    most: int
    priority: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A call of a contract that is not signed yet."""

    chain_id: int
    nonce: int
    gas: int
    fees: Fees
    to: bytes
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A transaction as it is sent, and its id."""

    raw: bytes
    tx_id: bytes


class Account:
    """Signs with one key. `address` is 20 bytes."""

    def __init__(self, secret: bytes) -> None:
        from coincurve import PrivateKey

        try:
            self._key = PrivateKey(secret)
        except ValueError:
            raise Malformed(_WHAT, "", "is no secp256k1 private key: it is zero or too large") from None
        public = self._key.public_key.format(compressed=False)[1:]
        self.address: bytes = keccak256(public)[-20:]

    def sign(self, draft: Draft) -> Signed:
        """The signed transaction; the same draft gives the same bytes (RFC 6979)."""
        fees = draft.fees
        gas, to, data = scalar(draft.gas), draft.to, draft.data
        nonce, chain = scalar(draft.nonce), scalar(draft.chain_id)
        if fees.priority is None:
            fields: list[Encodable] = [nonce, scalar(fees.most), gas, to, b"", data]
            parity, r, s = self._signature(encode([*fields, chain, b"", b""]))
            raw = encode([*fields, scalar(draft.chain_id * 2 + 35 + parity), r, s])
        else:
            fields = [chain, nonce, scalar(fees.priority), scalar(fees.most), gas, to, b"", data, []]
            parity, r, s = self._signature(_DYNAMIC_FEE + encode(fields))
            raw = _DYNAMIC_FEE + encode([*fields, scalar(parity), r, s])
        return Signed(raw=raw, tx_id=keccak256(raw))

    def _signature(self, message: bytes) -> tuple[int, bytes, bytes]:
        signature = self._key.sign_recoverable(keccak256(message), hasher=None)
        return signature[64], signature[:32].lstrip(b"\0"), signature[32:64].lstrip(b"\0")


def load_account(reference: SecretReference) -> Account:
    """Read the key. Raises `Malformed` that says what the file or the variable must hold."""
    text = read_text(reference)
    if _KEY.fullmatch(text) is None:
        raise Malformed(_WHAT, str(reference), "must hold 64 hex digits and nothing else", concern="key")
    return Account(bytes.fromhex(text.removeprefix("0x")))


def make_account(path: Path) -> Account:
    """A fresh key in a new file of mode 0600. Raises `Conflict` when the file exists, as `write_secret` does."""
    import secrets

    while True:
        secret = secrets.token_bytes(KEY_BYTES)
        try:
            account = Account(secret)
        except Malformed:
            continue
        write_secret(path, secret.hex().encode() + b"\n")
        return account


def created_address(creator: bytes, nonce: int) -> bytes:
    """Where a contract lies that an account creates with its transaction of that nonce."""
    return keccak256(encode([creator, scalar(nonce)]))[-20:]
