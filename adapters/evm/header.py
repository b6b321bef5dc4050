"""Block headers, from the first ones to Prague's: their RLP, the values a proof needs, and how JSON-RPC shows them.

Sources: yellow paper section 4.4; EIP-1559, 4895, 4844, 4788, 7685 for the fields that came later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from adapters.evm import hexvalues
from adapters.evm.keccak import keccak256
from adapters.evm.rlp import as_bytes, as_scalar, decode_list, encode, scalar
from relay.core.errors import Malformed
from relay.core.limits import JSON_INT_MAX, TIME_S_MAX

HEADER_BYTES_MAX: Final = 64 * 1024
"""A header with the seals of some hundred validators; without seals it has some 600 bytes."""
_WHAT: Final = "block header"
_FIELDS: Final[tuple[tuple[str, int, bool], ...]] = (
    # name in JSON-RPC, bytes, whether it is an integer (then at most that many bytes); none: any length
    ("parentHash", 32, False),
    ("sha3Uncles", 32, False),
    ("miner", 20, False),
    ("stateRoot", 32, False),
    ("transactionsRoot", 32, False),
    ("receiptsRoot", 32, False),
    ("logsBloom", 256, False),
    ("difficulty", 32, True),
    ("number", 8, True),
    ("gasLimit", 8, True),
    ("gasUsed", 8, True),
    ("timestamp", 8, True),
    ("extraData", 0, False),
    ("mixHash", 32, False),
    ("nonce", 8, False),
    ("baseFeePerGas", 32, True),  # London
    ("withdrawalsRoot", 32, False),  # Shanghai
    ("blobGasUsed", 8, True),  # Cancun, as the next two
    ("excessBlobGas", 8, True),
    ("parentBeaconBlockRoot", 32, False),
    ("requestsHash", 32, False),  # Prague
)
_EXTRA: Final = 12
LENGTHS: Final = frozenset({15, 16, 17, 19, 20, 21})
"""How many fields a header has; with 19 it is one of a chain without a beacon chain that took on Cancun's gas fields."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """A parsed header. `raw` is its canonical RLP."""

    raw: bytes
    fields: tuple[bytes, ...]

    @cached_property
    def hash(self) -> bytes:
        """Keccak-256 of the RLP. On a chain with QBFT or IBFT 2.0 that is not the block's hash: see `seals.chain_hash`."""
        return keccak256(self.raw)

    @property
    def parent_hash(self) -> bytes:
        """32 bytes."""
        return self.fields[0]

    @property
    def transactions_root(self) -> bytes:
        """32 bytes."""
        return self.fields[4]

    @property
    def receipts_root(self) -> bytes:
        """32 bytes."""
        return self.fields[5]

    @property
    def height(self) -> int:
        """The block's number."""
        return int.from_bytes(self.fields[8], "big")

    @property
    def time_ms(self) -> int:
        """The block's time in milliseconds since 1970 UTC; the header has whole seconds."""
        return int.from_bytes(self.fields[11], "big") * 1000

    @property
    def extra_data(self) -> bytes:
        """Any bytes; with QBFT and IBFT 2.0 the validators and their seals."""
        return self.fields[_EXTRA]

    def with_extra(self, extra: bytes) -> bytes:
        """The RLP of the same header with other extraData."""
        return encode([*self.fields[:_EXTRA], extra, *self.fields[_EXTRA + 1 :]])


def parse_header(data: bytes) -> Header:
    """Canonical RLP of a header whose height is 1 to 2^53 - 1 and whose time is before the year 10000. Raises `Malformed`."""
    items = decode_list(data, what=_WHAT, bytes_max=HEADER_BYTES_MAX)
    if len(items) not in LENGTHS:
        raise Malformed(_WHAT, "", f"{len(items)} fields; must be {', '.join(map(str, sorted(LENGTHS)))}")
    fields: list[bytes] = []
    for item, (name, size, is_integer) in zip(items, _FIELDS, strict=False):
        if is_integer:
            as_scalar(item, _WHAT, name, bytes_max=size)
        fields.append(as_bytes(item, _WHAT, name, size=size or None if not is_integer else None))
    header = Header(raw=data, fields=tuple(fields))
    if not 1 <= header.height <= JSON_INT_MAX:
        raise Malformed(_WHAT, "number", f"{header.height} is outside 1 to {JSON_INT_MAX}")
    if header.time_ms > TIME_S_MAX * 1000:
        raise Malformed(_WHAT, "timestamp", "is not in seconds of the years 1970 to 9999")
    return header


def encode_header(rpc_block: Mapping[str, object]) -> bytes:
    """The RLP of a block as `eth_getBlockByNumber` shows it; the caller compares its hash. Raises `Malformed`.

    Fields of later forks are taken as far as the node gives them; one after a gap is refused.
    """
    items: list[bytes] = []
    for place, (name, size, is_integer) in enumerate(_FIELDS):
        if place >= min(LENGTHS) and rpc_block.get(name) is None:
            later = [other for other, _, _ in _FIELDS[place:] if rpc_block.get(other) is not None]
            if later:
                raise Malformed(_WHAT, name, f"is missing, though {later[0]} is there")
            break
        if is_integer:
            items.append(scalar(hexvalues.quantity(rpc_block, name, _WHAT)))
        else:
            items.append(hexvalues.data(rpc_block, name, _WHAT, size=size or None))
    if len(items) not in LENGTHS:
        raise Malformed(_WHAT, "", f"{len(items)} fields; must be {', '.join(map(str, sorted(LENGTHS)))}")
    return encode(items)
