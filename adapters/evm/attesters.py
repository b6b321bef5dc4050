"""Gathering attestations of one block from attesters: as many as a proof needs, asked at once, believed only as far as they verify."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from adapters.evm.attestation import attestation_text
from relay.core.errors import Malformed, NotFound, RelayError, Unavailable
from relay.core.limits import NOTE_SIGNATURES_MAX
from relay.core.note import Note, Signature, VerifierKey, check_ed25519, format_note, parse_note
from relay.core.trust import LedgerRoot
from relay.transport.channels import call, channel
from relay.transport.credentials import TlsFiles

ATTEST_S: Final = 10.0


class Attesters:
    """The attesters of one ledger, each over one channel. `close` may be called twice."""

    def __init__(
        self,
        stubs: Sequence[tuple[str, Any]],
        stack: AsyncExitStack,
        *,
        ledger: str,
        chain_id: int,
        needed: int,
        root: LedgerRoot | None,
    ) -> None:
        self._stubs = stubs
        self._stack = stack
        self._ledger = ledger
        self._chain_id = chain_id
        self._needed = needed
        self._root = root
        self._closed = False

    @classmethod
    async def open(
        cls,
        addresses: Sequence[str],
        tls: TlsFiles,
        *,
        ledger: str,
        chain_id: int,
        needed: int,
        root: LedgerRoot | None,
    ) -> Attesters:
        """One channel each; connects with the first call. Raises `Malformed` for unreadable TLS files."""
        from adapters.evm.v1 import attester_pb2_grpc

        stack = AsyncExitStack()
        stubs = []
        for address in addresses:
            opened = await stack.enter_async_context(channel(address, tls))
            stubs.append((address, attester_pb2_grpc.AttesterStub(opened)))
        return cls(stubs, stack, ledger=ledger, chain_id=chain_id, needed=needed, root=root)

    async def attest(self, height: int, time_ms: int, block_hash: bytes) -> str:
        """A note with exactly as many signatures as are needed, by key name.

        Raises `NotFound` when too few attesters call the block final yet, `Unavailable` when too few answer.
        """
        text = attestation_text(self._ledger, self._chain_id, height, time_ms, block_hash)
        answers = await asyncio.gather(*(self._ask(place, height, block_hash) for place in range(len(self._stubs))))
        good: dict[str, Signature] = {}
        reasons: list[str] = []
        early = 0
        for (address, _), answer in zip(self._stubs, answers, strict=True):
            if isinstance(answer, RelayError):
                early += isinstance(answer, NotFound)
                reasons.append(f"{address}: {answer}")
                continue
            try:
                for signature in _signatures(text, answer):
                    if self._counts(signature, text, time_ms):
                        good.setdefault(signature.name, signature)
            except Malformed as error:
                reasons.append(f"{address}: {error}")
        if len(good) < self._needed:
            reason = f"{len(good)} attestations of block {height}, {self._needed} are needed; {'; '.join(reasons)}"
            raise NotFound(reason) if early else Unavailable(reason)
        chosen = [good[name] for name in sorted(good)[: self._needed]]
        return format_note(Note(text=text, signatures=tuple(chosen))).decode()

    async def _ask(self, place: int, height: int, block_hash: bytes) -> list[str] | RelayError:
        from adapters.evm.v1 import attester_pb2

        if self._closed:
            return Unavailable("the connection was closed here")
        request = attester_pb2.AttestRequest(ledger=self._ledger, height=height, block_hash=block_hash)
        try:
            reply = await call(self._stubs[place][1].Attest(request, timeout=ATTEST_S))
        except RelayError as error:
            return error
        return list(reply.signatures)[:NOTE_SIGNATURES_MAX]

    def _counts(self, signature: Signature, text: str, time_ms: int) -> bool:
        """Of this ledger and, where the trust roots are known, by a validator that is pinned for that time."""
        if not signature.name.startswith(f"{self._ledger}/"):
            return False
        if self._root is None:
            return True
        for validator in self._root.validators:
            if f"{self._ledger}/{validator.name}" == signature.name and len(validator.public_key) == 32:
                key = VerifierKey.ed25519(signature.name, validator.public_key)
                if validator.valid_from_ms <= time_ms < validator.valid_to_ms and key.key_id == signature.key_id:
                    return check_ed25519(key.public_key, signature.signature, text.encode())
        return False

    async def close(self) -> None:
        """Give up the channels."""
        self._closed = True
        await self._stack.aclose()


def _signatures(text: str, lines: Sequence[str]) -> tuple[Signature, ...]:
    """Signature lines as they stand below a note's text. Raises `Malformed`."""
    if not lines:
        return ()
    return parse_note((text + "\n" + "".join(f"{line}\n" for line in lines)).encode("utf-8", "replace")).signatures
