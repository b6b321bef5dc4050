"""Blocks and transactions of the embedded ledger: their bytes (docs/spec/ledger-quorum.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.note import VerifierKey

FIRST_LINE: Final = "courtrelay.org/ledger-block/v1"
HASH_BYTES: Final = 32
NO_BLOCK: Final = bytes(HASH_BYTES)
TX_BYTES_MAX: Final = 64 * 1024
_TX_DOMAIN: Final = b"courtrelay/tx/v1"
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A block's header. `previous` is the hash of the block before, zeros for height 1."""

    ledger: str
    height: int
    time_ms: int
    previous: bytes
    tx_root: bytes
    tx_count: int

    def text(self) -> str:
        """The note text that validators sign."""
        lines = [FIRST_LINE, self.ledger, str(self.height), str(self.time_ms)]
        lines += [b64encode(self.previous), b64encode(self.tx_root), str(self.tx_count)]
        return "".join(line + "\n" for line in lines)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the note text."""
        return hashlib.sha256(self.text().encode()).digest()


def parse_header(text: str) -> Header:
    """The inverse of `Header.text`. Raises `Malformed`."""
    what = "block header"
    lines = text.split("\n")
    if len(lines) != 8 or lines[7] or lines[0] != FIRST_LINE:
        raise Malformed(what, "", f"must be seven lines that begin with {FIRST_LINE}")
    header = Header(
        ledger=lines[1],
        height=_number(lines[2], "height"),
        time_ms=_number(lines[3], "time"),
        previous=b64decode(lines[4], what=what, field="previous"),
        tx_root=b64decode(lines[5], what=what, field="transaction root"),
        tx_count=_number(lines[6], "transaction count"),
    )
    if len(header.previous) != HASH_BYTES or len(header.tx_root) != HASH_BYTES or header.height < 1:
        raise Malformed(what, "", "has a hash of the wrong length or no height")
    return header


def _number(text: str, field: str) -> int:
    if _DECIMAL.fullmatch(text) is None:
        raise Malformed("block header", field, "must be a decimal number without leading zeros")
    return int(text)


def validator_key(ledger: str, name: str, public_key: bytes) -> VerifierKey:
    """The note key of a validator."""
    return VerifierKey.ed25519(f"{ledger}/{name}", public_key)


def encode_tx(fact: Mapping[str, object]) -> bytes:
    """A transaction's bytes: JCS. Raises `Malformed` when they are too long."""
    data = dumps(dict(fact))
    if len(data) > TX_BYTES_MAX:
        raise Malformed("transaction", "", f"{len(data)} bytes; at most {TX_BYTES_MAX}")
    return data


def tx_id(data: bytes) -> bytes:
    """32 bytes that name a transaction."""
    return hashlib.sha256(_TX_DOMAIN + data).digest()
