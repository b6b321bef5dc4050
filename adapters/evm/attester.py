"""The attester's gRPC face: it signs what its own node shows as a final block, and nothing on anybody's word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from adapters.evm.attestation import attestation_text, attester_key
from adapters.evm.chain import Chain
from adapters.evm.config import HEIGHT_MAX
from adapters.evm.v1 import attester_pb2, attester_pb2_grpc
from relay.core.errors import Malformed, NotFound, Unverified
from relay.core.identity import Role
from relay.core.note import Note, format_note, sign_note

ALLOW: Final[Mapping[str, frozenset[Role]]] = {"/adapters.evm.v1.Attester/Attest": frozenset(Role)}
"""What it says is no secret: every identity of the network may ask."""

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttesterKey:
    """One attester's name as the trust roots pin it, its public key (32 bytes), and how it signs."""

    name: str
    public_key: bytes
    sign: Callable[[bytes], bytes]


class AttesterServicer(attester_pb2_grpc.AttesterServicer):
    """Looks at its own chain for every request."""

    def __init__(self, chain: Chain, keys: list[AttesterKey]) -> None:
        self._chain = chain
        self._keys = keys

    async def Attest(self, request: attester_pb2.AttestRequest, context: Context) -> attester_pb2.AttestReply:
        """Signature lines over the block, one for each key."""
        config = self._chain.config
        if request.ledger != config.ledger:
            raise NotFound(f"this attester speaks for {config.ledger} only")
        if len(request.block_hash) != 32 or not 1 <= request.height <= HEIGHT_MAX:
            raise Malformed("request", "block_hash", "must be 32 bytes of a block above the first")
        final = await self._chain.final_height((await self._chain.newest()).height)
        if request.height > final:
            raise NotFound(f"block {request.height} is not final here: final is {final}")
        block = await self._chain.at(request.height)
        if block is None:
            raise NotFound(f"block {request.height} is not shown here")
        if block.hash != request.block_hash:
            raise Unverified("block", f"block {request.height} has another hash here")
        if self._chain.endpoints.several:
            await self._chain.endpoints.agree(block.height, block.hash)
        text = attestation_text(config.ledger, config.chain_id, block.height, block.time_ms, block.hash)
        return attester_pb2.AttestReply(signatures=[self._line(text, key) for key in self._keys])

    def _line(self, text: str, key: AttesterKey) -> str:
        signature = sign_note(text, attester_key(self._chain.config.ledger, key.name, key.public_key), key.sign)
        return format_note(Note(text=text, signatures=(signature,))).decode()[len(text) + 1 : -1]
