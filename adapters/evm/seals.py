"""Committed seals of QBFT and IBFT 2.0, as Besu and Quorum write them into a header's extraData.

extraData is RLP of [vanity, validators, vote, round, seals]. The validators sign the header with the round but without the seals; the
block's hash on the chain leaves out both, so that all nodes name one block alike whatever seals they collected. What is left out:

    seals sign     QBFT [vanity, validators, vote, round, []]    IBFT 2.0 [vanity, validators, vote, round]
    block hash     QBFT [vanity, validators, vote, 0, []]        IBFT 2.0 [vanity, validators, vote]

Sources: hyperledger/besu, consensus/common BftBlockHashing.java (calculateDataHashForCommittedSeal, calculateHashOfBftBlockOnChain),
consensus/qbft QbftExtraDataCodec.java, consensus/ibft IbftExtraDataCodec.java.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import coincurve

from adapters.evm.header import HEADER_BYTES_MAX, Header
from adapters.evm.keccak import keccak256
from adapters.evm.rlp import Encodable, Item, as_bytes, as_list, decode_list, encode
from relay.core.errors import Malformed, Unverified
from relay.core.trust import LedgerRoot

SEAL_BYTES: Final = 65
SEALS_MAX: Final = 256
PUBLIC_KEY_BYTES: Final = 33
VANITY_BYTES: Final = 32
_WHAT: Final = "extraData"
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_ROUND_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BftExtra:
    """What extraData says. `qbft` is False for IBFT 2.0; `vote` and `round` stand as they are encoded."""

    qbft: bool
    vanity: bytes
    validators: tuple[bytes, ...]
    vote: Item
    round: bytes
    seals: tuple[bytes, ...]

    def without_seals(self) -> bytes:
        """What the seals sign."""
        head: list[Encodable] = [self.vanity, self.validators, self.vote, self.round]
        return encode([*head, []] if self.qbft else head)

    def on_chain(self) -> bytes:
        """What the block's hash covers."""
        head: list[Encodable] = [self.vanity, self.validators, self.vote]
        return encode([*head, b"", []] if self.qbft else head)


def parse_extra(data: bytes) -> BftExtra:
    """Raises `Malformed`. The two forms differ in the round: IBFT 2.0 writes four bytes, QBFT an integer (here below 2^24)."""
    items = decode_list(data, what=_WHAT, bytes_max=HEADER_BYTES_MAX)
    if len(items) != 5:
        raise Malformed(_WHAT, "", f"{len(items)} items; QBFT and IBFT 2.0 have 5")
    number = as_bytes(items[3], _WHAT, "round")
    qbft = len(number) < _ROUND_BYTES
    if len(number) > _ROUND_BYTES or (number[:1] == b"\x00") is qbft:
        raise Malformed(_WHAT, "round", "must be below 2^24: four bytes in IBFT 2.0, an integer in QBFT")
    _check_vote(items[2], qbft)
    seals = as_list(items[4], _WHAT, "seals")
    if len(seals) > SEALS_MAX:
        raise Malformed(_WHAT, "seals", f"{len(seals)} of them; at most {SEALS_MAX}")
    return BftExtra(
        qbft=qbft,
        vanity=as_bytes(items[0], _WHAT, "vanity", size=VANITY_BYTES),
        validators=tuple(as_bytes(one, _WHAT, "validators", size=20) for one in as_list(items[1], _WHAT, "validators")),
        vote=items[2],
        round=number,
        seals=tuple(as_bytes(one, _WHAT, "seals", size=SEAL_BYTES) for one in seals),
    )


def _check_vote(vote: Item, qbft: bool) -> None:
    none: Item = [] if qbft else b""
    if vote == none:
        return
    parts = as_list(vote, _WHAT, "vote")
    if len(parts) != 2 or as_bytes(parts[1], _WHAT, "vote") not in (b"\xff", b"" if qbft else b"\x00"):
        raise Malformed(_WHAT, "vote", "must be an address and whether to add or to drop it")
    as_bytes(parts[0], _WHAT, "vote", size=20)


def seal_digest(header: Header) -> bytes:
    """32 bytes that the validators sign. Raises `Malformed`."""
    return keccak256(header.with_extra(parse_extra(header.extra_data).without_seals()))


def stripped(header: Header) -> bytes:
    """The header's RLP without seals and round: its Keccak-256 is the block's hash on the chain. Raises `Malformed`."""
    return header.with_extra(parse_extra(header.extra_data).on_chain())


def chain_hash(header: Header) -> bytes:
    """The block's hash as the chain's nodes and its next header name it. Raises `Malformed`."""
    return keccak256(stripped(header))


def recover(digest: bytes, seal: bytes) -> bytes:
    """The compressed public key that made a seal: r, s, and 0 or 1. Raises `Unverified`, also for the other spelling of s."""
    r, s = int.from_bytes(seal[:32], "big"), int.from_bytes(seal[32:64], "big")
    if len(seal) != SEAL_BYTES or seal[64] > 1 or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        raise Unverified("seals", "a seal is not r, the lower s, and 0 or 1")
    try:
        key = coincurve.PublicKey.from_signature_and_message(seal, digest, hasher=None)
    except Exception:  # the library raises a bare Exception for an r that is no point
        raise Unverified("seals", "a seal is nobody's signature") from None
    return key.format(compressed=True)


def check_seals(header: Header, root: LedgerRoot) -> bytes:
    """The block's hash, when enough of the pinned validators sealed the header. Raises `Malformed`, `Unverified`.

    Every seal must be that of another pinned validator, with a key valid at the block's time; at least the threshold of them.
    """
    extra = parse_extra(header.extra_data)
    if len(extra.seals) < root.threshold:
        raise Unverified("seals", f"{len(extra.seals)} seals; at least {root.threshold} are needed")
    if len(extra.seals) > len(root.validators):
        raise Unverified("seals", f"{len(extra.seals)} seals, though {len(root.validators)} validators are pinned")
    digest = keccak256(header.with_extra(extra.without_seals()))
    pinned = {validator.public_key: validator for validator in root.validators}
    names: set[str] = set()
    for seal in extra.seals:
        validator = pinned.get(recover(digest, seal))
        if validator is None:
            raise Unverified("seals", "a seal is not that of a pinned validator")
        if not validator.valid_from_ms <= header.time_ms < validator.valid_to_ms:
            raise Unverified("seals", f"the key of {validator.name} was not valid at the block's time")
        if validator.name in names:
            raise Unverified("seals", f"{validator.name} sealed twice")
        names.add(validator.name)
    return keccak256(header.with_extra(extra.on_chain()))
