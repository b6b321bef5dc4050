"""Makes a chain of anvil look as a QBFT chain of Besu does: every header sealed, every hash without the seals, in all answers.

There is no QBFT node to be had here; seals of real Besu blocks are checked in tests/evm/test_seals.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import coincurve

from adapters.evm.header import encode_header, parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import QBFT
from adapters.evm.rlp import encode
from adapters.evm.seals import chain_hash, seal_digest
from adapters.evm.values import hexed
from relay.core.pinned import LedgerRoot, Validator
from tests.support.anvil import Anvil

KEYS = tuple(coincurve.PrivateKey(hashlib.sha256(b"sealer %d" % n).digest()) for n in range(4))


def sealed_root(ledger: str, anvil: Anvil, contract: bytes) -> LedgerRoot:
    validators = tuple(
        Validator(
            name=f"validator-{n}", public_key=key.public_key.format(compressed=True), valid_from_ms=0, valid_to_ms=2**42
        )
        for n, key in enumerate(KEYS)
    )
    parameters = {"chain_id": str(anvil.chain_id), "contract": hexed(contract)}
    return LedgerRoot(ledger=ledger, kind=QBFT, threshold=3, validators=validators, parameters=parameters)


class Sealer:
    """Seals the chain as far as `follow` has read it; `alter` is for `Liar`."""

    def __init__(self, anvil: Anvil, signers: Sequence[coincurve.PrivateKey] = KEYS[:3]) -> None:
        self._anvil = anvil
        self._signers = signers
        self._names: dict[str, str] = {}
        self._real: dict[str, str] = {}
        self._extra: dict[str, str] = {}

    async def follow(self) -> None:
        self._names.clear()
        for height in range(await self._anvil.height() + 1):
            block = await self._anvil.ask("eth_getBlockByNumber", hex(height), False)
            sealed = self._seal({**block, "parentHash": self._names.get(block["parentHash"], block["parentHash"])})
            self._names[block["hash"]] = sealed["hash"]
            self._real[sealed["hash"]] = block["hash"]
            self._extra[block["hash"]] = sealed["extraData"]

    def _seal(self, block: dict[str, Any]) -> dict[str, Any]:
        if block["number"] == "0x0":
            return block
        addresses = [keccak256(key.public_key.format(compressed=False)[1:])[-20:] for key in KEYS]

        def with_seals(seals: list[bytes]) -> dict[str, Any]:
            return {**block, "extraData": hexed(encode([bytes(32), addresses, [], b"", seals]))}

        digest = seal_digest(parse_header(encode_header(with_seals([]))))
        sealed = with_seals([key.sign_recoverable(digest, hasher=None) for key in self._signers])
        return {**sealed, "hash": hexed(chain_hash(parse_header(encode_header(sealed))))}

    def unseal(self, params: list[Any]) -> list[Any]:
        """What the real node must be asked."""
        return [self._real.get(p, p) if isinstance(p, str) else p for p in params]

    def alter(self, _method: str, _params: list[Any], result: Any) -> Any:
        if isinstance(result, list):
            return [self.alter(_method, _params, one) for one in result]
        if not isinstance(result, dict):
            return result
        changed = dict(result)
        if "parentHash" in result:
            changed["extraData"] = self._extra[result["hash"]]
            changed["hash"] = self._names[result["hash"]]
            changed["parentHash"] = self._names.get(result["parentHash"], result["parentHash"])
        if "blockHash" in result:
            changed["blockHash"] = self._names[result["blockHash"]]
        for name in ("logs", "transactions"):
            if isinstance(result.get(name), list):
                changed[name] = [self.alter(_method, _params, one) for one in result[name]]
        return changed
