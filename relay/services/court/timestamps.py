"""Trusted time: when the court has read a checkpoint's receipt, each configured authority is asked to stamp it.

Every authority has a worker of its own, so that one that is down delays neither another nor anything else. What it answers is
verified against the pinned authorities before it is kept; one token of each authority over each checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from relay.core.errors import Malformed, RelayError, Unverified
from relay.core.limits import FUTURE_SKEW_S, TIMESTAMP_NONCE_BYTES
from relay.core.timestamp import Stamp, find_authority, parse_token, request_bytes, token_of, verify_token
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, RandomBytes
from relay.ports.held import HeldCheckpoint
from relay.ports.timestamps import TimestampAuthority, TimestampStore
from relay.telemetry.events import TIMESTAMP_TROUBLE, log_event

log = logging.getLogger(__name__)

LOOK_S: Final = 30.0
AT_ONCE: Final = 64
AGE_MS: Final = 7 * 86_400_000
"""What was accepted longer ago is not stamped any more: a time that late says little, and an authority may count requests."""
OVERLAP_MS: Final = 3_600_000
"""Receipts are not read in the order of their blocks' times: so far back is looked again."""


class Timestamps:
    """Asks authorities. `run` never returns; it ends by cancellation. `problem` tells of the last failure of any authority."""

    def __init__(
        self,
        *,
        store: TimestampStore,
        authorities: Sequence[TimestampAuthority],
        trust: TrustRoots,
        clock: Clock,
        random_bytes: RandomBytes,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._authorities = authorities
        self._trust = trust
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._wakes = {authority.name: asyncio.Event() for authority in authorities}
        self._done_ms = dict.fromkeys(self._wakes, 0)
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """What is wrong now, empty when nothing is."""
        return "; ".join(self._problems[name] for name in sorted(self._problems))

    def wake(self) -> None:
        """A receipt was read."""
        for event in self._wakes.values():
            event.set()

    async def run(self) -> None:
        """One worker for each authority."""
        async with asyncio.TaskGroup() as group:
            for authority in self._authorities:
                group.create_task(self._serve(authority), name=f"timestamps of {authority.name}")

    async def _serve(self, authority: TimestampAuthority) -> None:
        """While something is not stamped ask again after growing delays; otherwise sleep until a receipt is read."""
        waits = self._backoff()
        wake = self._wakes[authority.name]
        while True:
            wake.clear()
            try:
                await self.stamp(authority)
                self._problems.pop(authority.name, None)
                waits = self._backoff()
            except RelayError as error:
                self._problems[authority.name] = f"timestamp authority {authority.name}: {error}"
                log_event(log, TIMESTAMP_TROUBLE, authority=authority.name, reason=error)
                await asyncio.sleep(next(waits))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await wake.wait()

    async def stamp(self, authority: TimestampAuthority) -> int:
        """Everything that this authority has not stamped yet; returns how many. Raises `Unavailable`, `Unverified`, `Malformed`."""
        stamped = 0
        started_ms = self._clock.now_ms()
        since_ms = max(started_ms - AGE_MS, self._done_ms[authority.name] - OVERLAP_MS)
        while held := await self._store.unstamped(authority.name, since_ms, AT_ONCE):
            for checkpoint in held:
                await self._one(authority, checkpoint)
                stamped += 1
        self._done_ms[authority.name] = started_ms
        return stamped

    async def _one(self, authority: TimestampAuthority, held: HeldCheckpoint) -> None:
        nonce = int.from_bytes(self._random(TIMESTAMP_NONCE_BYTES), "big")
        answer = await authority.ask(request_bytes(held.cosigned, authority.hash_name, nonce))
        token = token_of(answer)
        stamp = await asyncio.to_thread(self._verified, authority.name, token, held, nonce)
        await self._store.save_timestamp(held.origin, held.size, authority.name, token, stamp.time_ms)

    def _verified(self, name: str, token: bytes, held: HeldCheckpoint, nonce: int) -> Stamp:
        """As anybody will verify it later, and besides: it answers this very question, by a clock that agrees with this court's."""
        parsed = parse_token(token)
        found = find_authority(parsed, self._trust.authorities)
        if found is None or found[0].name != name:
            raise Unverified("timestamp", f"is signed by {found[0].name if found else 'a key that is not pinned'}")
        authority, signer = found
        stamp = verify_token(parsed, held.cosigned, authority, signer, nonce)
        apart_ms = stamp.time_ms - self._clock.now_ms()
        if abs(apart_ms) > FUTURE_SKEW_S * 1000 + authority.accuracy_ms:
            raise Unverified("timestamp", f"its clock is {apart_ms / 1000:+.0f} s from this court's")
        return stamp


def check_configured(authorities: Sequence[TimestampAuthority], trust: TrustRoots) -> None:
    """Each is pinned under its name. Raises `Malformed`."""
    pinned = {authority.name for authority in trust.authorities}
    for i, authority in enumerate(authorities):
        if authority.name not in pinned:
            reason = f"{authority.name} is not among the authorities of the trust roots, so no token of it would count"
            raise Malformed("configuration", f"time.authority[{i}].name", reason)
